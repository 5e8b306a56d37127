package parley.net;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.net.SocketAddress;
import java.net.SocketTimeoutException;
import java.nio.ByteBuffer;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.SelectionKey;
import java.nio.channels.SocketChannel;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import parley.net.tls.TlsConnection;
import parley.net.tls.TlsException;
import parley.net.tls.TlsOptions;
import parley.net.tls.TlsSession;
import parley.net.wait.Deadline;
import parley.net.wait.EventLoop;
import parley.net.wait.Interest;
import parley.net.wait.Log;
import parley.net.wait.Source;
import parley.posix.OwnThreads;
import parley.posix.StackSafeLock;

/**
 * TLS over another transport. To the stream its handshake is a part of connecting: the first
 * operation on the stream, or a check of it, takes it further. Computation that may take long runs
 * on the thread of an operation that may wait, or else on an executor, never on the event loop's
 * thread.
 */
final class TlsTransport implements Transport {
    private static final AtomicIntegerFieldUpdater<TlsTransport> CHANGES =
            AtomicIntegerFieldUpdater.newUpdater(TlsTransport.class, "changes");
    private static final ThreadPoolExecutor WORKERS = workers();

    private final Transport inner;
    private final TlsOptions options;
    private final boolean client;
    private final SocketServer.Handshakes others; // of the same server, or null
    private final TlsConnection tls;
    private final Flusher flusher = new Flusher();
    private final Runnable expiry = this::expire;
    private final StackSafeLock lock = new StackSafeLock();
    private volatile WeakReference<SocketStream> stream = new WeakReference<>(null);
    private volatile Deadline until; // of the handshake; null before it; written under lock
    private volatile int wanted; // what the handshake waits for
    private volatile boolean overtaken; // by too many others
    private volatile int changes; // through CHANGES
    private boolean watched; // the event loop ends a handshake in time; guarded by lock
    private Object event; // of Flight Recorder, while a handshake is recorded; guarded by lock

    private TlsTransport(Transport inner, TlsOptions options, boolean client,
            SocketServer.Handshakes others, SSLEngine engine) {
        this.inner = inner;
        this.options = options;
        this.client = client;
        this.others = others;
        this.tls = new TlsConnection(engine, inner);
    }

    private static ThreadPoolExecutor workers() {
        int most = Math.max(2, Runtime.getRuntime().availableProcessors());
        ThreadPoolExecutor pool = new ThreadPoolExecutor(most, most, 50, TimeUnit.MILLISECONDS,
                new LinkedBlockingQueue<>(), body -> OwnThreads.daemon("parley-tls", body));
        pool.allowCoreThreadTimeOut(true);
        return pool;
    }

    /** The client's side of TLS over a transport that is connected to a server, or is being. */
    static TlsTransport client(Transport inner, TlsOptions options, String host, int port) {
        return new TlsTransport(inner, options, true, null, options.clientEngine(host, port));
    }

    /** The server's side of TLS over a transport; the handshakes, or null, limit their number. */
    static TlsTransport server(Transport inner, TlsOptions options,
            SocketServer.Handshakes others) {
        return new TlsTransport(inner, options, false, others, options.serverEngine());
    }

    /** Takes encrypted bytes that were read from the inner transport already. */
    TlsTransport after(byte[] early) {
        if (early.length > 0) {
            tls.accept(early);
        }
        return this;
    }

    @Override
    public void carries(SocketStream carried) {
        stream = new WeakReference<>(carried);
    }

    /** Returns the result of the handshake; null before it is over. */
    TlsSession session() {
        return tls.session();
    }

    // ---- the handshake -----------------------------------------------------------------------

    @Override
    public boolean isConnecting() {
        return !tls.isDone();
    }

    @Override
    public int connectOps() {
        return until == null ? inner.connectOps() : wanted;
    }

    @Override
    public Deadline connectDeadline() {
        Deadline mine = until;
        return mine == null ? inner.connectDeadline() : mine;
    }

    @Override
    public int changes() {
        return changes;
    }

    @Override
    public boolean finishConnect() throws IOException {
        return step(false);
    }

