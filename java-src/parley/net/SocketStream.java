package parley.net;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InterruptedIOException;
import java.io.OutputStream;
import java.io.PushbackReader;
import java.io.Writer;
import java.net.SocketAddress;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;
import parley.net.ExternalFormat.CodingException;
import parley.net.InputProbe.InputState;
import parley.net.wait.Deadline;
import parley.net.wait.Source;

/**
 * A connection as a bidirectional stream of characters and bytes (CLISP
 * {@code SOCKET:SOCKET-STREAM}): its {@link #in input} and {@link #out output} side, what is known
 * about the connection, and its {@link #status}.
 *
 * <p>One thread may read while another writes and others check; see {@link StreamInput} and
 * {@link StreamOutput}. A thread blocked in any call ends promptly when the stream is closed.
 * Close streams: one that becomes unreachable is closed by a {@link java.lang.ref.Cleaner}, but
 * when is up to the garbage collector.
 *
 * <pre>{@code
 * try (SocketStream stream = SocketStream.connect("localhost", 7007, StreamOptions.DEFAULT)) {
 *     stream.out().writeLine("hello");
 *     stream.out().flush();
 *     stream.in().readLine();
 * }
 * }</pre>
 */
public final class SocketStream extends StreamConnection {
    private enum State { OPEN, CLOSING, CLOSED }

    // An updater, since streams are many: an AtomicReference would take 16 bytes in each.
    private static final AtomicReferenceFieldUpdater<SocketStream, State> STATE =
            AtomicReferenceFieldUpdater.newUpdater(SocketStream.class, State.class, "state");

    private final OpenObjects.Guard guard;
    private final StreamInput in;
    private final StreamOutput out;
    private volatile State state = State.OPEN; // changed through STATE

    private volatile ElementType elementType;
    private volatile ExternalFormat externalFormat;

    SocketStream(Transport transport, String host, int port, StreamOptions options)
            throws IOException {
        super(transport, host, port, options.closeTimeout());
        this.elementType = options.elementType();
        this.externalFormat = options.externalFormat();
        this.in = new StreamInput(this, options);
        this.out = new StreamOutput(this, options);
        this.in.timeout(options.readTimeout());
        this.out.timeout(options.writeTimeout());
        this.guard = OpenObjects.guard(this, transport);
        transport.carries(this);
    }

    // ---- making ------------------------------------------------------------------------------

    /**
     * Connects to a port of a host (CLISP {@code SOCKET:SOCKET-CONNECT}). All addresses of the host
     * are tried, those of IPv6 and IPv4 in a race (RFC 8305).
     *
     * @param host a name or an address
     * @param port 0 to 65535
     * @param options the timeout covers looking up the name and connecting; zero returns at once,
     *     perhaps still connecting, in which case the next operation waits
     * @throws IllegalArgumentException if the port or the host cannot be one
     * @throws java.net.UnknownHostException if the host has no address
     * @throws java.net.ConnectException if no server listens there
     * @throws java.net.SocketTimeoutException if it times out
     * @throws IOException if it fails otherwise
     */
    public static SocketStream connect(String host, int port, StreamOptions options)
            throws IOException {
        return Connector.connect(host, port, options);
    }

    /**
     * Connects to an address.
     *
     * @param address an {@link java.net.InetSocketAddress} or a
     *     {@link java.net.UnixDomainSocketAddress}
     * @param options as {@link #connect(String, int, StreamOptions)}
     * @throws IOException as {@link #connect(String, int, StreamOptions)}
     */
    public static SocketStream connect(SocketAddress address, StreamOptions options)
            throws IOException {
        return Connector.connect(address, options);
    }

    /**
     * Makes a stream of a connected channel, which becomes the stream's own and non-blocking.
     *
     * @param channel TCP or Unix-domain, for example {@link System#inheritedChannel()}
     * @param options its timeout does not matter here
     * @throws IllegalArgumentException if the channel is not open and connected
     * @throws IOException if the channel cannot be made non-blocking
     */
    public static SocketStream adopt(SocketChannel channel, StreamOptions options)
            throws IOException {
        if (channel == null || !channel.isConnected() && !channel.isConnectionPending()) {
            throw new IllegalArgumentException(Errors.name("socket-stream") + ": the channel is "
                    + (channel == null ? "null" : "not connected: " + channel)
                    + ", expected an open and connected SocketChannel");
        }
        Errors.plainOptions("socket-stream", options);
        SocketAddress peer = channel.getRemoteAddress();
        ChannelTransport transport = new ChannelTransport(channel);
        try {
            return new SocketStream(transport, null, Addresses.port(peer), options);
        } catch (IOException | RuntimeException | Error e) {
            transport.source().release(); // the channel stays the caller's
            throw e;
        }
    }

    /**
     * Makes two streams that are connected to each other, without a port: over a Unix-domain
     * socket.
     *
     * @param options of both streams; the timeout does not matter
     * @return the two streams
     * @throws UnsupportedOperationException if the platform has no Unix-domain sockets
     * @throws IOException if the directory for temporary files cannot be written, or no descriptor
     *     is left
     */
    public static List<SocketStream> pair(StreamOptions options) throws IOException {
        return Connector.pair(options);
    }

