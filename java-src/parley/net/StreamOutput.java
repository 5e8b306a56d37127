package parley.net;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import parley.net.Framing.Taken;
import parley.net.wait.Deadline;
import parley.net.wait.ThreadWaits;

/**
 * The output side of a stream: characters and bytes into one buffer. Several threads may write;
 * what one operation writes is never interleaved with another's.
 *
 * <p>Every operation throws {@link IllegalStateException} on a closed stream and on one whose
 * element type does not fit, {@link java.nio.channels.AsynchronousCloseException} when the stream
 * is closed during it, {@link java.net.SocketTimeoutException} when it times out,
 * {@link java.io.InterruptedIOException} when the thread is interrupted (the flag stays set) and
 * {@link IOException} when the peer cannot read any more. When a write times out or is interrupted,
 * {@code bytesTransferred} of the exception is the number of its bytes that went to the system; the
 * rest is not sent later. A flush keeps the bytes that it could not send.
 *
 * <p>Parts of arrays are given by {@code from}, the first index, and {@code to}, the index behind
 * the last one; {@link IndexOutOfBoundsException} is thrown when they are not within the array.
 *
 * <pre>{@code
 * StreamOutput out = stream.out();
 * out.writeLine("hello");
 * out.flush(); // buffered until here
 * }</pre>
 */
public final class StreamOutput extends StreamTextOutput {
    private boolean cut; // closing has ended a write; guarded by lock

    StreamOutput(SocketStream stream, StreamOptions options) {
        super(stream, options);
    }

    // ---- bytes ------------------------------------------------------------------------------

    /** Runs a write of bytes, which end a text; nothing stays behind if it fails. */
    private int writeData(String name, WaitMode mode, int otherwise, IntBody body)
            throws IOException {
        return runInt(name, Entry.of(mode), otherwise, () -> {
            long mark = markData();
            try {
                return body.run();
            } catch (IOException | RuntimeException | Error e) {
                undo(e, mark);
                throw e;
            }
        });
    }

    /** Returns where in the output a write begins that ends a text. */
    private long markData() throws IOException {
        requireOutput();
        if (characters.isOpen()) {
            characters.leave();
        }
        return mark();
    }

    /**
     * Writes a byte, whatever the width of the stream's element type.
     *
     * @param value the low eight bits are written
     */
    public void writeByte(int value) throws IOException {
        requireBytes("write-byte");
        viewByte(value);
    }

