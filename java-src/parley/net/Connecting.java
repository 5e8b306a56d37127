package parley.net;

import java.io.IOException;
import java.nio.channels.AsynchronousCloseException;
import parley.net.wait.HasDeadline;
import parley.net.wait.Deadline;

/**
 * The connecting of a stream that was made without waiting for it, with a timeout of zero, or whose
 * TLS handshake is to come: each use or check of the stream takes it further. Streams that are
 * connected have none.
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

    /** Waits until the connection is established. */
    void finish(String operation, HasDeadline patient) throws IOException {
        Transport transport = stream.transport();
        for (;;) {
            int seen = transport.changes();
            if (step(true)) {
                break;
            } else if (patient.deadline().hasPassed()) {
                throw Errors.timeout(operation, patient.deadline(), "the connection of " + stream,
                        stream, "it is still being connected, the call can be made again");
            }
            // Asked once the wait can be woken, so that no change falls in between.
            await(operation, () -> transport.changes() != seen ? Deadline.PASSED
                    : patient.deadline().min(transport.connectDeadline()));
        }
        requireSuccess(operation);
    }

    private void await(String operation, HasDeadline patient) throws IOException {
        try {
            stream.await(operation, stream.transport().connectOps(), patient);
        } catch (AsynchronousCloseException e) {
            if (failure == null) { // else it was closed for that reason
                throw e;
            }
        }
    }

    /** Returns whether the connection is established; throws when it has failed. */
    boolean isDoneNow(String operation) throws IOException {
        boolean decided = step(false);
        requireSuccess(operation);
        return decided;
    }

    private void requireSuccess(String operation) throws IOException {
        if (failure != null) {
            throw Errors.again(operation, stream, failure);
        }
    }

    /**
     * Takes a step: true when it is decided what becomes of the connection.
     *
     * @param here whether the calling thread may compute for some time
     */
    boolean step(boolean here) {
        if (done || failure != null) {
            return true;
        }
        try {
            Transport transport = stream.transport();
            done = here ? transport.finishConnectHere() : transport.finishConnect();
            return done;
        } catch (IOException e) {
            if (stream.isOpen() && failure == null) {
                failure = stream.transport().explain(e, stream.host(), stream.port());
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
