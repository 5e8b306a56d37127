package parley.bench;

import clojure.lang.IFn;
import clojure.lang.PersistentVector;
import clojure.lang.RT;
import clojure.lang.Var;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import parley.net.Direction;
import parley.net.Pollable;
import parley.net.SocketStatus;
import parley.net.SocketStream;
import parley.net.StatusSet;
import parley.net.StreamOptions;

/** The status of one stream, of a list and of a set, beside a Selector over the same connections. */
public class Status {
    private static final Var STATUS = Clojure.var("parley.socket", "socket-status");

    /** Connections, of which some have sent a byte that is not read. */
    public abstract static class Population {
        final List<SocketChannel> ours = new ArrayList<>();
        private final List<SocketChannel> theirs = new ArrayList<>();

        final void connect(int n, int ready) throws IOException {
            try (ServerSocketChannel server = ServerSocketChannel.open()) {
                server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
                for (int i = 0; i < n; i++) {
                    SocketChannel channel = SocketChannel.open(server.getLocalAddress());
                    channel.configureBlocking(false);
                    ours.add(channel);
                    theirs.add(server.accept());
                }
            }
            say(ready);
        }

        final void say(int ready) throws IOException {
            for (SocketChannel each : theirs.subList(0, ready)) {
                each.write(ByteBuffer.wrap(new byte[] {'x'}));
            }
        }

        final void disconnect() throws IOException {
            for (SocketChannel each : ours) {
                each.close();
            }
            for (SocketChannel each : theirs) {
                each.close();
            }
        }
    }

    /** A Selector over all. */
    @State(Scope.Thread)
    public static class Bare extends Population {
        @Param({"1", "100", "9000"})
        public int members;
        @Param({"0", "10"})
        public int percentReady;
        Selector selector;

        @Setup
        public void open() throws IOException {
            connect(members, members * percentReady / 100);
            selector = Selector.open();
            for (SocketChannel each : ours) {
                each.register(selector, SelectionKey.OP_READ);
            }
        }

        @TearDown
        public void close() throws IOException {
            selector.close();
            disconnect();
        }
    }

    /** A status set of all. */
    @State(Scope.Thread)
    public static class Kept extends Population {
        @Param({"1", "100", "9000"})
        public int members;
        @Param({"0", "10"})
        public int percentReady;
        StatusSet set;
        Object view;

        @Setup
        public void open() throws IOException {
            int ready = members * percentReady / 100;
            connect(members, ready);
            set = new StatusSet();
            view = Clojure.function(Clojure.var("parley.socket", "status-set")).invoke();
            IFn add = Clojure.function(Clojure.var("parley.socket", "status-set-add!"));
            for (SocketChannel each : ours) {
                SocketStream stream = SocketStream.adopt(each, StreamOptions.DEFAULT);
                set.add(stream, Direction.INPUT);
                add.invoke(view, stream, RT.keyword(null, "input"));
            }
            while (set.check(Duration.ZERO).actionable() < ready) {
                Thread.onSpinWait();
            }
            say(ready); // the check has taken the first bytes into the streams' buffers
        }

        @TearDown
        public void close() throws Exception {
            set.close();
            ((AutoCloseable) view).close();
            disconnect();
        }
    }

    /** A list of idle streams, the same in each call, and a Selector over as many. */
    @State(Scope.Thread)
    public static class Listed extends Population {
        Pollable[] streams;
        Direction[] directions;
        Object list;

        @Setup
        public void open() throws IOException {
            int n = 480;
            connect(n, 0);
            streams = new Pollable[n];
            directions = Collections.nCopies(n, Direction.INPUT).toArray(new Direction[0]);
            List<Object> members = new ArrayList<>();
            for (int i = 0; i < n; i++) {
                streams[i] = SocketStream.adopt(ours.get(i), StreamOptions.DEFAULT);
                members.add(PersistentVector.create(streams[i], RT.keyword(null, "input")));
            }
            list = PersistentVector.create(members);
        }

        @TearDown
        public void close() throws IOException {
            disconnect();
        }
    }

    @Benchmark
    public int check_jdk(Bare at, Spent spent) throws IOException {
        spent.operations++;
        return at.selector.selectNow(key -> { });
    }

    @Benchmark
    public int check_java(Kept at, Spent spent) throws IOException {
        spent.operations++;
        return at.set.check(Duration.ZERO).actionable();
    }

    @Benchmark
    public Object check_clojure(Kept at, Spent spent) {
        spent.operations++;
        return Clojure.function(STATUS).invoke(at.view, 0L);
    }

    /** One stream by itself, beside a Selector that is kept for it. */
    @State(Scope.Thread)
    public static class One extends Population {
        Selector selector;
        SocketStream stream;
        Object pair;

        @Setup
        public void open() throws IOException {
            connect(2, 0);
            selector = Selector.open();
            ours.get(0).register(selector, SelectionKey.OP_READ);
            stream = SocketStream.adopt(ours.get(1), StreamOptions.DEFAULT);
            pair = PersistentVector.create(stream, RT.keyword(null, "input"));
        }

        @TearDown
        public void close() throws IOException {
            selector.close();
            disconnect();
        }
    }

    @Benchmark
    public int single_jdk(One at, Spent spent) throws IOException {
        spent.operations++;
        return at.selector.selectNow(key -> { });
    }

    @Benchmark
    public SocketStatus single_java(One at, Spent spent) throws IOException {
        spent.operations++;
        return at.stream.status(Direction.INPUT, Duration.ZERO);
    }

    @Benchmark
    public Object single_clojure(One at, Spent spent) {
        spent.operations++;
        return Clojure.function(STATUS).invoke(at.pair, 0L);
    }

    @Benchmark
    public Object list480_java(Listed at, Spent spent) throws IOException {
        spent.operations++;
        return SocketStatus.of(at.streams, at.directions, Duration.ZERO);
    }

    @Benchmark
    public Object list480_clojure(Listed at, Spent spent) {
        spent.operations++;
        return Clojure.function(STATUS).invoke(at.list, 0L);
    }

    @Benchmark
    public int list480_jdk(ListedBare at, Spent spent) throws IOException {
        spent.operations++;
        return at.selector.selectNow(key -> { });
    }

    /** A Selector over 480 idle connections. */
    @State(Scope.Thread)
    public static class ListedBare extends Population {
        Selector selector;

        @Setup
        public void open() throws IOException {
            connect(480, 0);
            selector = Selector.open();
            for (SocketChannel each : ours) {
                each.register(selector, SelectionKey.OP_READ);
            }
        }

        @TearDown
        public void close() throws IOException {
            selector.close();
            disconnect();
        }
    }
}
