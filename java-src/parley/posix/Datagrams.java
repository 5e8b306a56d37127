package parley.posix;

import java.io.IOException;
import java.util.List;

/**
 * Receiving and sending with addresses, and with several buffers at once: recvfrom, sendto, recvmsg
 * and sendmsg. None waits: a call that would have to returns {@link Descriptor#WOULD_BLOCK}.
 *
 * <pre>{@code
 * List<Datagrams.Part> parts = List.of(
 *         new Datagrams.Part(head, 0, 4), new Datagrams.Part(bytes, 0, 1024));
 * Datagrams.Received message = Datagrams.receive(socket, parts, 0, MessageFlags.PEEK);
 * if (message.count() != Descriptor.WOULD_BLOCK) {
 *     System.out.println(message.count() + " bytes from " + message.address());
 * }
 * }</pre>
 */
public final class Datagrams {
    /** The most bytes that all the buffers of one message may have together. */
    private static final int MAX_SIZE = 16 * 1024 * 1024;
    /** {@code struct msghdr} with room to spare; both platforms need 56 bytes at most. */
    private static final int HEADER = 64;
    private static final int IOVEC = 16;
    private static final int MAX_PARTS = 1024;

    private Datagrams() {}

    /**
     * A part of a byte array.
     *
     * @param bytes the array
     * @param offset index of the first byte
     * @param length how many bytes
     */
    public record Part(byte[] bytes, int offset, int length) {
        /** Checks the bounds. */
        public Part {
            Posix.checkBounds("message", bytes, offset, length);
        }
    }

    /**
     * A received message.
     *
     * @param count how many bytes were stored, or {@link Descriptor#WOULD_BLOCK}
     * @param address the sender; null on a connected stream and when nothing came
     * @param flags a sum of {@link MessageFlags} flags: TRUNC when the message was longer than the
     *     buffers
     * @param control the control data, empty when there was none
     */
    public record Received(int count, SockAddr address, int flags, byte[] control) {}

    /**
     * Receives into one buffer and returns the sender, too: recvfrom(2). The flags of the
     * result contain {@link MessageFlags#TRUNC} when a datagram was cut.
     *
     * @return what was received, {@link Descriptor#WOULD_BLOCK} as its count when nothing has
     *     arrived
     */
    public static Received receive(
            Descriptor socket, byte[] bytes, int offset, int length, int flags)
            throws IOException {
        return receive(socket, List.of(new Part(bytes, offset, length)), 0, flags);
    }

    /**
     * Receives into several buffers, one after the other: recvmsg(2).
     *
     * @param controlSize how many bytes of control data to take at most
     * @return what was received, {@link Descriptor#WOULD_BLOCK} as its count when nothing has
     *     arrived
     */
    public static Received receive(
            Descriptor socket, List<Part> parts, int controlSize, int flags) throws IOException {
        return receive(socket, parts, controlSize, flags, false);
    }

