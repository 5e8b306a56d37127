package parley.posix;

import com.sun.jna.Function;
import com.sun.jna.JNIEnv;
import com.sun.jna.Library;
import com.sun.jna.NativeLibrary;
import com.sun.jna.Pointer;
import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectableChannel;
import java.util.Map;

/**
 * The descriptor number of an NIO channel, which the JDK keeps to itself.
 *
 * <pre>{@code
 * ChannelDescriptor found = ChannelDescriptor.find(nioChannel);
 * try (Descriptor duplicate = found.duplicate()) {
 *     DescriptorOption.SO_RCVLOWAT.get(duplicate);
 * }
 * }</pre>
 *
 * <p>A channel keeps its number until it is closed. Then the number is soon another file's: use
 * {@link #duplicate} for every call on the number.
 *
 * <p>A reset that a duplicate met is remembered for the reader of the channel.
 *
 * <p>Thread-safe.
 */
public final class ChannelDescriptor {
    private final SelectableChannel channel; // immutable
    private final int fd; // immutable
    // thread-safe; that of all duplicates
    private final Descriptor.ResetMemory reset = new Descriptor.ResetMemory();

    private ChannelDescriptor(SelectableChannel channel, int fd) {
        this.channel = channel;
        this.fd = fd;
    }

    /**
     * Finds the descriptor of an open channel.
     *
     * @param channel a socket, server, datagram channel or pipe end of this JDK
     * @throws ClosedChannelException when it is closed
     * @throws UnsupportedOperationException when it is not a channel of this JDK
     */
    public static ChannelDescriptor find(SelectableChannel channel) throws IOException {
        Posix.require("ChannelDescriptor.find");
        ChannelDescriptor found = new ChannelDescriptor(channel, Channels.number(channel));
        found.number();
        return found;
    }

    /** {@return the channel} */
    public SelectableChannel channel() {
        return channel;
    }

    /**
     * {@return the number, which was the channel's own at the time of the call}
     *
     * @throws ClosedChannelException when the channel is closed
     */
    public int number() throws ClosedChannelException {
        if (!channel.isOpen()) {
            throw new ClosedChannelException();
        }
        return fd;
    }

    /**
     * Returns a duplicate of the descriptor, which cannot be recycled as long as it is open. It
     * keeps the connection open too, so close it soon.
     *
     * @throws ClosedChannelException when the channel is closed
     */
    public Descriptor duplicate() throws IOException {
        number();
        Descriptor copy = Descriptor.duplicate(fd, reset);
        // a channel that is open still has not given its number back, so that the copy is of it
        if (!channel.isOpen()) {
            copy.close();
            throw new ClosedChannelException();
        }
        return copy;
    }

    /**
     * Makes the channel's number stand for the file of another descriptor: dup2(2). What the number
     * stood for before is closed. The channel must not be in use yet.
     *
     * @param other stays open, and must not be closed during the call
     */
    public void become(Descriptor other) throws IOException {
        number();
        int from = other.number();
        Posix.check(LibC.dup2(from, fd), "dup2(" + from + ", " + fd + ")");
        RawDescriptor.closeOnExec(fd);
    }

    /**
     * Throws the reset that a duplicate met, which took it from the channel. Call this when the
     * channel reports an end of file.
     *
     * @throws PosixException when the system call fails
     */
    public void throwReset() throws PosixException {
        reset.throwAgain("read(" + fd + ")");
    }

    /** Remembers, for all duplicates, a reset that the channel met. */
    public void noteReset() {
        reset.note(new PosixException(Constants.ECONNRESET, "read(" + fd + ")"));
    }

    @Override
    public String toString() {
        return "#<descriptor " + fd + " of " + channel + ">";
    }

    /**
     * Calls the method of the JDK's channels that returns the number. Its package is closed to
     * reflection, but not to native code: this goes by the table of functions that every JVM has
     * for native code (JNI). The places in the table are part of its binary interface.
     */
    private static final class Channels {
        private static final int GET_METHOD_ID = 33;
        private static final int CALL_INT_METHOD_A = 51;
        private static final Map<String, Boolean> OBJECTS =
                Map.of(Library.OPTION_ALLOW_OBJECTS, true);

        private static final Class<?> TYPE = type(); // null for a JDK of other classes
        private static final Pointer TABLE = table();
        private static final long METHOD = method();

        private static Class<?> type() {
            try {
                return Class.forName("sun.nio.ch.SelChImpl", false, null);
            } catch (ClassNotFoundException e) {
                return null;
            }
        }

        private static Pointer table() {
            try (NativeBuffer buffer = NativeBuffer.take(Long.BYTES)) {
                // the environment begins with the address of the table
                Function copy = NativeLibrary.getProcess().getFunction("memcpy");
                copy.invoke(Pointer.class, new Object[] {
                    new Pointer(buffer.address), JNIEnv.CURRENT, (long) Long.BYTES}, OBJECTS);
                return new Pointer(buffer.bytes.getLong(0));
            }
        }

        private static long method() {
            try {
                return TYPE == null ? 0 : (Long) function(GET_METHOD_ID).invoke(Long.class,
                        new Object[] {JNIEnv.CURRENT, TYPE, "getFDVal", "()I"}, OBJECTS);
            } catch (NoSuchMethodError e) {
                return 0;
            }
        }

        private static Function function(int place) {
            return Function.getFunction(TABLE.getPointer((long) place * Long.BYTES));
        }

        static int number(SelectableChannel channel) {
            if (METHOD == 0 || !TYPE.isInstance(channel)) {
                throw new UnsupportedOperationException("descriptor of " + channel
                        + ": cannot be found, since this JDK has not made the channel, or has"
                        + " other channels than OpenJDK");
            }
            return (Integer) function(CALL_INT_METHOD_A).invoke(Integer.class,
                    new Object[] {JNIEnv.CURRENT, channel, METHOD, 0L}, OBJECTS);
        }
    }
}
