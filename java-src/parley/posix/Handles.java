package parley.posix;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Descriptors by number, for those who have nothing but the number: the raw socket functions.
 *
 * <p>A number says nothing of who owns it. So it is remembered which numbers were handed out: those
 * of descriptors made here, and those lent by a channel or a stream. When such a number was closed it is
 * refused until it is handed out again, even if the system has meanwhile given it to somebody else.
 * Other numbers, which came from outside, are used as they are if they are sockets, pipes or
 * terminals, but never closed.
 *
 * <p>Thread-safe.
 */
public final class Handles {
    /** What is known of a number: exactly one of the parts is there, or none once it was closed. */
    private record Handed(Descriptor made, WeakReference<?> lent) {
        static final Handed CLOSED = new Handed(null, null);

        ChannelDescriptor channel() {
            return lent != null && lent.get() instanceof ChannelDescriptor channel ? channel : null;
        }

        /** The descriptor, of our own or lent. */
        Descriptor descriptor() {
            return lent != null && lent.get() instanceof Descriptor theirs ? theirs : made;
        }

        boolean isLent() {
            return channel() != null || made == null && descriptor() != null;
        }
    }

    private static final Map<Integer, Handed> HANDED = new ConcurrentHashMap<>();

    private Handles() {}

    /** Hands out the number of a descriptor, which is found by it until it is closed. */
    public static int register(Descriptor descriptor) {
        HANDED.put(descriptor.number(), new Handed(descriptor, null));
        return descriptor.number();
    }

    /**
     * Hands out the number of a channel, which can be used as long as the channel is open and the
     * descriptor reachable.
     *
     * @throws java.nio.channels.ClosedChannelException when the channel is closed
     */
    public static int lend(ChannelDescriptor channel) throws IOException {
        int number = channel.number();
        HANDED.put(number, new Handed(null, new WeakReference<>(channel)));
        return number;
    }

    /**
     * Hands out the number of a stream's descriptor, which can be used until the stream is closed,
     * and is the stream's to close. A number that the stream only borrows stays what it was.
     */
    public static int lend(Descriptor descriptor) {
        if (descriptor.isOwned()) {
            HANDED.put(descriptor.number(), new Handed(null, new WeakReference<>(descriptor)));
        }
        return descriptor.number();
    }

    /** A call on a descriptor. */
    @FunctionalInterface
    public interface Call<T> {
        /** Makes the call; the descriptor is open at its beginning. */
        T on(Descriptor descriptor) throws IOException;
    }

    /**
     * Makes a call on the descriptor of a number.
     *
     * @param name what is called, for messages
     * @throws ClosedDescriptorException when it, or its channel, was closed
     * @throws PosixException EBADF when the number is not open
     * @throws IllegalArgumentException when it is negative, or somebody's file or epoll
     */
    public static <T> T with(String name, int number, Call<T> call) throws IOException {
        Posix.require(name);
        Handed handed = HANDED.get(number);
        if (handed == null) {
            try (Descriptor foreign = foreign(name, number)) {
                return call.on(foreign);
            }
        }
        Descriptor known = handed.descriptor();
        if (known != null) {
            return call.on(known);
        }
        ChannelDescriptor channel = handed.channel();
        if (channel == null) {
            throw new ClosedDescriptorException(name + "(" + number + ")");
        }
        try (Descriptor copy = channel.duplicate()) {
            return call.on(copy);
        }
    }

    /**
     * Returns the channel's descriptor whose number was lent, or null for other numbers.
     *
     * @throws ClosedDescriptorException when the number was closed
     */
    public static ChannelDescriptor channel(String name, int number) throws IOException {
        Posix.require(name);
        Handed handed = HANDED.get(number);
        if (handed == null || handed.descriptor() != null) {
            return null;
        }
        ChannelDescriptor channel = handed.channel();
        if (channel == null) {
            throw new ClosedDescriptorException(name + "(" + number + ")");
        }
        channel.number();
        return channel;
    }

    /**
     * Returns the descriptor of a number made here, or one that borrows a number from outside.
     *
     * @throws IOException and others as {@link #with}
     */
    public static Descriptor descriptor(String name, int number) throws IOException {
        Posix.require(name);
        Handed handed = HANDED.get(number);
        Descriptor known = handed == null ? foreign(name, number) : handed.descriptor();
        if (known == null) {
            throw new ClosedDescriptorException(name + "(" + number + ")");
        }
        return known;
    }

    /**
     * Returns a duplicate of what the number is, for those who keep it.
     *
     * @throws IOException and others as {@link #with}
     */
    public static Descriptor duplicate(String name, int number) throws IOException {
        return with(name, number, Descriptor::duplicate);
    }

    /**
     * Closes the descriptor of a number that was made here.
     *
     * @throws ClosedDescriptorException when it was closed before
     * @throws IllegalArgumentException when the number is not one made here
     */
    public static void close(int number) throws IOException {
        Posix.require("close");
        Handed handed = HANDED.get(number);
        if (handed == null || handed.isLent()) {
            throw new IllegalArgumentException("close(" + number + "): this handle was not made by"
                    + " the raw socket functions; close what it belongs to");
        }
        if (handed.made() == null || !HANDED.replace(number, handed, Handed.CLOSED)) {
            throw new ClosedDescriptorException("close(" + number + ")");
        }
        handed.made().close();
    }

    private static Descriptor foreign(String name, int number) throws IOException {
        if (number < 0) {
            throw new IllegalArgumentException(
                    name + ": the handle is " + number + ", expected a descriptor's number");
        }
        Descriptor foreign = Descriptor.borrow(number);
        String what = OpenNumbers.identity(number);
        if (what != null && !what.matches("(socket|pipe):.*|/dev/.*")) {
            throw new IllegalArgumentException(name + ": the handle " + number + " is " + what
                    + ", expected a socket, a pipe or a terminal");
        }
        return foreign;
    }
}