    /** As {@link #writeByte}, whatever the element type. */
    void viewByte(int value) throws IOException {
        writeInteger("write-byte", value, 1, ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * Writes an integer of the stream's element type (Common Lisp {@code WRITE-BYTE}).
     *
     * @param value its bits
     * @throws IllegalArgumentException if the type cannot hold it; any is taken for 64 bits
     */
    public void writeElement(long value) throws IOException {
        ElementType type = stream.elementType();
        if (type.hasBytes()) {
            requireFits("write-byte", value, type);
        }
        integer("write-byte", value, type.width(), ByteOrder.LITTLE_ENDIAN);
    }

    /**
     * Writes an integer of any width (CLISP {@code EXT:WRITE-INTEGER}).
     *
     * @param value its bits; those beyond the width are dropped
     * @param width bytes it takes, 1 to 8
     * @param order which byte comes first
     */
    public void writeInteger(long value, int width, ByteOrder order) throws IOException {
        Errors.integer("write-integer", width, order);
        integer("write-integer", value, width, order);
    }

    private void integer(String name, long value, int width, ByteOrder order) throws IOException {
        requireBytes(name);
        writeInteger(name, value, width, order);
    }

    private void writeInteger(String name, long value, int width, ByteOrder order)
            throws IOException {
        enter(name, Entry.WAIT);
        Object me = owner;
        try {
            long mark = markData();
            try {
                if (width == 1) {
                    buffer.put((int) value);
                } else {
                    buffer.put(value, width, order);
                }
                written();
            } catch (IOException | RuntimeException | Error e) {
                undo(e, mark);
                throw e;
            }
        } finally {
            try {
                end();
            } finally {
                if (owner == me) {
                    owner = null;
                    unparkNext();
                }
            }
        }
    }

    /**
     * Writes bytes (CLISP {@code EXT:WRITE-BYTE-SEQUENCE}). Big writes go straight from the array.
     *
     * @param bytes the array
     * @param mode {@link WaitMode#FULL} writes all; the others hand over to the system, without
     *     buffering, what it takes now ({@link WaitMode#INTERACTIVE}: after waiting until it takes
     *     anything)
     * @return the index of the first byte not written
     */
    public int writeBytes(byte[] bytes, int from, int to, WaitMode mode) throws IOException {
        Errors.range("write-byte-sequence", from, to, bytes == null ? -1 : bytes.length);
        Errors.waitMode("write-byte-sequence", mode);
        requireBytes("write-byte-sequence");
        return viewBytes(bytes, from, to, mode);
    }

    /** As {@link #writeBytes}, whatever the element type. */
    int viewBytes(byte[] bytes, int from, int to, WaitMode mode) throws IOException {
        return writeData("write-byte-sequence", mode, from, () -> {
            if (mode == WaitMode.FULL) {
                buffer.put(bytes, from, to);
                written();
                return to;
            }
            return buffer.putNow(bytes, from, to, mode == WaitMode.INTERACTIVE);
        });
    }

    /**
     * Writes integers of the stream's element type (CLISP {@code EXT:WRITE-BYTE-SEQUENCE}).
     *
     * @param values their bits
     * @param mode as {@link #writeBytes}; of an integer that the system took in part, the rest
     *     is buffered
     * @return the index of the first integer not written
     * @throws IllegalArgumentException if the type cannot hold one; none was written
     */
    public int writeElements(long[] values, int from, int to, WaitMode mode)
            throws IOException {
        Errors.range("write-byte-sequence", from, to, values == null ? -1 : values.length);
        Errors.waitMode("write-byte-sequence", mode);
        ElementType type = stream.elementType();
        requireBytes("write-byte-sequence");
        for (int i = from; i < to; i++) {
            requireFits("write-byte-sequence", values[i], type);
        }
        return writeData("write-byte-sequence", mode, from, () -> {
            int end = buffer.put(values, from, to, type.width(), mode);
            if (mode == WaitMode.FULL) {
                written();
            }
            return end;
        });
    }

    private void requireFits(String name, long value, ElementType type) {
        if (!type.fits(value)) {
            throw new IllegalArgumentException(Errors.name(name) + ": the value " + value
                    + " does not fit the element type of " + stream + ", expected a value of " + Errors.spell(type));
        }
    }

    /**
     * Takes bytes over as a whole when the system takes some of them now; never waits.
     *
     * @return what the system has taken; when it is nothing, none is taken over
     * @throws IOException if the peer cannot read any more
     */
    Taken offer(byte[] bytes, String name) throws IOException {
        return run(name, Entry.TRY, Taken.NOTHING, () -> {
            requireOutput();
            characters.leave();
            return taken(buffer.offer(bytes));
        });
    }

    /** As {@link #offer}, of the bytes that {@link #writeLine} would write. */
    Taken offerLine(String line) throws IOException {
        return run("sink", Entry.TRY, Taken.NOTHING, () -> {
            requireOutput();
            return taken(characters.offerLine(line));
        });
    }

    private Taken taken(boolean some) {
        return !some ? Taken.NOTHING
                : buffer.pending() > 0 || characters.isOpen() || stream.transport().holdsOutput()
                ? Taken.IN_PART : Taken.WHOLE;
    }

    /** Returns the number of buffered bytes; without the lock, so that it may be a former number. */
    int unsent() {
        return buffer.pending();
    }

    /**
     * Sends what is buffered as far as the system takes it; never waits.
     *
     * @return true when nothing is left
     * @throws IOException if the peer cannot read any more
     */
    boolean drained(String name) throws IOException {
        stream.requireOpen(name);
        return run(name, Entry.LOOK, false, () -> {
            characters.finish();
            if (buffer.pending() > 0) {
                requireOutput();
            }
            return buffer.drainNow();
        });
    }

    // ---- flushing ---------------------------------------------------------------------------

    /**
     * Hands everything buffered to the system and returns when it has taken it (Common Lisp
     * {@code FINISH-OUTPUT}; {@code FORCE-OUTPUT} is the same here).
     *
     * @throws IOException see the class; what could not be sent stays buffered
     */
    public void flush() throws IOException {
        runInt("finish-output", Entry.LOCAL, 0, this::flushAll);
    }

    /** Flushes before this side is shut: half of a surrogate pair will never be whole. */
    void flushLast() throws IOException {
        runInt("socket-stream-shutdown", Entry.LOCAL, 0, () -> {
            try {
                characters.leave();
            } finally {
                flushAll();
            }
            return 0;
        });
    }

    private int flushAll() throws IOException {
        if (buffer.pending() == 0 && !characters.isOpen() && !stream.transport().holdsOutput()) {
            return 0;
        }
        requireOutput();
        requireTime();
        long before = buffer.sent();
        try {
            characters.finish();
            buffer.drain();
            return 0;
        } catch (IOException e) {
            ErrorInfo.moved(e, buffer.sent() - before);
            throw e;
        }
    }

    /**
     * Drops buffered output that was not sent to the system (Common Lisp {@code CLEAR-OUTPUT}).
     * When part of a character was sent, its rest stays; so does the shift sequence that ends the
     * text.
     */
    public void clear() throws IOException {
        run("clear-output", Entry.LOCAL, null, () -> {
            characters.dropUnsent();
            return null;
        });
    }

    /** {@return the number of written bytes that are still in the buffer: 0 after a flush} */
    public int pending() throws IOException {
        return runInt("pending", Entry.LOCAL, 0, buffer::pending);
    }

    // ---- status and life --------------------------------------------------------------------

    /** Returns whether output is possible now, by the given or a new poll of the kernel. */
    boolean isPossible(int ready) throws IOException {
        if (isShut() || failure() != null) {
            return false;
        }
        Transport transport = stream.transport();
        boolean held = transport.holdsOutput();
        if (held && !flushes(transport)) {
            return false;
        }
        return ready == Pollable.UNKNOWN || held
                ? ThreadWaits.ready(stream.source(), SelectionKey.OP_WRITE) != 0
                : (ready & SelectionKey.OP_WRITE) != 0;
    }

    private static boolean flushes(Transport transport) {
        try {
            return transport.flush();
        } catch (IOException e) {
            return true; // a write would fail at once
        }
    }

    /** Sends everything, then has the transport replaced, which needs the lock of both sides. */
    void secure(Runnable replace) throws IOException {
        run("start-tls!", Entry.WAIT, null, () -> {
            flushAll();
            requireOutput();
            replace.run();
            return null;
        });
    }

    /** Ends the text in the format that was, and takes the new one; or fails, and keeps that. */
    void format(ExternalFormat format) throws IOException {
        run("set-stream-external-format!", Entry.LOCAL, null, () -> {
            boolean writable = !isShut() && failure() == null;
            if (writable && characters.leaves(format)) {
                characters.leave();
                written();
            }
            characters.format(format);
            return null;
        });
    }

    /** Before closing: sends what is buffered, within the deadline, unless a writer is blocked. */
    void closing(Deadline until) throws IOException {
        if (!lockToClose(until)) {
            return; // that writer's bytes are lost with it, and its call will throw
        }
        try {
            if (!isShut() && failure() == null) {
                try {
                    characters.leave();
                } finally {
                    buffer.drainToClose(until);
                }
            }
            if (failure() == null && !cut) {
                buffer.endToClose(until);
            }
        } finally {
            unlock();
        }
    }

    @Override
    void onShut() {
        characters.drop();
        buffer.drop();
        buffer.releaseIfEmpty();
    }

    @Override
    void finish() {
        if (!stream.isOpen()) {
            cut |= buffer.pending() > 0 || stream.transport().holdsOutput();
            buffer.drop();
        } else if (stream.transport().holdsOutput()) {
            stream.transport().flushLater(); // what the system has taken goes without a next call
        }
        buffer.releaseIfEmpty();
    }

    @Override
    boolean leavesNews() {
        return failure() != null;
    }

    @Override
    String sideName() {
        return "output to";
    }

    @Override
    String interruptHint() {
        return timeoutHint();
    }

    @Override
    String timeoutHint() {
        return "the exception has the number of bytes that went, the stream can still be used";
    }

    @Override
    String deadlineSetter() {
        return Errors.spell("set-write-deadline!", "SocketStream.writeDeadline");
    }
}
