package parley.posix;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Descriptors by number, for the raw socket functions, whose callers have nothing but the number.
 *
 * <pre>{@code
 * int number = Handles.register(descriptor);
 * Handles.with("recv", number, it -> it.read(bytes, 0, bytes.length));
 * Handles.close(number); // later calls with this number throw EBADF
 * }</pre>
 *
 * <p>A number does not show its owner. Therefore this class remembers the numbers that it has
 * handed out: those of descriptors made here, and those lent by a channel or a stream. After a
 * close such a number is refused until it is handed out again, even if the system has reused it for
 * other code. Numbers from outside are used if they are sockets, pipes or terminals. They are never
 * closed. The {@code name} of a call is what messages of exceptions begin with.
 *
 * <p>Thread-safe.
 */
public final class Handles {
    /** The descriptor of a number: exactly one part is set, or none after a close. */
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

    /** A descriptor over a number from outside, and what the number was when it was made. */
    private record Borrowed(Descriptor descriptor, String identity) {}

    private static final int LINK_SIZE = 64;

    private static final Map<Integer, Handed> HANDED = new ConcurrentHashMap<>();
    private static final Map<Integer, Borrowed> BORROWED = new ConcurrentHashMap<>();

    private Handles() {}

    /**
     * Hands out the number of a descriptor, which is found by it until it is closed. If that fails,
     * as for lack of memory, the descriptor is closed, since nothing refers to it.
     *
     * @return the number
     */
    public static int register(Descriptor descriptor) {
        boolean done = false;
        try {
            HANDED.put(descriptor.number(), new Handed(descriptor, null));
            done = true;
            return descriptor.number();
        } finally {
            if (!done) {
                descriptor.close();
            }
        }
    }

