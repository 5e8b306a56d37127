package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.SocketTimeoutException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.logging.LogManager;
import org.junit.jupiter.api.Test;
import parley.net.wait.BatchingExecutor;
import parley.net.wait.Deadline;
import parley.posix.Descriptor;
import parley.posix.Handles;
import parley.posix.Sockets;
import parley.testing.Await;
import parley.testing.Child;
import parley.testing.Classes;
import parley.testing.Descriptors;
import parley.testing.Guarded;
import parley.testing.Threads;

/** Everything that starts a thread, while no thread can be started and when one can be again. */
@Guarded
class ThreadFaultsTest {
    private static final Duration SOON = Duration.ofSeconds(20);

    @Test
    void what_could_not_start_a_thread_starts_it_when_it_is_used_again() throws Exception {
        assumeTrue(Descriptors.visible());
        // Big stacks, so that a limit of the address space leaves room for anything but a thread.
        try (Child child = Child.java(List.of("-Xss32m", "-Xlog:disable"), Uses.class)) {
            child.answer("ready");
            child.limitMemory(20 << 20);
            child.tell("go");
            Map<String, String> limited = outcomes(child);
            child.limitMemory(-1);
            child.tell("go");
            Map<String, String> again = outcomes(child);
            again.forEach((use, outcome) -> assertEquals("works", outcome, use));
            assertTrue(again.size() > 8 && again.keySet().equals(limited.keySet()), limited::toString);
            limited.forEach((use, outcome) -> assertTrue(Uses.NEED_NONE.contains(use)
                    ? outcome.equals("works")
                    : outcome.startsWith("java.io.IOException: ") && outcome.contains("thread"),
                    use + " " + outcome));
        }
    }

    private static Map<String, String> outcomes(Child child) throws InterruptedException {
        Map<String, String> outcomes = new LinkedHashMap<>();
        for (String line = child.line(); !line.equals("done"); line = child.line()) {
            int at = line.indexOf(": ");
            outcomes.put(at < 0 ? line : line.substring(0, at), at < 0 ? "" : line.substring(at + 2));
        }
        return outcomes;
    }

    /** The child. */
    public static final class Uses {
        /** These work without a new thread, or wait until there is one. */
        static final List<String> NEED_NONE =
                List.of("read", "status", "status of a handle", "take", "put", "served");

        private final Executor executor = new BatchingExecutor(Executors.newCachedThreadPool(body -> {
            Thread thread = new Thread(body, "pool");
            thread.setDaemon(true);
            return thread;
        }));
        private final SocketStream stream;
        private final SocketStream peer;
        private final Pollable handle;
        private final Descriptor stay; // or the handle would be at its end
        private final Server server;
        private final Intake<SocketStatus> intake;
        private final Outlet<byte[]> outlet;
        private final List<CountDownLatch> waiting = new ArrayList<>();
        private boolean limited;

        private Uses() throws IOException {
            List<SocketStream> pair = SocketStream.pair(StreamOptions.builder()
                    .elementType(ElementType.BIVALENT).build());
            stream = pair.get(0);
            peer = pair.get(1);
            Descriptor[] both = Sockets.socketpair("unix", "stream", 0);
            handle = Pollable.of(Handles.register(both[0]));
            stay = both[1];
            server = Server.builder(client -> client.out().writeLine("served")).log(event -> { })
                    .virtualThreads(false).start();
            intake = Intake.statuses(stream, Direction.INPUT, executor);
            outlet = new Outlet<>(stream, Framing.chunks(1), Outlet.Ending.LEAVE_OPEN, executor);
        }

        /** The child's entry. */
        public static void main(String[] arguments) throws Exception {
            LogManager.getLogManager().reset();
            Classes.load(SocketServer.class, "parley.net", "parley.posix");
            BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
            Uses uses = new Uses();
            uses.all(false);
            Await.until("the threads have ended", Uses::haveThreadsEnded);
            for (int i = 0; i < 3; i++) { // takes the stacks that the C library keeps for the next
                Threads.PLATFORM.start("plug", () -> new CountDownLatch(1).await(1, TimeUnit.HOURS));
            }
            System.out.println("ready");
            in.readLine();
            uses.all(true);
            in.readLine();
            uses.all(false);
            System.exit(0);
        }

