package parley.net;

import java.io.IOException;
import java.nio.channels.SelectionKey;
import parley.net.wait.HasDeadline;

/**
 * The connecting of a stream that was made without waiting for it, with a timeout of zero: whoever
 * uses or checks the stream takes it further. Streams that are connected have none.
 */
final class Connecting {
    private final SocketStream stream;
    private volatile boolean done;
    private volatile IOException failure; // why it came to nothing

    Connecting(SocketStream stream) {
        this.stream = stream;
    }

    /** Why the connection came to nothing, or null. */
    IOException failure() {
        return failure;
    }

    /** Waits until the connection is there. */
    void finish(String operation, HasDeadline patient) throws IOException {
        while (!step()) {
            if (patient.deadline().hasPassed()) {
                throw Errors.timeout(operation, stream, "it is still being connected");
            }
            stream.await(operation, SelectionKey.OP_CONNECT, patient);
        }
        requireSuccess(operation);
    }

    /** False while the connection is not there; an error when it never will be. */
    boolean isDoneNow(String operation) throws IOException {
        boolean decided = step();
        requireSuccess(operation);
        return decided;
    }

    private void requireSuccess(String operation) throws IOException {
        if (failure != null) {
            throw Errors.again(operation, stream, failure);
        }
    }

    /** Takes a step: true when it is decided what becomes of the connection. */
    boolean step() {
        if (done || failure != null) {
            return true;
        }
        try {
            done = stream.transport().finishConnect();
            return done;
        } catch (IOException e) {
            if (stream.isOpen() && failure == null) {
                failure = Connector.explain(e, stream.host(), stream.port());
                giveUp();
            }
            return true;
        }
    }

    private void giveUp() {
        try {
            stream.transport().close(false);
        } catch (IOException e) {
            failure.addSuppressed(e);
        }
        stream.tellObservers();
    }
}
