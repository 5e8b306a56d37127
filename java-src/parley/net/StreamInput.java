package parley.net;

import java.io.IOException;
import java.io.InterruptedIOException;
import java.nio.ByteOrder;
import java.util.function.Consumer;
import parley.net.Framing.FramingException;
import parley.net.InputProbe.InputState;
import parley.net.InputProbe.Sought;

/**
 * The input side of a stream: characters and bytes out of one buffer, so that the kinds can be
 * mixed with nothing lost. Several threads may read; each operation is done as a whole before the
 * next. An operation that times out or is interrupted has consumed nothing.
 *
 * <p>Every operation throws {@link IllegalStateException} on a closed stream and on one whose
 * element type does not fit, {@link java.nio.channels.AsynchronousCloseException} when the stream
 * is closed during it, {@link java.net.SocketTimeoutException} when it times out,
 * {@link InterruptedIOException} when the thread is interrupted (the flag stays set) and
 * {@link IOException} when the connection is broken. "The end" is that of the input: the peer has
 * closed or shut down its output, or this side has shut down its input. Every later read finds it,
 * too.
 *
 * <p>Parts of arrays are given by {@code from}, the first index, and {@code to}, the index behind
 * the last one; {@link IndexOutOfBoundsException} is thrown when they are not within the array.
 *
 * <pre>{@code
 * StreamInput in = stream.in();
 * String line = in.readLine();      // null at the end
 * int next = in.peekChar();         // StreamInput.END at the end; consumes nothing
 * }</pre>
 */
public final class StreamInput extends StreamTextInput {
    /** More than a socket buffers: what a peer sends while it is dropped has not arrived yet. */
    private static final long MOST_CLEARED = 32 << 20;

    private static final byte TLS_HANDSHAKE = 22; // the type of the first record

    StreamInput(SocketStream stream, StreamOptions options) {
        super(stream, options);
    }

    // ---- bytes ------------------------------------------------------------------------------

    /**
     * Reads a byte, whatever the width of the stream's element type (CLISP {@code READ-BYTE} on a
     * stream of {@code (UNSIGNED-BYTE 8)}).
     *
     * @return 0 to 255, or {@link #END}
     */
    public int readByte() throws IOException {
        requireBytes("read-byte");
        return viewByte();
    }

    /** As {@link #readByte}, whatever the element type. */
    int viewByte() throws IOException {
        return oneByte("read-byte", WaitMode.FULL);
    }