    /**
     * As {@link #register(Descriptor)}, of several descriptors: hands out all numbers, or closes
     * all.
     *
     * @return the numbers
     */
    public static int[] register(Descriptor[] all) {
        int done = 0;
        try {
            int[] numbers = new int[all.length];
            for (; done < all.length; done++) {
                numbers[done] = register(all[done]);
            }
            return numbers;
        } finally {
            if (done < all.length) {
                for (Descriptor each : all) {
                    each.close();
                }
            }
        }
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
     * Hands out the number of a stream's descriptor, for use until the stream is closed. Only the
     * stream closes it. A number that the stream borrows does not change.
     */
    public static int lend(Descriptor descriptor) {
        if (descriptor.isOwned()) {
            HANDED.put(descriptor.number(), new Handed(null, new WeakReference<>(descriptor)));
        }
        return descriptor.number();
    }

    /**
     * A call on a descriptor.
     *
     * @param <T> the result
     */
    @FunctionalInterface
    public interface Call<T> {
        /**
         * Makes the call; the descriptor is open at its beginning.
         *
         * @return the result
         * @throws IOException when the call fails
         */
        T on(Descriptor descriptor) throws IOException;
    }

    /**
     * Makes a call on the descriptor of a number.
     *
     * @param <T> the type of the result
     * @return what the call returns
     * @throws ClosedDescriptorException when it, or its channel, was closed
     * @throws PosixException EBADF when the number is not open
     * @throws IllegalArgumentException when it is negative, or a file or epoll of other code
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
        try (Descriptor copy = duplicate(name + "(" + number + ")", channel)) {
            return call.on(copy);
        }
    }

    /**
     * {@return the channel's descriptor whose number was lent, or null for other numbers}
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
        if (!channel.channel().isOpen()) {
            throw new ClosedDescriptorException(name + "(" + number + ")");
        }
        return channel;
    }

    private static Descriptor duplicate(String call, ChannelDescriptor channel) throws IOException {
        try {
            return channel.duplicate();
        } catch (ClosedChannelException e) {
            throw new ClosedDescriptorException(call);
        }
    }

    /**
     * {@return the descriptor of a number made here, or one that borrows a number from outside: the
     * same one as long as the number is of the same file}
     *
     * @throws IOException and others as {@link #with}
     */
    public static Descriptor descriptor(String name, int number) throws IOException {
        Posix.require(name);
        Handed handed = HANDED.get(number);
        if (handed == null) {
            return borrowed(name, number);
        }
        Descriptor known = handed.descriptor();
        if (known == null) {
            throw new ClosedDescriptorException(name + "(" + number + ")");
        }
        return known;
    }

    private static Descriptor borrowed(String name, int number) throws IOException {
        String identity = number < 0 ? null : identity(number);
        Borrowed known = BORROWED.get(number);
        if (known != null && Objects.equals(identity, known.identity())) {
            return known.descriptor();
        }
        Descriptor fresh = foreign(name, number);
        BORROWED.put(number, new Borrowed(fresh, identity));
        return fresh;
    }

    /**
     * Registers the descriptors that came as control data (SCM_RIGHTS), so that they can be closed:
     * all of them, or none, and then closes all.
     *
     * @param memory has the control data, as recvmsg(2) returns it, from {@code from} to {@code end}
     */
    static void adopt(ByteBuffer memory, int from, int end) throws IOException {
        int count = 0;
        while (received(memory, from, end, count) >= 0) {
            count++;
        }
        Descriptor[] made = null;
        int done = 0;
        try {
            made = new Descriptor[count];
            for (; done < count; done++) {
                made[done] = Descriptor.own(received(memory, from, end, done));
            }
            register(made);
        } finally {
            if (done < count) {
                for (int i = 0; i < done; i++) {
                    made[i].close();
                }
                closeReceived(memory, from, end, done);
            }
        }
    }

    /** Closes the descriptors in control data, from one on; needs no heap. */
    static void closeReceived(ByteBuffer memory, int from, int end, int first) {
        for (int i = first, fd; (fd = received(memory, from, end, i)) >= 0; i++) {
            LibC.close(fd);
        }
    }

    /** Returns the number of a descriptor in control data, -1 after the last. */
    private static int received(ByteBuffer memory, int from, int end, int index) {
        // the length has eight bytes on Linux and four on macOS, and so the parts are aligned
        int word = Posix.LINUX ? 8 : 4;
        int header = word + 8;
        int left = index;
        for (int at = from; at + header <= end;) {
            int size = Math.max(header, Math.min(memory.getInt(at), end - at));
            if (memory.getInt(at + word) == Constants.SOL_SOCKET
                    && memory.getInt(at + word + 4) == Constants.SCM_RIGHTS) {
                int count = (size - header) / 4;
                if (left < count) {
                    return memory.getInt(at + header + 4 * left);
                }
                left -= count;
            }
            at += (size + word - 1) / word * word;
        }
        return -1;
    }

    /**
     * {@return a duplicate of the descriptor of a number, for callers that keep it}
     *
     * @throws IOException and others as {@link #with}
     */
    public static Descriptor duplicate(String name, int number) throws IOException {
        return with(name, number, Descriptor::duplicate);
    }

    /**
     * Opens a directory of Linux, which has a short path while it is open: {@code /proc/self/fd/}
     * and its number.
     *
     * @param path of the directory
     * @return a descriptor, to be closed
     * @throws IOException if it cannot be opened
     */
    public static Descriptor directory(String path) throws IOException {
        Posix.require("Handles.directory");
        StackSafeLock.reserveStackToOpen();
        return Descriptor.ownOrClose(RawDescriptor.openDirectory(path));
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
        Descriptor foreign;
        try {
            foreign = Descriptor.borrow(number);
        } catch (PosixException e) {
            throw new PosixException(e.errno(), name + "(" + number + ")",
                    PosixException.describe(e.errno())
                            + ", expected the handle of an open socket, pipe or terminal");
        }
        String what = identity(number);
        if (what != null && !what.matches("(socket|pipe):.*|/dev/.*")) {
            throw new IllegalArgumentException(name + ": the handle " + number + " is " + what
                    + ", expected a socket, a pipe or a terminal");
        }
        return foreign;
    }

    /**
     * Returns what a number is, in words that differ between any two open sockets and pipes, as
     * {@code socket:[4711]}, with the inode. Null when it is not open, or on macOS.
     */
    static String identity(int fd) {
        if (!Posix.LINUX) {
            return null;
        }
        byte[] path = ("/proc/self/fd/" + fd).getBytes(StandardCharsets.US_ASCII);
        try (NativeBuffer buffer = NativeBuffer.take(NativeBuffer.SMALL)) {
            int at = buffer.putText(0, path);
            long n = LibC.readlink(buffer.address, buffer.address + at, LINK_SIZE);
            if (n < 0) {
                return null;
            }
            byte[] link = new byte[(int) n];
            buffer.bytes.get(at, link);
            return new String(link, StandardCharsets.ISO_8859_1);
        }
    }
}
