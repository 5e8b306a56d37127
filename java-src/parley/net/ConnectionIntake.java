package parley.net;

import java.io.IOException;
import java.time.Duration;
import java.util.concurrent.Executor;
import java.util.function.Consumer;
import parley.net.wait.BackOff;
import parley.net.wait.Log;

/** The connections that a server accepts. */
final class ConnectionIntake extends Intake<SocketStream> {
    private static final long QUIET = Duration.ofSeconds(10).toNanos();

    private final SocketServer server;
    private final StreamOptions options;
    // Used under the lock of the intake.
    private final BackOff backOff = new BackOff();
    private long pause; // 0 while accepting works
    private long quietUntil = System.nanoTime();

    ConnectionIntake(SocketServer server, StreamOptions options, Executor executor) {
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