    private int oneByte(String name, WaitMode mode) throws IOException {
        if (!enter(name, Entry.of(mode))) {
            return NOTHING;
        }
        Object me = owner;
        try {
            return bytes.ensure(1, mode) ? bytes.take() : refill.atEnd() ? END : NOTHING;
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
     * Reads a byte if one has arrived (CLISP {@code EXT:READ-BYTE-NO-HANG}).
     *
     * @return 0 to 255, {@link #NOTHING} or {@link #END}
     */
    public int readByteNoHang() throws IOException {
        requireBytes("read-byte-no-hang");
        return oneByte("read-byte-no-hang", WaitMode.NO_HANG);
    }

    /**
     * Reads an integer of the stream's element type (Common Lisp {@code READ-BYTE}).
     *
     * @param mode {@link WaitMode#NO_HANG} to take it only if it has arrived
     * @return its bits, sign-extended when the type is signed, or null: the end of the input, or
     *     nothing there when the call does not wait
     */
    public Long readElement(WaitMode mode) throws IOException {
        ElementType type = stream.elementType();
        return integer("read-byte", type.width(), type.isSigned(), ByteOrder.LITTLE_ENDIAN, mode);
    }

    /**
     * Reads an integer of any width (CLISP {@code EXT:READ-INTEGER}).
     *
     * @param width bytes it takes, 1 to 8
     * @param signed whether its highest bit is its sign
     * @param order which byte comes first
     * @param mode {@link WaitMode#NO_HANG} to take it only if it has arrived
     * @return its bits, or null as {@link #readElement}; an unsigned one of 8 bytes may be negative
     */
    public Long readInteger(int width, boolean signed, ByteOrder order, WaitMode mode)
            throws IOException {
        Errors.integer("read-integer", width, order);
        return integer("read-integer", width, signed, order, mode);
    }

    private Long integer(String name, int width, boolean signed, ByteOrder order,
            WaitMode mode) throws IOException {
        Errors.waitMode(name, mode);
        requireBytes(name);
        if (!enter(name, Entry.of(mode))) {
            return null;
        }
        Object me = owner;
        try {
            return bytes.ensure(width, mode)
                    ? ElementType.box(bytes.takeInteger(width, signed, order)) : null;
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
     * Reads bytes (CLISP {@code EXT:READ-BYTE-SEQUENCE}). Big reads go straight into the array.
     *
     * @return the index of the first byte not filled; {@code to} unless the input ended, or nothing
     *     more was there and the call does not wait
     */
    public int readBytes(byte[] into, int from, int to, WaitMode mode) throws IOException {
        requireBytes("read-byte-sequence");
        return viewBytes(into, from, to, mode);
    }

    /** As {@link #readBytes}, whatever the element type. */
    int viewBytes(byte[] into, int from, int to, WaitMode mode) throws IOException {
        Errors.range("read-byte-sequence", from, to, into == null ? -1 : into.length);
        Errors.waitMode("read-byte-sequence", mode);
        return runInt("read-byte-sequence", Entry.of(mode), from,
                () -> bytes.read(into, from, to, mode));
    }

    /**
     * Reads integers of the stream's element type (CLISP {@code EXT:READ-BYTE-SEQUENCE}).
     *
     * @param into where to put their bits, as {@link #readElement} returns them
     * @return the index of the first integer not filled, as {@link #readBytes}
     */
    public int readElements(long[] into, int from, int to, WaitMode mode)
            throws IOException {
        Errors.range("read-byte-sequence", from, to, into == null ? -1 : into.length);
        Errors.waitMode("read-byte-sequence", mode);
        ElementType type = stream.elementType();
        requireBytes("read-byte-sequence");
        return runInt("read-byte-sequence", Entry.of(mode), from,
                () -> bytes.readIntegers(into, from, to, type, mode));
    }

    /**
     * Reports what the next byte operation would find (CLISP {@code EXT:READ-BYTE-LOOKAHEAD}).
     *
     * @return {@link #NOTHING} when it would wait, {@link #END}, or 1 when an element has arrived
     * @throws IOException if the connection is broken
     */
    public int byteLookahead() throws IOException {
        requireBytes("read-byte-lookahead");
        switch (sight.now("read-byte-lookahead", Sought.INTEGER)) {
            case NOTHING:
                return NOTHING;
            case ENDED:
                return END;
            default:
                return 1;
        }
    }

    /** Returns the number of bytes that can be read without waiting. */
    int available() throws IOException {
        return runInt("available", Entry.POLL, 0, bytes::available);
    }

    /**
     * Takes an element of the kind that a framing describes if all of it has arrived; never waits.
     *
     * @return the element; null when it has not arrived yet
     * @throws java.io.EOFException if the input has ended and nothing is left
     * @throws FramingException if the input cannot become an element; nothing was consumed
     * @throws IOException if the connection is broken
     */
    <T> T takeNow(Framing<T> framing) throws IOException {
        return run(framing.reading, Entry.TRY, null, () -> {
            unchanged = true;
            T taken = take(framing);
            while (taken == null && refill.pollMore(1)) {
                unchanged = false;
                taken = take(framing);
            }
            if (taken == null && refill.atEnd()) {
                throw framing.atEnd(refill.buffer);
            }
            unchanged &= taken == null;
            return taken;
        });
    }

    /**
     * Reads an element of the kind that a framing describes, whatever the element type.
     *
     * @param <T> the elements
     * @param framing describes the elements; use one framing for one stream
     * @return the element; null at the end of the input
     * @throws FramingException if the input cannot become an element; nothing was consumed
     */
    public <T> T read(Framing<T> framing) throws IOException {
        Errors.need("read", "the framing", framing, "a Framing");
        return run(framing.reading, Entry.WAIT, null, () -> {
            for (;;) {
                T taken = take(framing);
                if (taken != null) {
                    return taken;
                } else if (refill.atEnd()) {
                    return framing.nothingAt(refill.buffer);
                }
                refill.more(1);
            }
        });
    }

    private <T> T take(Framing<T> framing) throws IOException {
        if (!framing.isForeign()) {
            return takeOwn(framing);
        }
        try {
            runsForeign(true);
            return takeOwn(framing);
        } finally {
            foreign = false;
        }
    }

    private <T> T takeOwn(Framing<T> framing) throws IOException {
        return framing.isText() || bytes.settle()
                ? framing.takeNamed(refill.buffer, cursor, refill.atEnd()) : null;
    }

    /**
     * Has the transport replaced by one that decrypts, which needs the lock of both sides.
     *
     * @param replace takes encrypted bytes that were read already
     * @throws IOException if plain bytes have come that were not read: they must not be taken for
     *     what came under the protection of TLS
     */
    void secure(StreamOutput out, Consumer<byte[]> replace) throws IOException {
        run("start-tls!", Entry.WAIT, null, () -> {
            boolean settled = bytes.settle();
            byte[] early = new byte[refill.buffer.remaining()];
            if (!settled || cursor.hasOwed() || early.length > 0
                    && refill.buffer.bytes[refill.buffer.position] != TLS_HANDSHAKE) {
                throw Errors.earlyBytes("start-tls!", stream, early.length);
            }
            out.secure(() -> {
                refill.buffer.take(early, 0, early.length);
                replace.accept(early);
                cursor.clear();
                refill.buffer.clear();
            });
            return null;
        });
    }

    // ---- what status checks see -------------------------------------------------------------

    /**
     * Returns the state of the input for the next read; never waits.
     *
     * @param ask whether to poll the transport when the buffer does not suffice
     */
    InputState look() throws IOException {
        return sight.look(Sought.ANYTHING);
    }

    InputState look(boolean ask) {
        return sight.look(ask, Sought.ANYTHING);
    }

    IOException failure() {
        return refill.failure();
    }

    /** Returns whether the transport has reported the end, so that no poll is needed. */
    boolean hasEnded() {
        return refill.hasEnded();
    }

    @Override
    boolean leavesNews() {
        return sight.leavesNews();
    }

    // ---- life -------------------------------------------------------------------------------

    /** Takes the new format from the next character on, if the output takes it. */
    void format(ExternalFormat format, StreamOutput out) throws IOException {
        run("set-stream-external-format!", Entry.LOCAL, null, () -> {
            out.format(format);
            cursor.format(format);
            stream.noteFormat(format);
            return null;
        });
    }

    /**
     * Drops all input that has arrived (Common Lisp {@code CLEAR-INPUT}). Waits for a read of another
     * thread.
     */
    public void clear() throws IOException {
        if (!stream.isConnectedNow("clear-input")) {
            return; // nothing has come
        }
        run("clear-input", Entry.LOCAL, null, () -> {
            long most = refill.buffer.offset() + MOST_CLEARED;
            do {
                drop();
                Errors.ifInterrupted("clear-input", stream);
            } while (refill.failure() == null && !deadline().hasPassed()
                    && refill.buffer.offset() < most && refill.moreNow(0) && !refill.atEnd());
            return null;
        });
    }

    private void drop() {
        boolean pending = cursor.skipsNewline() && refill.buffer.remaining() == 0;
        cursor.clear();
        refill.buffer.clear();
        cursor.skipsNewline(pending); // that line feed has not come yet
    }

    @Override
    void onShut() {
        cursor.clear();
        refill.shut();
    }

    @Override
    void finish() {
        refill.finish();
        if (isShut() && !refill.hasEnded() || !stream.isOpen()) {
            onShut();
        } else if (refill.buffer.remaining() == 0) {
            refill.buffer.releaseIfEmpty(unreadable());
        }
    }

    @Override
    String sideName() {
        return "input from";
    }

    @Override
    String timeoutHint() {
        return "nothing was consumed, the call can be made again";
    }

    @Override
    String interruptHint() {
        return Errors.NOTHING_LOST + unsentHint();
    }

    @Override
    String unsentHint() {
        int unsent = stream.out().unsent();
        return unsent == 0 ? "" : "; " + Errors.written(unsent) + " still buffered: "
                + Errors.spell("finish-output", "StreamOutput.flush") + " sends the peer what it may wait for";
    }

    @Override
    String deadlineSetter() {
        return Errors.spell("set-read-deadline!", "SocketStream.readDeadline");
    }

    /** {@return the number of bytes that were read since the connection was made} */
    public long offset() throws IOException {
        return run("offset", Entry.LOCAL, 0L, refill.buffer::offset);
    }

    /**
     * A line and how it ended (the two values of Common Lisp's {@code READ-LINE}).
     *
     * @param text the line without its end
     * @param missingNewline true when the end of the input ended it
     */
    public record Line(String text, boolean missingNewline) {
    }

    /**
     * A line is longer than the stream's limit. Nothing was consumed: the characters can be read in
     * other ways.
     *
     * <pre>{@code
     * try {
     *     stream.in().readLine();
     * } catch (StreamInput.LineTooLongException e) {
     *     stream.abort(); // the limit is StreamOptions.Builder.lineLimit
     * }
     * }</pre>
     */
    public static final class LineTooLongException extends IOException {
        private static final long serialVersionUID = 1L;

        LineTooLongException(int limit) {
            super(Errors.name("read-line") + ": no line end within " + Errors.counted(limit, "character") + ", the limit of this stream;"
                    + " raise the line limit or read in blocks, nothing was consumed");
        }
    }
}