        /** As the system sees it, which has their stacks until then. */
        private static boolean haveThreadsEnded() throws IOException {
            int servers = 0;
            for (File task : new File("/proc/self/task").listFiles()) {
                String name;
                try {
                    name = Files.readString(task.toPath().resolve("comm"));
                } catch (NoSuchFileException e) {
                    return false; // it has ended just now; others may have, too
                }
                if (name.matches("parley-(rea|desc|reso)(?s:.*)")) {
                    return false;
                }
                servers += name.startsWith("parley-server") ? 1 : 0;
            }
            return servers == 1;
        }

        private interface Use {
            void run() throws Exception;
        }

        private static void use(String name, Use use) {
            String outcome = "works";
            try {
                use.run();
            } catch (Throwable e) {
                outcome = e.toString();
            }
            System.out.println(name + ": " + outcome);
        }

        private void all(boolean now) {
            limited = now;
            use("take", () -> request(latch -> intake.take(status -> latch.countDown())));
            use("put", () -> {
                fill();
                request(latch -> outlet.put(new byte[1], accepted -> latch.countDown()));
            });
            use("read", () -> {
                stream.readTimeout(Duration.ofMillis(1));
                try {
                    stream.in().readByte();
                    throw new IOException("there was something");
                } catch (SocketTimeoutException e) {
                    stream.readTimeout(null); // a platform thread waits by itself
                }
            });
            use("watch of a stream", () -> Reactor.shared().whenReady(
                    stream, Direction.INPUT, status -> { }).close());
            use("watch of a handle", () -> Reactor.shared().whenReady(
                    handle, Direction.INPUT, status -> { }).close());
            use("status of a handle", () ->
                    handle.status(Direction.INPUT, Duration.ofMillis(1)));
            use("status", () -> stream.status(Direction.INPUT, Duration.ofMillis(1)));
            use("look-up", () -> Addresses.resolve("test", "localhost", Deadline.in(SOON)));
            use("server", () -> Server.builder(client -> { }).log(event -> { }).start().close());
            use("served", this::serve);
            System.out.println("done");
        }

        /** A connection for which there is no thread is refused, and the next one is served. */
        private void serve() throws IOException {
            try (SocketStream client = SocketStream.connect("127.0.0.1", server.port(),
                    StreamOptions.DEFAULT)) {
                client.readTimeout(SOON);
                String line = client.in().readLine();
                if (limited ? line != null : !"served".equals(line)) {
                    throw new IOException("the handler wrote " + line);
                }
            }
        }

        private void fill() throws IOException {
            while (stream.out().writeBytes(new byte[1 << 16], 0, 1 << 16, WaitMode.NO_HANG) > 0) {
                waiting.removeIf(latch -> latch.getCount() == 0);
            }
        }

        private interface Request {
            void make(CountDownLatch latch) throws IOException;
        }

        /** Makes a request that has to wait; once threads can be started, all are served. */
        private void request(Request request) throws Exception {
            CountDownLatch own = new CountDownLatch(1);
            request.make(own);
            waiting.add(own);
            if (limited) {
                return;
            }
            peer.out().writeByte('x');
            peer.out().flush();
            long end = System.nanoTime() + SOON.toNanos();
            for (CountDownLatch each : waiting) {
                while (!each.await(10, TimeUnit.MILLISECONDS)) {
                    peer.in().readBytes(new byte[1 << 20], 0, 1 << 20, WaitMode.NO_HANG);
                    if (System.nanoTime() > end) {
                        throw new IOException("not served: " + intake + ", " + outlet);
                    }
                }
            }
            waiting.clear();
            stream.in().readByte();
        }
    }
}