    @Override
    public boolean finishConnectHere() throws IOException {
        return step(true);
    }

    private boolean step(boolean work) throws IOException {
        if (until == null) {
            if (inner.isConnecting() && !inner.finishConnect()) {
                return false;
            }
            begin();
        }
        try {
            return advance(work);
        } catch (IOException e) {
            handshakeEnds(e);
            throw e;
        }
    }

    private boolean advance(boolean work) throws IOException {
        for (;;) {
            TlsConnection.Need need = tls.handshake();
            if (need == TlsConnection.Need.NOTHING) {
                handshakeEnds(null);
                changed();
                return true;
            } else if (until.hasPassed()) {
                throw new SocketTimeoutException("the peer did not finish the TLS handshake within "
                        + until.shown());
            }
            if (overtaken) {
                throw new TlsException(ErrorCode.TLS_HANDSHAKE.name(), "the handshake was"
                        + " given up for newer ones, since " + SocketServer.Handshakes.MOST + " are the most at a time", null);
            }
            Runnable task = need == TlsConnection.Need.TASK ? tls.task() : null;
            if (task == null || !work) {
                want(need);
                handOver(task);
                return false;
            }
            run(task);
        }
    }

    private void begin() {
        lock.lock();
        try {
            if (until == null) {
                wanted = client ? SelectionKey.OP_WRITE : SelectionKey.OP_READ;
                event = FlightEvents.handshaking();
                until = Deadline.in(options.handshakeTimeout());
                if (watched) {
                    EventLoop.shared().post(expiry, until.remaining());
                }
            }
        } finally {
            lock.unlock();
        }
    }

    private void want(TlsConnection.Need need) {
        int ops = need == TlsConnection.Need.INPUT ? SelectionKey.OP_READ
                : need == TlsConnection.Need.OUTPUT ? SelectionKey.OP_WRITE : 0;
        if (wanted != ops) {
            wanted = ops;
            changed();
        }
    }

    private void handOver(Runnable task) {
        if (task != null) {
            try {
                WORKERS.execute(() -> run(task));
            } catch (OutOfMemoryError e) { // there is no thread to be had
                run(task);
            }
        }
    }

    private void run(Runnable task) {
        try {
            task.run();
        } finally {
            changed();
        }
    }

    /** Threads that wait, sets and watches are to look again. */
    private void changed() {
        CHANGES.incrementAndGet(this);
        source().wake();
        SocketStream carried = stream.get();
        if (carried != null) {
            carried.tellObservers();
        }
    }

    /**
     * Has the event loop end the handshake when its time is over, though no thread waits for it.
     */
    void watch() {
        if (others != null) {
            others.add(this);
        }
        lock.lock();
        try {
            if (!watched && !tls.isDone() && isOpen()) { // else the timer would outlive the stream
                watched = true;
                if (until != null) {
                    EventLoop.shared().post(expiry, until.remaining());
                } else if (!inner.isConnecting()) {
                    begin();
                }
            }
        } finally {
            lock.unlock();
        }
    }

    /**
     * Removes the timer, and records the end. The failure is null if it succeeded or was closed.
     */
    private void handshakeEnds(IOException failure) {
        Object begun;
        lock.lock();
        try {
            if (watched) {
                watched = false;
                EventLoop.shared().cancel(expiry);
            }
            begun = event;
            event = null;
        } finally {
            lock.unlock();
        }
        if (others != null) {
            others.remove(this);
        }
        if (begun != null) {
            FlightEvents.handshaken(begun, peerName(), tls.session(),
                    failure == null ? null : explain(failure, null, 0));
        }
    }

    /** Makes room for newer handshakes. */
    void giveWay() {
        overtaken = true;
        expire();
    }

    private void expire() {
        SocketStream carried = stream.get();
        if (carried != null && carried.isOpen()) {
            carried.stepAtConnecting();
        }
    }

    @Override
    public IOException explain(IOException e, String host, int port) {
        if (e instanceof SocketTimeoutException) {
            return e;
        }
        return until == null ? inner.explain(e, host, port) : explained(e);
    }