    /** As the method above; {@code adopt}: make the descriptors that come with it handles. */
    static Received receive(Descriptor socket, List<Part> parts, int controlSize, int flags,
            boolean adopt) throws IOException {
        int size = checkedSize(parts, controlSize);
        StackSafeLock.reserveStackToOpen();
        int fd = socket.acquire("recvmsg");
        try (MessageHeader header = new MessageHeader(parts.size(), size, controlSize)) {
            header.expectAddress();
            header.expectControl(controlSize);
            header.lay(parts);
            int all = flags | Constants.MSG_DONTWAIT | closeOnExec(fd, controlSize);
            long n = LibC.recvmsg(fd, header.address(), all);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.recvmsg(fd, header.address(), all);
            }
            int count = socket.endOrReset(socket.outcome(n, "recvmsg"), size);
            if (count < 0) {
                return new Received(count, null, 0, new byte[0]);
            }
            Received received = null;
            try {
                header.copyOut(parts, count);
                // Linux returns this flag of the request in the result
                int returned = header.flags() & ~Constants.MSG_CMSG_CLOEXEC;
                received = new Received(
                        Math.min(count, size), header.sender(), returned, header.control());
            } finally {
                if (received == null) {
                    header.closeDescriptors();
                }
            }
            if (adopt) {
                header.adoptDescriptors();
            }
            return received;
        } finally {
            socket.release();
        }
    }

    /**
     * Sends one buffer to an address: sendto(2).
     *
     * @param address where to, or null on a connected socket
     * @return how many bytes went, or {@link Descriptor#WOULD_BLOCK}
     */
    public static int send(
            Descriptor socket, byte[] bytes, int offset, int length, SockAddr address, int flags)
            throws IOException {
        List<Part> parts = List.of(new Part(bytes, offset, length));
        return send(socket, parts, address, new byte[0], flags);
    }

    /**
     * Sends several buffers as one message: sendmsg(2).
     *
     * @param address where to, or null on a connected socket
     * @param control control data, empty for none
     * @return how many bytes went, or {@link Descriptor#WOULD_BLOCK}
     */
    public static int send(
            Descriptor socket, List<Part> parts, SockAddr address, byte[] control, int flags)
            throws IOException {
        int size = checkedSize(parts, control.length);
        int fd = socket.acquire("sendmsg");
        try (MessageHeader header = new MessageHeader(parts.size(), size, control.length)) {
            header.address(address);
            header.control(control);
            header.lay(parts);
            header.copyIn(parts);
            int all = flags | Constants.MSG_DONTWAIT | Constants.MSG_NOSIGNAL;
            long n = LibC.sendmsg(fd, header.address(), all);
            while (n < 0 && LibC.errno() == Constants.EINTR) {
                n = LibC.sendmsg(fd, header.address(), all);
            }
            return socket.outcome(n, address == null ? "sendmsg" : "sendto " + address);
        } finally {
            socket.release();
        }
    }

    /** Only Unix-domain sockets pass descriptors, and packet sockets do not take the flag. */
    private static int closeOnExec(int fd, int controlSize) throws IOException {
        return controlSize > 0 && RawDescriptor.family(fd) == Constants.AF_UNIX
                ? Constants.MSG_CMSG_CLOEXEC : 0;
    }

    private static int checkedSize(List<Part> parts, int controlSize) {
        long size = 0;
        for (Part part : parts) {
            size += part.length();
        }
        if (size > MAX_SIZE || parts.size() > MAX_PARTS) {
            throw new IllegalArgumentException("message: " + parts.size() + " buffers of " + size
                    + " bytes together, expected at most " + MAX_PARTS + " of " + MAX_SIZE);
        }
        if (controlSize < 0 || controlSize > NativeBuffer.BLOCK) {
            throw new IllegalArgumentException("message: control data of " + controlSize
                    + " bytes, expected 0 to " + NativeBuffer.BLOCK);
        }
        return (int) size;
    }

    /**
     * A {@code struct msghdr} with all it points to in one piece of memory: header, address,
     * vector, control data, data.
     */
    private static final class MessageHeader implements AutoCloseable {
        /** Offsets that both platforms share; flags follow control length, see there. */
        private static final int NAME = 0;
        private static final int NAME_SIZE = 8;
        private static final int VECTOR = 16;
        private static final int VECTOR_SIZE = 24;
        private static final int CONTROL = 32;
        private static final int CONTROL_SIZE = 40;
        /** Linux has an eight-byte control length, macOS a four-byte one. */
        private static final int FLAGS = Posix.LINUX ? 48 : 44;

        private final int vectorAt; // immutable
        private final int controlAt; // immutable
        private final int dataAt; // immutable
        private final NativeBuffer memory; // content: the thread that made this

        MessageHeader(int parts, int size, int controlSize) {
            vectorAt = HEADER + SockAddr.MAX_SIZE;
            controlAt = vectorAt + parts * IOVEC;
            dataAt = controlAt + (controlSize + 7) / 8 * 8;
            memory = NativeBuffer.take(dataAt + Math.max(size, 1)).zero(dataAt);
        }

        long address() {
            return memory.address;
        }

        void expectAddress() {
            memory.bytes.putLong(NAME, memory.address + HEADER);
            memory.bytes.putInt(NAME_SIZE, SockAddr.MAX_SIZE);
        }

        void address(SockAddr address) {
            if (address != null) {
                byte[] bytes = address.bytes();
                memory.bytes.put(HEADER, bytes);
                memory.bytes.putLong(NAME, memory.address + HEADER);
                memory.bytes.putInt(NAME_SIZE, bytes.length);
            }
        }

        void expectControl(int size) {
            if (size > 0) {
                memory.bytes.putLong(CONTROL, memory.address + controlAt);
                memory.bytes.putInt(CONTROL_SIZE, size);
            }
        }

        void control(byte[] control) {
            expectControl(control.length);
            memory.bytes.put(controlAt, control);
        }

        /** Writes the vector of the parts' places in the memory. */
        void lay(List<Part> parts) {
            memory.bytes.putLong(VECTOR, memory.address + vectorAt);
            memory.bytes.putInt(VECTOR_SIZE, parts.size());
            long at = memory.address + dataAt;
            for (int i = 0; i < parts.size(); i++) {
                memory.bytes.putLong(vectorAt + i * IOVEC, at);
                memory.bytes.putLong(vectorAt + i * IOVEC + 8, parts.get(i).length());
                at += parts.get(i).length();
            }
        }

        void copyIn(List<Part> parts) {
            int at = dataAt;
            for (Part part : parts) {
                memory.bytes.put(at, part.bytes(), part.offset(), part.length());
                at += part.length();
            }
        }

        void copyOut(List<Part> parts, int count) {
            int at = dataAt;
            int left = count;
            for (Part part : parts) {
                int n = Math.min(left, part.length());
                memory.bytes.get(at, part.bytes(), part.offset(), n);
                at += n;
                left -= n;
            }
        }

        SockAddr sender() {
            int size = Math.min(SockAddr.MAX_SIZE, memory.bytes.getInt(NAME_SIZE));
            byte[] address = new byte[size];
            memory.bytes.get(HEADER, address);
            return size == 0 ? null : SockAddr.ofKernel(address);
        }

        int flags() {
            return memory.bytes.getInt(FLAGS);
        }

        byte[] control() {
            byte[] control = new byte[memory.bytes.getInt(CONTROL_SIZE)];
            memory.bytes.get(controlAt, control);
            return control;
        }

        void adoptDescriptors() throws IOException {
            Handles.adopt(memory.bytes, controlAt, controlEnd());
        }

        void closeDescriptors() {
            Handles.closeReceived(memory.bytes, controlAt, controlEnd(), 0);
        }

        private int controlEnd() {
            return controlAt + memory.bytes.getInt(CONTROL_SIZE);
        }

        @Override
        public void close() {
            memory.close();
        }
    }
}
