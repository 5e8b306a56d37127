package parley.bench;

import clojure.lang.Var;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.Socket;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import parley.net.ElementType;
import parley.net.SocketStream;
import parley.net.StreamOptions;
import parley.net.WaitMode;

/** Blocks of 64 KiB and single bytes to and fro, beside the streams of a Socket. */
public class Blocks {
    private static final int SIZE = 64 * 1024;
    private static final StreamOptions BYTES = bytes(true);
    private static final StreamOptions UNBUFFERED = bytes(false);
    private static final Var READ_BYTE = Clojure.var("parley.stream", "read-byte");
    private static final Var WRITE_BYTE = Clojure.var("parley.stream", "write-byte");

    private static StreamOptions bytes(boolean buffered) {
        return StreamOptions.builder().elementType(ElementType.UNSIGNED_BYTE_8).buffered(buffered).build();
    }

    /** A connection; what the other end does is the subclass's. */
    public abstract static class Jdk {
        final byte[] block = new byte[SIZE];
        Socket socket;
        InputStream in;
        OutputStream out;

        abstract Connection.Peer peer();

        @Setup
        public void open() throws IOException {
            socket = Connection.socket(peer());
            in = socket.getInputStream();
            out = socket.getOutputStream();
        }

        @TearDown
        public void close() throws IOException {
            socket.close();
        }
    }

    /** As {@link Jdk}. */
    public abstract static class Parley {
        final byte[] block = new byte[SIZE];
        SocketStream stream;

        abstract Connection.Peer peer();

        StreamOptions options() {
            return BYTES;
        }

        @Setup
        public void open() throws IOException {
            stream = Connection.stream(peer(), options());
        }

        @TearDown
        public void close() throws IOException {
            stream.abort();
        }
    }

    /** Reads. */
    @State(Scope.Thread)
    public static class JdkIn extends Jdk {
        @Override
        Connection.Peer peer() {
            return Connection.sender(new byte[4 * SIZE]);
        }
    }

    /** Writes. */
    @State(Scope.Thread)
    public static class JdkOut extends Jdk {
        @Override
        Connection.Peer peer() {
            return Connection::sink;
        }
    }

    /** Writes a byte and reads it. */
    @State(Scope.Thread)
    public static class JdkEcho extends Jdk {
        @Override
        Connection.Peer peer() {
            return Connection::echo;
        }
    }

    /** Reads. */
    @State(Scope.Thread)
    public static class ParleyIn extends Parley {
        @Override
        Connection.Peer peer() {
            return Connection.sender(new byte[4 * SIZE]);
        }
    }

    /** Writes. */
    @State(Scope.Thread)
    public static class ParleyOut extends Parley {
        @Override
        Connection.Peer peer() {
            return Connection::sink;
        }
    }

    /** Writes a byte and reads it. */
    @State(Scope.Thread)
    public static class ParleyEcho extends Parley {
        @Override
        Connection.Peer peer() {
            return Connection::echo;
        }

        @Override
        StreamOptions options() {
            return UNBUFFERED;
        }
    }

    @Benchmark
    public int blockIn_jdk(JdkIn at, Spent spent) throws IOException {
        spent.operations++;
        return at.in.readNBytes(at.block, 0, SIZE);
    }

    @Benchmark
    public int blockIn_java(ParleyIn at, Spent spent) throws IOException {
        spent.operations++;
        return at.stream.in().readBytes(at.block, 0, SIZE, WaitMode.FULL);
    }

    @Benchmark
    public void blockOut_jdk(JdkOut at, Spent spent) throws IOException {
        spent.operations++;
        at.out.write(at.block, 0, SIZE);
    }

    @Benchmark
    public int blockOut_java(ParleyOut at, Spent spent) throws IOException {
        spent.operations++;
        return at.stream.out().writeBytes(at.block, 0, SIZE, WaitMode.FULL);
    }

    @Benchmark
    public int pingPong_jdk(JdkEcho at, Spent spent) throws IOException {
        spent.operations++;
        at.out.write(1);
        return at.in.read();
    }

    @Benchmark
    public int pingPong_java(ParleyEcho at, Spent spent) throws IOException {
        spent.operations++;
        at.stream.out().writeByte(1);
        return at.stream.in().readByte();
    }

    @Benchmark
    public Object pingPong_clojure(ParleyEcho at, Spent spent) {
        spent.operations++;
        Clojure.function(WRITE_BYTE).invoke(1L, at.stream);
        return Clojure.function(READ_BYTE).invoke(at.stream);
    }
}
