package parley.net;

import java.io.IOException;
import java.nio.ByteOrder;
import java.nio.channels.SelectionKey;
import java.time.Duration;

/**
 * The output side of a stream: characters and bytes into one buffer. Several threads may write; what
 * one operation writes is never interleaved with another's.
 *
 * <p>Every operation throws {@link IllegalStateException} on a closed stream and on one whose
 * element type does not fit, {@link java.nio.channels.AsynchronousCloseException} when the stream
 * is closed during it, {@link java.net.SocketTimeoutException} when time is up,
 * {@link java.io.InterruptedIOException} when the thread is interrupted (the flag stays set) and
 * {@link IOException} when nobody can read any more. A write that times out or is interrupted tells
 * in {@code bytesTransferred} how many of its bytes went to the system; the rest of them is not
 * sent later. A flush keeps what it could not send.
 */
public final class StreamOutput extends StreamSide {
    private static final long BUSY = -1; // in place of where a write begins: it does not

    private final boolean buffered;

    // Guarded by the lock of this side.
    private final OutputBuffer buffer;
    private final CharacterOutput characters;

    StreamOutput(SocketStream stream, StreamOptions options) {
        super(stream, SelectionKey.OP_WRITE);
        buffered = options.outputBuffered();
        buffer = new OutputBuffer(this);
        characters = new CharacterOutput(this, buffer, options.externalFormat());
    }

    // ---- the protocol of a write -------------------------------------------------------------

    private long enter(String name) throws IOException {
        return enter(name, Blocking.FULL);
    }

    /**
     * Begins a write; {@link #written} or {@link #undo} must follow, and then {@link #end}.
     *
     * @return where in the output it begins; {@link #BUSY} when it must not wait and would
     */
    private long enter(String name, Blocking blocking) throws IOException {
        if (!begin(name, blocking)) {
            return BUSY;
        }
        boolean entered = false;
        try {
            requireOutput();
            characters.mark();
            entered = true;
            return buffer.accepted();
        } finally {
            if (!entered) {
                end();
            }
        }
    }

    private long enterCharacters(String name) throws IOException {
        requireCharacters(name);
        return enter(name);
    }

    private long enterBytes(String name) throws IOException {
        return enterBytes(name, Blocking.FULL);
    }

    private long enterBytes(String name, Blocking blocking) throws IOException {
        requireBytes(name);
        return enterAnyBytes(name, blocking);
    }

    private long enterAnyBytes(String name, Blocking blocking) throws IOException {
        long mark = enter(name, blocking);
        if (mark == BUSY) {
            return BUSY;
        }
        try {
            characters.settle();
        } catch (IOException e) {
            end();
            throw e;
        }
        return mark;
    }

    private void written() throws IOException {
        if (!buffered) {
            buffer.drain();
        }
    }

    /** Takes a write that failed back, as far as its bytes have not gone, and tells how many have. */
    private IOException undo(IOException e, long mark) {
        long went = Math.max(0, buffer.sent() - mark);
        buffer.dropAfter(Math.max(mark, buffer.sent()));
        characters.undo(e instanceof CodingException);
        return withTransferred(e, went);
    }

    private void requireOutput() throws IOException {
        if (isShut()) {
            throw Errors.outputShut(operation(), stream);
        }
        if (failure() != null) {
            throw Errors.again(operation(), stream, failure());
        }
    }

    // ---- characters -------------------------------------------------------------------------

    /**
     * Writes a character (Common Lisp {@code WRITE-CHAR}); {@code '\n'} becomes the line terminator
     * of the external format.
     *
     * @param unit a character; the two of a surrogate pair in two calls
     * @throws IOException see above; {@link CodingException} for a character that has no bytes
     */
    public void writeChar(int unit) throws IOException {
        if (buffered && stream.elementType().hasCharacters() && beginQuick()) {
            boolean done = failure() == null && characters.putQuick(unit);
            endQuick();
            if (done) {
                return;
            }
        }
        writeSlowly((char) unit);
    }