    private String peerName() {
        try {
            return Addresses.show(inner.peer());
        } catch (IOException e) {
            return "the peer";
        }
    }

    private IOException explained(IOException e) {
        String peer = peerName();
        IOException explained = options.explain(e, peer, client);
        return tls.isDone() && ErrorCode.of(explained) == ErrorCode.TLS_HANDSHAKE
                ? new TlsException(ErrorCode.TLS_PROTOCOL_ERROR.name(), peer + ": it broke the protocol"
                        + " of TLS, or what it sent was damaged (" + Errors.text(e) + ")", e) : explained;
    }

    // ---- bytes -------------------------------------------------------------------------------

    @Override
    public int read(ByteBuffer into) throws IOException {
        try {
            return tls.read(into);
        } catch (SSLException e) {
            throw e instanceof TlsException ? e : explained(e);
        } finally {
            if (tls.holdsOutput()) {
                flushLater();
            }
        }
    }

    @Override
    public int write(ByteBuffer from) throws IOException {
        try {
            return tls.write(from);
        } catch (SSLException e) {
            throw e instanceof TlsException ? e : explained(e);
        }
    }

    @Override
    public boolean mayRead() throws IOException {
        return tls.holdsInput() || inner.mayRead();
    }

    @Override
    public boolean holdsInput() {
        return tls.holdsInput();
    }

    @Override
    public boolean holdsOutput() {
        return tls.holdsOutput();
    }

    @Override
    public boolean flush() throws IOException {
        return !tls.holdsOutput() || tls.flush();
    }

    @Override
    public void flushLater() {
        try {
            flusher.again();
        } catch (ClosedChannelException e) {
            return; // then nothing can be sent any more
        } catch (IOException e) {
            Log.warning(Log.Part.TLS, "encrypted bytes wait for the next write: " + Errors.text(e));
        }
    }

    /** Sends what is held when the kernel takes it, on the event loop's thread. */
    private final class Flusher extends Interest {
        void again() throws IOException {
            EventLoop.shared().arm(this, SelectionKey.OP_WRITE);
        }

        @Override
        public Source source() {
            return inner.source();
        }

        @Override
        public void fire(int ready) {
            try {
                if (!flush()) {
                    again();
                    return;
                }
            } catch (IOException e) {
                changed(); // the next write reports it
                return;
            }
            changed();
        }

        @Override
        public void sourceClosed() {
            // Held bytes are lost, like those in the kernel's own buffers.
        }
    }

    // ---- the end -----------------------------------------------------------------------------

    @Override
    public void shutdown(Direction direction) throws IOException {
        if (direction.includesOutput()) {
            tls.endOutput();
            if (tls.holdsOutput()) {
                flushLater();
            }
        }
        // The kernel's input stays open: messages of TLS itself, such as session tickets, still come,
        // and a peer that cannot send them would take the connection for broken.
    }

    @Override
    public void endOutput() throws IOException {
        tls.endOutput();
    }

    @Override
    public boolean isOpen() {
        return inner.isOpen();
    }

    @Override
    public void close(boolean reset) throws IOException {
        handshakeEnds(null);
        if (!reset) {
            tls.deplete();
        }
        try {
            inner.close(reset);
        } finally {
            tls.release();
        }
    }

    // ---- the connection ----------------------------------------------------------------------

    @Override
    public SocketChannel channel() {
        return inner.channel();
    }

    @Override
    public SocketAddress proxy() throws IOException {
        return inner.proxy();
    }

    @Override
    public long bytesIn() {
        return inner.bytesIn();
    }

    @Override
    public long bytesOut() {
        return inner.bytesOut();
    }

    @Override
    public SocketAddress peer() throws IOException {
        return inner.peer();
    }

    @Override
    public SocketAddress local() throws IOException {
        return inner.local();
    }

    @Override
    public Source source() {
        return inner.source();
    }

    @Override
    public Direction narrow(Direction direction) {
        return inner.narrow(direction);
    }

    @Override
    public String title() {
        return inner.title();
    }

    @Override
    public String describe() {
        return inner.describe();
    }
}