    // ---- the two sides -----------------------------------------------------------------------

    /** {@return the input side, always the same one} */
    @Override
    public StreamInput in() {
        return in;
    }

    /** {@return the output side, always the same one} */
    @Override
    public StreamOutput out() {
        return out;
    }

    /**
     * {@return a view of the input as characters, over the same buffer; closing it closes the
     * stream; a reader that can be shared; pushing back works for the character read last}
     */
    public PushbackReader reader() {
        return new IoViews.StreamReader(this);
    }

    /**
     * Returns a view of the input as characters and lines, over the same buffer. It reads nothing
     * ahead and has no mark. Closing it closes the stream.
     *
     * @return a reader that can be shared
     */
    public BufferedReader lineReader() {
        return new IoViews.LineReader(this);
    }

    /**
     * {@return a view of the output as characters, over the same buffer; closing it closes the
     * stream; a writer; its flush is {@link StreamOutput#flush}}
     */
    public Writer writer() {
        return new IoViews.StreamWriter(this);
    }

    /**
     * {@return a view of the input as bytes, over the same buffer, whatever the element type;
     * closing it closes the stream; an input stream}
     */
    public InputStream inputStream() {
        return new IoViews.ByteInput(this);
    }

    /**
     * {@return a view of the output as bytes, over the same buffer, whatever the element type;
     * closing it closes the stream; an output stream}
     */
    public OutputStream outputStream() {
        return new IoViews.ByteOutput(this);
    }

    // ---- element type and format -------------------------------------------------------------

    /** {@return the element type (CLISP {@code STREAM-ELEMENT-TYPE}); works after close, too} */
    public ElementType elementType() {
        return elementType;
    }

    /**
     * Changes what the elements are, from the next operation on; what was not read is still there,
     * byte for byte.
     *
     * @param type not null
     * @throws IllegalStateException if the stream is closed
     */
    public void elementType(ElementType type) {
        requireOpen("set-stream-element-type!");
        elementType = Errors.need("set-stream-element-type!", "the type", type,
                "an ElementType");
        tellObservers();
    }

    /**
     * {@return the external format (CLISP {@code STREAM-EXTERNAL-FORMAT}); works after close, too}
     */
    public ExternalFormat externalFormat() {
        return externalFormat;
    }

    /**
     * Changes the format, from the next character on. Waits for the operations of other threads on
     * this stream. When this fails, nothing has changed.
     *
     * @param format not null
     * @throws IllegalStateException if the stream is closed
     * @throws IOException if another thread does not finish in time; {@link CodingException} if
     *     half of a surrogate pair was written, which is dropped
     */
    public void externalFormat(ExternalFormat format) throws IOException {
        Errors.need("set-stream-external-format!", "the format", format,
                "an ExternalFormat");
        in.format(format, out);
    }

    /** Notes the format that both sides have taken; within the lock of the input. */
    void noteFormat(ExternalFormat format) {
        externalFormat = format;
    }

    // ---- shutdown and errors ------------------------------------------------------------------

    /**
     * Ends one or both directions (CLISP {@code SOCKET:SOCKET-STREAM-SHUTDOWN}, shutdown(2)).
     * Output is flushed first; then the other side sees the end, and writes fail. After input is
     * shut, reads are at the end. The stream still has to be closed.
     *
     * @param direction which; a direction that was shut down already is left alone
     * @throws IllegalStateException if the stream is closed
     * @throws java.io.InterruptedIOException if flushing times out or is interrupted: then nothing
     *     is shut and nothing is lost
     * @throws IOException if flushing fails otherwise: then the direction is shut all the same
     */
    public void shutdown(Direction direction) throws IOException {
        requireOpen("socket-stream-shutdown");
        Errors.direction("socket-stream-shutdown", direction);
        Deadline bound = out.ofNow();
        finishConnecting("socket-stream-shutdown", () -> bound.min(out.deadline()));
        boolean output = direction.includesOutput() && !out.isShut();
        IOException failure = output ? flushLast() : null;
        try {
            if (output) {
                out.shut();
                shutDown(Direction.OUTPUT);
            }
        } finally {
            if (direction.includesInput() && !in.isShut()) {
                shutDown(Direction.INPUT);
                in.shut();
            }
            tellObservers();
        }
        if (failure != null) {
            throw failure;
        }
    }

    /**
     * Flushes the output; returns why that failed if it will fail again, so that nothing is kept.
     */
    private IOException flushLast() throws IOException {
        try {
            out.flushLast();
            return null;
        } catch (InterruptedIOException e) {
            throw e;
        } catch (IOException e) {
            return e;
        }
    }

    private void shutDown(Direction direction) throws IOException {
        try {
            transport.shutdown(direction);
        } catch (IOException e) {
            if (transport.isOpen() && ErrorCode.of(e) != ErrorCode.ENOTCONN) {
                throw e; // not connected any more: nothing is left to shut down
            }
        }
    }