    private void writeSlowly(char unit) throws IOException {
        long mark = enterCharacters("write-char");
        try {
            characters.put(unit);
            written();
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    /**
     * Writes a string (Common Lisp {@code WRITE-STRING}).
     *
     * @param text not null
     * @throws IOException as {@link #writeChar}
     */
    public void writeString(CharSequence text) throws IOException {
        requireText("write-string", text);
        long mark = enterCharacters("write-string");
        try {
            characters.put(text);
            written();
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    /**
     * Writes a string and a newline (Common Lisp {@code WRITE-LINE}).
     *
     * @param text not null
     * @throws IOException as {@link #writeChar}
     */
    public void writeLine(CharSequence text) throws IOException {
        requireText("write-line", text);
        long mark = enterCharacters("write-line");
        try {
            characters.put(text);
            characters.newLine();
            written();
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    private static void requireText(String name, CharSequence text) {
        if (text == null) {
            throw new IllegalArgumentException(Errors.name(name)
                    + ": the text is null, expected a string");
        }
    }

    /**
     * Writes a newline (Common Lisp {@code TERPRI}).
     *
     * @throws IOException as {@link #writeChar}
     */
    public void newLine() throws IOException {
        long mark = enterCharacters("terpri");
        try {
            characters.newLine();
            written();
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    /**
     * Writes a newline unless the last character written was one (Common Lisp {@code FRESH-LINE}).
     *
     * @return true when it wrote one
     * @throws IOException as {@link #writeChar}
     */
    public boolean freshLine() throws IOException {
        long mark = enterCharacters("fresh-line");
        try {
            if (characters.isLineStart()) {
                return false;
            }
            characters.newLine();
            written();
            return true;
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    // ---- bytes ------------------------------------------------------------------------------

    /**
     * Writes a byte, whatever the width of the stream's element type.
     *
     * @param value the low eight bits are written
     * @throws IOException see the class
     */
    public void writeByte(int value) throws IOException {
        requireBytes("write-byte");
        viewByte(value);
    }

    /** As {@link #writeByte}, whatever the element type. */
    void viewByte(int value) throws IOException {
        long mark = enterAnyBytes("write-byte", Blocking.FULL);
        try {
            buffer.put(value);
            written();
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    /**
     * Writes an integer of the stream's element type (Common Lisp {@code WRITE-BYTE}).
     *
     * @param value its bits
     * @throws IllegalArgumentException if the type cannot hold it; any is taken for 64 bits
     * @throws IOException see the class
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
     * @throws IOException see the class
     */
    public void writeInteger(long value, int width, ByteOrder order) throws IOException {
        Errors.integer("write-integer", width, order);
        integer("write-integer", value, width, order);
    }

    private void integer(String name, long value, int width, ByteOrder order) throws IOException {
        long mark = enterBytes(name);
        try {
            buffer.put(value, width, order);
            written();
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    /**
     * Writes bytes (CLISP {@code EXT:WRITE-BYTE-SEQUENCE}). Big writes go straight from the array.
     *
     * @param bytes the array
     * @param from the first index to write
     * @param to the index behind the last one
     * @param blocking {@link Blocking#FULL} writes all; the others hand over to the system, without
     *     buffering, what it takes now ({@link Blocking#INTERACTIVE}: after waiting until it takes
     *     anything)
     * @return the index of the first byte not written
     * @throws IndexOutOfBoundsException if the indices are not within the array
     * @throws IOException see the class
     */
    public int writeBytes(byte[] bytes, int from, int to, Blocking blocking) throws IOException {
        Errors.range("write-byte-sequence", from, to, bytes == null ? -1 : bytes.length);
        Errors.blocking("write-byte-sequence", blocking);
        long mark = enterBytes("write-byte-sequence", blocking);
        if (mark == BUSY) {
            return from;
        }
        try {
            if (blocking == Blocking.FULL) {
                buffer.put(bytes, from, to);
                written();
                return to;
            }
            return buffer.putNow(bytes, from, to, blocking == Blocking.INTERACTIVE);
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    /**
     * Writes integers of the stream's element type (CLISP {@code EXT:WRITE-BYTE-SEQUENCE}).
     *
     * @param values their bits
     * @param from the first index to write
     * @param to the index behind the last one
     * @param blocking as {@link #writeBytes}; of an integer that the system took in part, the rest
     *     is buffered
     * @return the index of the first integer not written
     * @throws IllegalArgumentException if the type cannot hold one; none was written
     * @throws IndexOutOfBoundsException if the indices are not within the array
     * @throws IOException see the class
     */
    public int writeElements(long[] values, int from, int to, Blocking blocking)
            throws IOException {
        Errors.range("write-byte-sequence", from, to, values == null ? -1 : values.length);
        Errors.blocking("write-byte-sequence", blocking);
        ElementType type = stream.elementType();
        requireBytes("write-byte-sequence");
        for (int i = from; i < to; i++) {
            requireFits("write-byte-sequence", values[i], type);
        }
        long mark = enterAnyBytes("write-byte-sequence", blocking);
        if (mark == BUSY) {
            return from;
        }
        try {
            int end = buffer.put(values, from, to, type.width(), blocking);
            if (blocking == Blocking.FULL) {
                written();
            }
            return end;
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    private void requireFits(String name, long value, ElementType type) {
        if (!Integers.fits(value, type.width(), type.isSigned())) {
            throw new IllegalArgumentException(Errors.name(name) + ": the value " + value
                    + " is outside the element type of " + stream + ", expected one of "
                            + Errors.spell(type));
        }
    }

    /** Writes all of a range, whatever the element type. */
    void viewBytes(byte[] bytes, int from, int to) throws IOException {
        long mark = enterAnyBytes("write-byte-sequence", Blocking.FULL);
        try {
            buffer.put(bytes, from, to);
            written();
        } catch (IOException e) {
            throw undo(e, mark);
        } finally {
            end();
        }
    }

    /**
     * Takes bytes over as a whole when the system takes some of them now; never waits.
     *
     * @return false when it takes none: then none is taken over
     * @throws IOException if nobody can read any more
     */
    boolean offer(byte[] bytes, String name) throws IOException {
        if (!tryBegin(name)) {
            return false;
        }
        try {
            requireOutput();
            return buffer.offer(bytes);
        } finally {
            end();
        }
    }

    /**
     * Sends what is buffered as far as the system takes it; never waits.
     *
     * @return true when nothing is left
     * @throws IOException if nobody can read any more
     */
    boolean drained(String name) throws IOException {
        stream.requireOpen(name);
        if (!beginNow(name)) {
            return false;
        }
        try {
            if (buffer.pending() > 0) {
                requireOutput();
            }
            return buffer.drainNow();
        } finally {
            end();
        }
    }

    // ---- flushing ---------------------------------------------------------------------------

    /**
     * Hands everything buffered to the system and returns when it has taken it (Common Lisp
     * {@code FINISH-OUTPUT}; {@code FORCE-OUTPUT} is the same here).
     *
     * @throws IOException see the class; what could not be sent stays buffered
     */
    public void flush() throws IOException {
        beginLocal("finish-output");
        try {
            if (buffer.pending() == 0) {
                return;
            }
            requireOutput();
            requireTime();
            long before = buffer.sent();
            try {
                buffer.drain();
            } catch (IOException e) {
                throw withTransferred(e, buffer.sent() - before);
            }
        } finally {
            end();
        }
    }

    /**
     * Drops what is buffered and not yet handed to the system (Common Lisp {@code CLEAR-OUTPUT}).
     *
     * @throws IOException if the lock cannot be had in time
     */
    public void clear() throws IOException {
        beginLocal("clear-output");
        try {
            onShut();
        } finally {
            end();
        }
    }

    /**
     * How many bytes were written and are still in the buffer.
     *
     * @return 0 after a flush
     * @throws IOException if the lock cannot be had in time
     */
    public int pending() throws IOException {
        beginLocal("pending");
        try {
            return buffer.pending();
        } finally {
            end();
        }
    }

    // ---- status and life --------------------------------------------------------------------

    /** Tells whether output is possible now, by what the kernel said or is asked. */
    boolean isPossible(int ready) throws IOException {
        if (isShut() || failure() != null) {
            return false;
        }
        return ready == Pollable.UNKNOWN
                ? Waits.ready(stream.source(), SelectionKey.OP_WRITE) != 0
                : (ready & SelectionKey.OP_WRITE) != 0;
    }

    IOException failure() {
        return buffer.failure();
    }

    void format(ExternalFormat format) throws IOException {
        beginLocal("set-stream-external-format!");
        try {
            boolean writable = !isShut() && failure() == null;
            characters.format(format, writable);
            if (writable) {
                written();
            }
        } finally {
            end();
        }
    }

    /** Before closing: sends what is buffered, within the deadline, unless a writer is blocked. */
    void closing(Deadline until) throws IOException {
        if (!lockToClose(until)) {
            return; // that writer's bytes are lost with it, and it will be told
        }
        try {
            if (!isShut() && failure() == null) {
                buffer.drainToClose(until);
                characters.leaveCharset();
                buffer.drainToClose(until);
            }
        } finally {
            unlock();
        }
    }

    @Override
    void onShut() {
        buffer.drop();
        buffer.releaseIfEmpty();
        characters.drop();
    }

    @Override
    void finish() {
        if (!stream.isOpen()) {
            buffer.drop();
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
        return "see bytesTransferred for what went; the stream can still be used";
    }

    /**
     * Bounds each later operation.
     *
     * @param timeout null for no bound
     * @see SocketStream#writeTimeout(Duration)
     */
    @Override
    public void timeout(Duration timeout) {
        super.timeout(timeout);
    }

    /**
     * The bound of each operation.
     *
     * @return null for none
     */
    @Override
    public Duration timeout() {
        return super.timeout();
    }
}
