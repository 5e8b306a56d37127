package parley.bench;

import com.sun.management.ThreadMXBean;
import io.netty.util.internal.PlatformDependent;
import java.io.BufferedReader;
import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.LongStream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * Clients under TLS: streams of Parley, SSLSocket, and Netty's SslHandler with the engine of the JDK.
 * They have the same server, which is in another process, so that the processor time and the
 * allocation of this process are those of a contender.
 */
public final class Tls implements Closeable {
    private static final char[] PASSWORD = "password".toCharArray();
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final byte[] block = new byte[TlsServer.BLOCK];
    private final Path store;
    private final Process server;
    private final int port;

    /** What a number of operations have cost. */
    public record Cost(double wallNanos, double cpuNanos, double allocated) {
        private static Cost since(Cost start, int operations) {
            Cost now = now();
            return new Cost((now.wallNanos - start.wallNanos) / operations,
                    (now.cpuNanos - start.cpuNanos) / operations,
                    (now.allocated - start.allocated) / operations);
        }

        private static Cost now() {
            long[] threads = THREADS.getAllThreadIds();
            return new Cost(System.nanoTime(), LongStream.of(THREADS.getThreadCpuTime(threads)).sum(),
                    LongStream.of(THREADS.getThreadAllocatedBytes(threads)).sum());
        }
    }

    /** Starts the server. */
    public Tls() throws IOException, InterruptedException {
        Path directory = Files.createTempDirectory("parley-bench");
        directory.toFile().deleteOnExit();
        store = directory.resolve("keys");
        store.toFile().deleteOnExit();
        String java = System.getProperty("java.home") + "/bin/";
        new ProcessBuilder(java + "keytool", "-genkeypair", "-alias", "own", "-keyalg", "EC", "-groupname",
                "secp256r1", "-dname", "CN=localhost", "-ext", "san=dns:localhost", "-storetype", "PKCS12",
                "-keystore", store.toString(), "-storepass", new String(PASSWORD)).inheritIO().start().waitFor();
        server = new ProcessBuilder(java + "java", "-XX:+UseSerialGC", "-cp",
                System.getProperty("java.class.path"), TlsServer.class.getName(), store.toString())
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        port = Integer.parseInt(firstLine(server));
    }

    /** A context that has the key and trusts its certificate, and no session yet. */
    static SSLContext context(Path store) throws IOException, GeneralSecurityException {
        KeyStore keys = KeyStore.getInstance("PKCS12");
        try (InputStream in = Files.newInputStream(store)) {
            keys.load(in, PASSWORD);
        }
        KeyStore trusted = KeyStore.getInstance("PKCS12");
        trusted.load(null, null);
        trusted.setCertificateEntry("own", keys.getCertificate("own"));
        KeyManagerFactory own = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        own.init(keys, PASSWORD);
        TrustManagerFactory trust =
                TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(own.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private TlsClient.Maker maker(String contender) throws IOException, GeneralSecurityException {
        return TlsClient.Contender.valueOf(contender).maker(context(store));
    }

    private static byte[] command(int letter, int blocks) {
        return new byte[] {(byte) letter, (byte) (blocks >> 24), (byte) (blocks >> 16),
            (byte) (blocks >> 8), (byte) blocks};
    }

    /** A round trip, after which the session ticket has been read, too. */
    private static void greet(TlsClient client) throws IOException {
        client.send(command(TlsServer.RECEIVE, 0), 1);
        client.receive(1);
    }

    /** Returns what a block costs that is received. */
    public Cost in(String contender, int blocks) throws IOException, GeneralSecurityException {
        try (TlsClient client = maker(contender).connect(port)) {
            greet(client);
            Cost start = Cost.now();
            client.send(command(TlsServer.SEND, blocks), 1);
            client.receive((long) blocks * TlsServer.BLOCK);
            return Cost.since(start, blocks);
        }
    }

    /** Returns what a block costs that is sent. */
    public Cost out(String contender, int blocks) throws IOException, GeneralSecurityException {
        try (TlsClient client = maker(contender).connect(port)) {
            greet(client);
            Cost start = Cost.now();
            client.send(command(TlsServer.RECEIVE, blocks), 1);
            client.send(block, blocks);
            client.receive(1);
            return Cost.since(start, blocks);
        }
    }

    /** Returns what a byte to and fro costs, in records of their own. */
    public Cost pingPong(String contender, int turns) throws IOException, GeneralSecurityException {
        try (TlsClient client = maker(contender).connect(port)) {
            greet(client);
            Cost start = Cost.now();
            for (int i = 0; i < turns; i++) {
                greet(client);
            }
            return Cost.since(start, turns);
        }
    }

    /** Returns what a connection with a round trip costs, its session resumed or not. */
    public Cost handshake(String contender, boolean resumed, int count)
            throws IOException, GeneralSecurityException {
        List<TlsClient.Maker> makers = new ArrayList<>();
        for (int i = 0; i < (resumed ? 1 : count); i++) {
            makers.add(maker(contender));
        }
        if (resumed) {
            connectOnce(makers.get(0));
        }
        Cost start = Cost.now();
        for (int i = 0; i < count; i++) {
            connectOnce(makers.get(resumed ? 0 : i));
        }
        return Cost.since(start, count);
    }

    private void connectOnce(TlsClient.Maker maker) throws IOException {
        try (TlsClient client = maker.connect(port)) {
            greet(client);
        }
    }

    /**
     * Returns the bytes of heap and of direct memory that an idle connection takes, in a Java machine of
     * its own, since each contender leaves things behind.
     */
    public double idle(String contender, int count) throws IOException {
        Process process = new ProcessBuilder(System.getProperty("java.home") + "/bin/java", "-XX:+UseSerialGC",
                "-cp", System.getProperty("java.class.path"), Tls.class.getName(), store.toString(),
                "" + port, contender, "" + count).redirectError(ProcessBuilder.Redirect.INHERIT).start();
        return Double.parseDouble(firstLine(process));
    }

    /** Measures {@link #idle}. */
    public static void main(String[] args)
            throws IOException, GeneralSecurityException, InterruptedException {
        TlsClient.Maker maker = TlsClient.Contender.valueOf(args[2]).maker(context(Path.of(args[0])));
        int port = Integer.parseInt(args[1]);
        int count = Integer.parseInt(args[3]);
        List<TlsClient> clients = new ArrayList<>();
        double before = 0;
        for (int i = -100; i < count; i++) { // the first fill pools
            if (i == 0) {
                before = used();
            }
            TlsClient client = maker.connect(port);
            greet(client);
            clients.add(client);
        }
        System.out.println((used() - before) / count);
        System.exit(clients.size() == count + 100 ? 0 : 1);
    }

    /** Returns the bytes of the heap, once it has settled, and of direct memory. */
    private static double used() throws InterruptedException {
        long before;
        long heap = 0;
        int tries = 20;
        do {
            before = heap;
            System.gc();
            Thread.sleep(50); // cleaners run in threads of their own
            heap = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
        } while (Math.abs(heap - before) >= 512 && --tries > 0);
        long direct = ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
                .mapToLong(BufferPoolMXBean::getMemoryUsed).sum();
        // Netty counts what it allocates itself; -1 when it does not.
        return heap + direct + Math.max(0, PlatformDependent.usedDirectMemory());
    }

    private static String firstLine(Process process) throws IOException {
        return new BufferedReader(new InputStreamReader(process.getInputStream())).readLine();
    }

    @Override
    public void close() {
        server.destroy();
    }
}
