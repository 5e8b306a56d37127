package parley.bench;

import clojure.lang.Var;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
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

/** Characters and lines in, beside a BufferedReader over a Socket. */
public class Reading {
    private static final int CHARS = 1000;
    private static final int LINES = 100;
    private static final Var READ_CHAR = Clojure.var("parley.stream", "read-char");
    private static final Var READ_LINE = Clojure.var("parley.stream", "read-line");

    static String line(String text) {
        return text.equals("ascii") ? "GET /index/of/things?page=1024&order=ascending HTTP 11"
                : "Gr\u00fc\u00dfe aus K\u00f6ln: na\u00efve fa\u00e7ade, se\u00f1or, 12 \u20ac f\u00fcr 3 St\u00fcck";
    }

    /** A reader of the JDK. */
    @State(Scope.Thread)
    public static class Jdk {
        @Param({"ascii", "accents"})
        public String text;
        Socket socket;
        BufferedReader reader;

        @Setup
        public void open() throws IOException {
            socket = Connection.socket(Connection.lines(line(text)));
            reader = new BufferedReader(new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
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
        SocketStream stream;

        @Setup
        public void open() throws IOException {
            stream = Connection.stream(Connection.lines(line(text)), StreamOptions.DEFAULT);
        }

        @TearDown
        public void close() throws IOException {
            stream.abort();
        }
    }

    @Benchmark
    @OperationsPerInvocation(CHARS)
    public int readChar_jdk(Jdk in, Spent spent) throws IOException {
        int sum = 0;
        for (int i = 0; i < CHARS; i++) {
            sum += in.reader.read();
        }
        spent.operations += CHARS;
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(CHARS)
    public int readChar_java(Parley in, Spent spent) throws IOException {
        int sum = 0;
        for (int i = 0; i < CHARS; i++) {
            sum += in.stream.in().readChar();
        }
        spent.operations += CHARS;
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(CHARS)
    public int readChar_clojure(Parley in, Spent spent) {
        int sum = 0;
        for (int i = 0; i < CHARS; i++) {
            sum += (Character) Clojure.function(READ_CHAR).invoke(in.stream);
        }
        spent.operations += CHARS;
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(LINES)
    public int readLine_jdk(Jdk in, Spent spent) throws IOException {
        int sum = 0;
        for (int i = 0; i < LINES; i++) {
            sum += in.reader.readLine().length();
        }
        spent.operations += LINES;
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(LINES)
    public int readLine_java(Parley in, Spent spent) throws IOException {
        int sum = 0;
        for (int i = 0; i < LINES; i++) {
            sum += in.stream.in().readLine().length();
        }
        spent.operations += LINES;
        return sum;
    }

    @Benchmark
    @OperationsPerInvocation(LINES)
    public int readLine_clojure(Parley in, Spent spent) {
        int sum = 0;
        for (int i = 0; i < LINES; i++) {
            sum += ((String) Clojure.function(READ_LINE).invoke(in.stream)).length();
        }
        spent.operations += LINES;
        return sum;
    }
}
