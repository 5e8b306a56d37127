package parley.net;

import java.io.IOException;
import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import parley.net.tls.TlsConnection;
import parley.net.wait.Deadline;
import parley.net.wait.Source;

/**
 * Carries a stream's bytes over an NIO channel or a descriptor, always non-blocking. A transport
 * neither buffers nor waits; callers wait for its {@link #source}.
 */
interface Transport extends TlsConnection.Carrier, OpenObjects.Resource {
    /** Reads available bytes; returns their number, 0 without input, -1 at the end of file. */
    @Override
    int read(ByteBuffer into) throws IOException;

    /**
     * Returns false when the kernel reports nothing to read. A read would find that out, too, but
     * would pass over an urgent byte.
     */
    default boolean mayRead() throws IOException {
        return true;
    }

    /** Returns whether {@link #peek} may find something: only where the descriptor is shared. */
    default boolean canPeek() {
        return false;
    }

    /**
     * Copies available bytes, which stay with the kernel for other code that uses the descriptor.
     *
     * @return their number, at most the array's length; 0 for none, for an end or a failure, and
     *     where the transport is not made to share its descriptor, or the kernel cannot
     */
    default int peek(byte[] into) throws IOException {
        return 0;
    }

    /** Writes what fits: the number of bytes, 0 when there is no room. */
    @Override
    int write(ByteBuffer from) throws IOException;

    /** Shuts down one or both directions; the other side sees end of file after output. */
    void shutdown(Direction direction) throws IOException;

    /** Returns whether a connection is still being made. */
    boolean isConnecting();

    /** Takes a step at connecting: true when it is done. */
    boolean finishConnect() throws IOException;

    /** As {@link #finishConnect()}, where the calling thread may compute for some time. */
    default boolean finishConnectHere() throws IOException {
        return finishConnect();
    }

    /** Returns the operations that connecting waits for; 0 for {@link #changes} only. */
    default int connectOps() {
        return SelectionKey.OP_CONNECT;
    }

    /** When connecting must be done; then the next step fails. */
    default Deadline connectDeadline() {
        return Deadline.NONE;
    }

    /** Returns the number of steps of connecting that the source does not report. */
    default int changes() {
        return 0;
    }

    /** Why connecting to a host has failed, as an exception for the user. */
    default IOException explain(IOException e, String host, int port) {
        return Connector.explain(e, host, port);
    }

    /** Sets the stream that the transport carries; the transport must not keep it reachable. */
    default void carries(SocketStream stream) {
    }

    /**
     * Returns whether a read finds something, or makes progress, although the kernel has nothing.
     */
    default boolean holdsInput() {
        return false;
    }

    /** Returns whether something that was written is not with the kernel yet. */
    default boolean holdsOutput() {
        return false;
    }

    /** Hands what is held to the kernel as far as it takes it: true when nothing is left. */
    default boolean flush() throws IOException {
        return true;
    }

    /** Has the event loop hand over what is held, as the kernel takes it. */
    default void flushLater() {
    }

    /** Sends the peer the end, before an orderly close; {@link #flush} completes it. */
    default void endOutput() throws IOException {
    }

    /** The NIO channel underneath, or null. */
    default SocketChannel channel() {
        return null;
    }

    boolean isOpen();

    /**
     * Closes: when this returns the descriptor is gone and the peer knows. Idempotent, from any
     * thread; threads that wait for the source are woken.
     *
     * @param reset drop what the kernel has not sent yet, so that closing cannot wait for it
     */
    void close(boolean reset) throws IOException;

    /** Returns the address of the other end, as the system reports it, or null. */
    SocketAddress peer() throws IOException;

    /** Returns the address of the proxy that has announced the peer, or null when there is none. */
    default SocketAddress proxy() throws IOException {
        return null;
    }

    /** Returns how many bytes were read so far, 0 where this is not counted. */
    default long bytesIn() {
        return 0;
    }

    /** Returns how many bytes were written so far, 0 where this is not counted. */
    default long bytesOut() {
        return 0;
    }

    /** Returns the address of this end, as the system reports it, or null. */
    SocketAddress local() throws IOException;

    Source source();

    /** Returns the part of a direction that this has: all of it, unless it is for output only. */
    default Direction narrow(Direction direction) {
        return direction;
    }

    @Override
    default String describe() {
        return title() == null ? "a socket stream" : "a stream over " + title();
    }

    @Override
    default void closeAbandoned() throws IOException {
        close(false);
    }

    /** Returns a description to show instead of addresses, or null. */
    default String title() {
        return null;
    }
}
