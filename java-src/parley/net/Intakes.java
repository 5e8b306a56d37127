package parley.net;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import parley.net.RetryTrigger.BackOff;
import parley.net.wait.Log;

/** The kinds of {@link Intake}, by the values that they take. */
final class Intakes {
    private Intakes() {
    }

    /** The statuses of an object: one, or one for each request. */
    static final class Statuses extends Intake<SocketStatus> {
        private final Direction direction;
        private final boolean once;

        Statuses(Pollable object, Direction direction, Executor executor, boolean once) {
            super(object, direction, executor);
            this.direction = direction;
            this.once = once;
        }

        @Override
        SocketStatus next() throws IOException {
            object.requireOpen(name());
            SocketStatus status = object.evaluate(direction, trigger().takeFound());
            object.requireOpen(name()); // what closing looks like from inside is no end of input
            return status.isActionable() ? status : null;
        }

        @Override
        boolean isLast(SocketStatus status) {
            return once || status == SocketStatus.EOF || status == SocketStatus.APPEND
                    || status == SocketStatus.ERROR;
        }

        @Override
        long pauseNanos() {
            return 0;
        }

        @Override
        String name() {
            return once ? "ready" : "readiness";
        }
    }

    /** The connections that a server accepts. */
    static final class Connections extends Intake<SocketStream> {
        private static final long QUIET = Duration.ofSeconds(10).toNanos();

        private final SocketServer server;
        private final StreamOptions options;
        // Used under the lock of the intake.
        private final BackOff backOff = new BackOff();
        private long pause; // 0 while accepting works
        private long quietUntil = System.nanoTime();

        Connections(SocketServer server, StreamOptions options, Executor executor) {
            super(server, Direction.INPUT, executor);
            this.server = server;
            this.options = options;
        }

        @Override
        SocketStream next() throws IOException {
            server.requireOpen(name());
            try {
                SocketStream stream = server.acceptNow(options);
                pause = 0; // also without a client: even that fails without descriptors
                backOff.reset();
                return stream;
            } catch (IOException e) {
                if (!server.isOpen()) {
                    throw e;
                }
                if (pause == 0 && System.nanoTime() - quietUntil >= 0) {
                    Log.warning(Log.Part.ACCEPT, this + " pauses and tries again, until accepting works: "
                            + Errors.text(e));
                }
                quietUntil = System.nanoTime() + QUIET; // one line for one shortage, however it goes
                pause = backOff.next().toNanos();
                return null;
            }
        }

        @Override
        Consumer<SocketStream> guarded(Consumer<SocketStream> receiver) {
            return stream -> {
                try {
                    receiver.accept(stream);
                } catch (RuntimeException | Error e) {
                    if (stream != null) {
                        drop(stream, e);
                    }
                    throw e;
                }
            };
        }

        private static void drop(SocketStream stream, Throwable why) {
            try {
                stream.abort();
            } catch (IOException e) {
                why.addSuppressed(e);
            }
        }

        @Override
        boolean isLast(SocketStream stream) {
            return false;
        }

        @Override
        long pauseNanos() {
            return pause;
        }

        @Override
        String name() {
            return "connections";
        }
    }

    /** The elements of a stream's input. */
    static final class Elements<T> extends Intake<T> {
        private final SocketStream stream;
        private final Framing<T> framing;

        Elements(SocketStream stream, Framing<T> framing, Executor executor) {
            super(stream, Direction.INPUT, executor);
            this.stream = stream;
            this.framing = Errors.need("elements", "the framing", framing, "a Framing");
        }

        @Override
        T next() throws IOException {
            return stream.in().takeNow(framing);
        }

        @Override
        boolean isLast(T element) {
            return false;
        }

        @Override
        boolean isForeign() {
            return framing.isForeign();
        }

        @Override
        long pauseNanos() {
            return 0;
        }

        @Override
        String name() {
            return framing.reading;
        }
    }
}