    /**
     * {@return whether the stream can be read from: false once input was shut down or the stream
     * was closed}
     */
    public boolean isInput() {
        return isOpen() && !in.isShut();
    }

    /**
     * {@return whether the stream can be written to: false once output was shut down or the stream
     * was closed}
     */
    public boolean isOutput() {
        return isOpen() && !out.isShut();
    }

    /**
     * Why every operation fails.
     *
     * @return the first failure of the connection, or null
     */
    public IOException error() {
        IOException connectFailure = connectFailure();
        IOException first = connectFailure != null ? connectFailure : in.failure();
        return first != null ? first : out.failure();
    }

    /**
     * Returns the NIO channel underneath. Reading or writing the channel bypasses the buffers of
     * this stream. After this call the garbage collector closes neither, so that the channel can be
     * used without the stream: close one of the two.
     *
     * @return the channel, or null when the stream is over a descriptor
     */
    public SocketChannel channel() {
        guard.handOut();
        return transport.channel();
    }

    Transport transport() {
        return transport;
    }

    // ---- status ------------------------------------------------------------------------------

    @Override
    Source source() {
        return transport.source();
    }

    @Override
    int interest(Direction direction) {
        if (isConnecting()) {
            return transport.connectOps();
        }
        // While a reader runs code of the user's nothing can be found: its end is announced.
        boolean read = direction.includesInput() && !in.isShut() && !in.hasEnded() && !in.foreign;
        boolean write = direction.includesOutput() && !out.isShut() && out.failure() == null;
        return (read ? SelectionKey.OP_READ : 0) | (write ? SelectionKey.OP_WRITE : 0);
    }

    @Override
    SocketStatus evaluate(Direction looked, int ready) throws IOException {
        Direction direction = transport.narrow(looked);
        int known = ready;
        if (isConnecting()) {
            SocketStatus unfinished = stepConnecting();
            if (unfinished != null) {
                return unfinished;
            }
            // The kernel was asked about the connection: it has room, and perhaps input already.
            known = ready == UNKNOWN || transport.changes() > 0 ? UNKNOWN
                    : SelectionKey.OP_READ | SelectionKey.OP_WRITE;
        }
        boolean output = direction.includesOutput() && out.isPossible(known);
        InputState input = direction.includesInput()
                ? known == UNKNOWN ? in.look()
                : in.look((known & SelectionKey.OP_READ) != 0 || transport.holdsInput())
                : output ? in.look() : InputState.NOTHING; // a reset shows in reading only
        if (input == InputState.BROKEN || isUseless(direction, input)) {
            return SocketStatus.ERROR;
        }
        return SocketStatus.of(direction.includesInput() ? input : InputState.NOTHING, output);
    }

    /** True when writing fails for ever and there is nothing left to read. */
    private boolean isUseless(Direction direction, InputState input) {
        return (input == InputState.ENDED || !direction.includesInput()) && out.failure() != null;
    }

    // ---- closing -----------------------------------------------------------------------------

    @Override
    public boolean isOpen() {
        return state == State.OPEN;
    }

    /**
     * Flushes the output and closes. When this returns the descriptor is free and the peer knows;
     * threads blocked in the stream are on their way out. Closing again does nothing.
     *
     * @throws IOException if output could not be flushed, within the close timeout; the stream is
     *     closed all the same
     */
    @Override
    public void close() throws IOException {
        if (beginClosing()) {
            try {
                if (!isConnecting()) {
                    out.closing(Deadline.in(closeTimeout()));
                }
            } finally {
                release(false);
            }
        }
    }

    /**
     * Closes without flushing: what is in the buffer is dropped, and nothing can make this wait.
     *
     * @throws IOException if the system reports one
     */
    public void abort() throws IOException {
        if (beginClosing()) {
            release(true);
        }
    }

    /** Returns whether it falls to this call to close the stream. */
    private boolean beginClosing() {
        boolean begun = STATE.compareAndSet(this, State.OPEN, State.CLOSING);
        if (begun) {
            noteClosing();
            source().wake(); // blocked threads end now, however long the flush takes
            in.unparkAll();
            out.unparkAll();
        }
        return begun;
    }

    private void release(boolean reset) throws IOException {
        state = State.CLOSED;
        try {
            transport.close(reset);
        } finally {
            in.shut();
            out.shut();
            guard.release();
            FlightEvents.closed(this);
            tellObservers();
        }
    }

    OpenObjects.Guard guard() {
        return guard;
    }

    /** Describes the state in a word, as {@link OpenObjects.Entry#state()} does. */
    String state() {
        return !isOpen() ? "closed" : connectFailure() != null ? "failed"
                : isConnecting() ? "connecting" : error() != null ? "broken" : "open";
    }

    @Override
    public String toString() {
        String what = state();
        String title = transport.title();
        if (title != null) {
            return "#<stream " + title + " " + what + ">";
        }
        return "#<socket-stream " + Addresses.show(knownLocal) + " -> " + (knownPeer == null
                ? Addresses.show(host(), port()) : Addresses.show(knownPeer)) + " " + what + ">";
    }
}
