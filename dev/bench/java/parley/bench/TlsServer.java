package parley.bench;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;

/**
 * The other side of {@link Tls}, in a process of its own: an SSLServerSocket with a thread for each
 * connection. Its argument is a key store. A client sends a letter and a number of blocks.
 */
final class TlsServer {
    /** Asks for blocks. */
    static final int SEND = 'S';
    /** Announces blocks; a byte is the answer. */
    static final int RECEIVE = 'R';
    static final int BLOCK = 64 * 1024;

    private TlsServer() {
    }

    /** Prints the port, and serves until its input ends. */
    public static void main(String[] args) throws IOException, GeneralSecurityException {
        SSLContext context = Tls.context(Path.of(args[0]));
        SSLServerSocket server = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, 1024, InetAddress.getLoopbackAddress());
        daemon(() -> {
            for (;;) {
                Socket socket = server.accept();
                socket.setTcpNoDelay(true);
                daemon(() -> serve(socket));
            }
        });
        System.out.println(server.getLocalPort());
        while (System.in.read() >= 0) {
            continue;
        }
    }

    private interface Body {
        void run() throws IOException;
    }

    private static void daemon(Body body) {
        Thread thread = new Thread(null, () -> {
            try {
                body.run();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }, "bench-tls", 256 * 1024);
        thread.setDaemon(true);
        thread.start();
    }

    private static void serve(Socket socket) throws IOException {
        byte[] block = new byte[BLOCK];
        try (socket) {
            DataInputStream in = new DataInputStream(socket.getInputStream());
            OutputStream out = socket.getOutputStream();
            for (int command; (command = in.read()) >= 0;) {
                int count = in.readInt();
                for (int i = 0; i < count; i++) {
                    if (command == SEND) {
                        out.write(block);
                    } else {
                        in.readFully(block);
                    }
                }
                if (command == RECEIVE) {
                    out.write(1);
                }
            }
        } catch (java.net.SocketException e) {
            return; // the client has closed without reading
        }
    }
}
