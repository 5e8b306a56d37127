package parley.net;

import java.io.IOException;
import java.util.concurrent.Executor;

/** The statuses of an object: one, or one for each request. */
final class StatusIntake extends Intake<SocketStatus> {
    private final Direction direction;
    private final boolean once;

    StatusIntake(Pollable object, Direction direction, Executor executor, boolean once) {
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
