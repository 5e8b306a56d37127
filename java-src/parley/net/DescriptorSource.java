package parley.net;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import parley.posix.ClosedDescriptorException;
import parley.posix.Descriptor;
import parley.posix.DescriptorSet;
import parley.posix.Handles;
import parley.posix.Poll;

/** A descriptor as a source, or two: one for input and one for output, as of pipes. */
final class DescriptorSource extends Source {
    private final Descriptor input; // immutable; null for none
    private final Descriptor output; // immutable; null for none; the same one for a socket
    private final boolean own;

    /**
     * @param own true when whoever closes the descriptors calls {@link #release} after that
     */
    DescriptorSource(Descriptor input, Descriptor output, boolean own) {
        this.input = input;
        this.output = output;
        this.own = own;
    }

    @Override
    boolean isOpen() {
        return isOpen(input) || isOpen(output);
    }

    private static boolean isOpen(Descriptor descriptor) {
        return descriptor != null && descriptor.isOpen();
    }

    @Override
    boolean announcesClose() {
        return own;
    }

    /** The poller is woken by the descriptor itself. */
    @Override
    boolean endsPollOnClose() {
        return true;
    }

    @Override
    Descriptor duplicate() throws IOException {
        try {
            return (isOpen(input) ? input : output).duplicate();
        } catch (ClosedDescriptorException e) {
            throw closed(e);
        }
    }

    @Override
    int[] handles() throws IOException {
        if (!isOpen()) {
            throw new ClosedChannelException();
        }
        return new int[] {handle(input), handle(output)};
    }

    /** The number, which raw socket functions refuse once it is somebody else's. */
    private int handle(Descriptor descriptor) {
        if (!isOpen(descriptor)) {
            return -1;
        }
        return own ? Handles.lend(descriptor) : descriptor.number();
    }

    @Override
    Registration join(Poller poller, int ops, Object attachment) throws IOException {
        try {
            return new DescriptorRegistration(this, poller, ops, attachment);
        } catch (ClosedDescriptorException e) {
            throw closed(e);
        }
    }

    private static ClosedChannelException closed(ClosedDescriptorException e) {
        ClosedChannelException closed = new ClosedChannelException();
        closed.addSuppressed(e);
        return closed;
    }

    /** The descriptors in a poller's set. */
    static final class DescriptorRegistration extends Registration {
        private static final int READ = SelectionKey.OP_READ | SelectionKey.OP_ACCEPT;
        private static final int WRITE = SelectionKey.OP_WRITE | SelectionKey.OP_CONNECT;

        private final DescriptorMembers members;
        private final DescriptorSet.Entry reading; // null for none
        private final DescriptorSet.Entry writing; // null for none; the same one for a socket
        private volatile int interest;
        private int ready; // what the poll under way found; the polling thread's own

        DescriptorRegistration(
                DescriptorSource source, Poller poller, int ops, Object attachment)
                throws IOException {
            super(source, poller, attachment);
            members = poller.descriptors();
            reading = isOpen(source.input) ? add(source.input) : null;
            writing = source.output == source.input ? reading : addOutput(source);
            members.added(this);
            source.added(this);
            interest(ops);
            if (!source.isOpen()) {
                // Closed since, perhaps by somebody who did not see that it was registered.
                cancel();
                source.removed(this);
                throw new ClosedChannelException();
            }
        }

        private DescriptorSet.Entry add(Descriptor descriptor) throws IOException {
            // woken even where nobody waits yet: who is about to wait may have looked already
            return members.set().add(descriptor, 0, this, poller::wakeup);
        }

        private DescriptorSet.Entry addOutput(DescriptorSource source) throws IOException {
            boolean added = false;
            try {
                DescriptorSet.Entry entry = isOpen(source.output) ? add(source.output) : null;
                added = true;
                return entry;
            } finally {
                if (!added && reading != null) {
                    reading.remove();
                }
            }
        }

        @Override
        int interest() {
            return interest;
        }

        @Override
        void interest(int ops) {
            interest = ops;
            int in = (ops & READ) == 0 ? 0 : Poll.IN;
            int out = (ops & WRITE) == 0 ? 0 : Poll.OUT;
            try {
                if (reading != null) {
                    reading.events(reading == writing ? in | out : in);
                }
                if (writing != null && writing != reading) {
                    writing.events(out);
                }
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }

        @Override
        void cancel() {
            if (reading != null) {
                reading.remove();
            }
            if (writing != null && writing != reading) {
                writing.remove();
            }
            members.removed(this);
        }

        /** Takes a note of the events found; true for the first ones of a poll. */
        boolean noteReady(int events) {
            int ends = events & (Poll.ERR | Poll.HUP | Poll.NVAL);
            int found = (ends != 0 || (events & Poll.IN) != 0 ? READ : 0)
                    | (ends != 0 || (events & Poll.OUT) != 0 ? WRITE : 0);
            boolean first = ready == 0;
            ready |= found & interest;
            return first && ready != 0;
        }

        int takeReady() {
            int found = ready;
            ready = 0;
            return found;
        }
    }
}
