package parley.bench;

import clojure.lang.Var;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import parley.net.SocketStream;
import parley.net.StreamOptions;

/** Characters and lines out, beside a BufferedWriter over a Socket. */
public class Writing {
    private static final int CHARS = 1000;
    private static final int LINES = 100;
    private static final Var WRITE_CHAR = Clojure.var("parley.stream", "write-char");
    private static final Var WRITE_LINE = Clojure.var("parley.stream", "write-line");

    /** A writer of the JDK. */
    @State(Scope.Thread)
    public static class Jdk {
        @Param({"ascii", "accents"})
        public String text;
        String line;
        Socket socket;
        BufferedWriter writer;

        @Setup
        public void open() throws IOException {
            line = Reading.line(text);
            socket = Connection.socket(Connection::sink);
            writer = new BufferedWriter(new OutputStreamWriter(socket.getOutputStream(), StandardCharsets.UTF_8));
        }

        @TearDown
        public void close() throws IOException {
            socket.close();
        }
    }

    /** A stream of Parley. */
    @State(Scope.Thread)
    public static class Parley {
        @Param({"ascii", "accents"})
        public String text;
        String line;
        SocketStream stream;

        @Setup
        public void open() throws IOException {
            line = Reading.line(text);
            stream = Connection.stream(Connection::sink, StreamOptions.DEFAULT);
        }

        @TearDown
        public void close() throws IOException {
            stream.abort();
        }
    }

    @Benchmark
    @OperationsPerInvocation(CHARS)
    public void writeChar_jdk(Jdk out, Spent spent) throws IOException {
        for (int i = 0; i < CHARS; i++) {
            out.writer.write('a' + (i & 15));
        }
        spent.operations += CHARS;
    }

    @Benchmark
    @OperationsPerInvocation(CHARS)
    public void writeChar_java(Parley out, Spent spent) throws IOException {
        for (int i = 0; i < CHARS; i++) {
            out.stream.out().writeChar('a' + (i & 15));
        }
        spent.operations += CHARS;
    }

    @Benchmark
    @OperationsPerInvocation(CHARS)
    public void writeChar_clojure(Parley out, Spent spent) {
        for (int i = 0; i < CHARS; i++) {
            Clojure.function(WRITE_CHAR).invoke((char) ('a' + (i & 15)), out.stream);
        }
        spent.operations += CHARS;
    }

    @Benchmark
    @OperationsPerInvocation(LINES)
    public void writeLine_jdk(Jdk out, Spent spent) throws IOException {
        for (int i = 0; i < LINES; i++) {
            out.writer.write(out.line);
            out.writer.write('\n');
        }
        spent.operations += LINES;
    }

    @Benchmark
    @OperationsPerInvocation(LINES)
    public void writeLine_java(Parley out, Spent spent) throws IOException {
        for (int i = 0; i < LINES; i++) {
            out.stream.out().writeLine(out.line);
        }
        spent.operations += LINES;
    }

    @Benchmark
    @OperationsPerInvocation(LINES)
    public void writeLine_clojure(Parley out, Spent spent) {
        for (int i = 0; i < LINES; i++) {
            Clojure.function(WRITE_LINE).invoke(out.line, out.stream);
        }
        spent.operations += LINES;
    }
}
