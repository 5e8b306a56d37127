package parley.net;

import java.io.IOException;
import java.util.concurrent.Executor;

/** The elements of a stream's input. */
final class ElementIntake<T> extends Intake<T> {
    private final SocketStream stream;
    private final Framing<T> framing;

    ElementIntake(SocketStream stream, Framing<T> framing, Executor executor) {
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
