package parley.net;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.nio.channels.SelectionKey;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BiConsumer;
import parley.net.wait.Deadline;
import parley.net.wait.EventLoop;
import parley.net.wait.Interest;
import parley.net.wait.Poller;
import parley.net.wait.Registration;
import parley.net.wait.Source;

/**
 * Streams, servers and other pollable objects that are checked together, again and again, in place
 * (the list that CLISP's {@code SOCKET:SOCKET-STATUS} updates destructively). Members stay
 * registered with the kernel between checks, so that a check costs time in the number of actionable
 * members only, and allocates nothing.
 *
 * <p>A set is for one thread at a time. Its members may be used, and closed, by any: a closed member
 * leaves the set and is reported once, as {@link SocketStatus#ERROR}. Close the set when done: it
 * holds two or three descriptors; its members stay open.
 */
public final class StatusSet implements AutoCloseable {
    // One poll shows at most so many (1,024 on Linux): one that shows as many as this may have more.
    private static final int MANY = 512;

    private final AtomicReference<Thread> user = new AtomicReference<>();
    private final Poller poller;
    private final ChangeQueue news;
    private final LeakDetector.Guard guard;
    private volatile boolean closed;

    // The user's own.
    private final Map<Pollable, Member> members;
    private final List<ForeignClose> foreign = new ArrayList<>(0);
    private final Poller.Visitor visitor = this::report;
    private Member[] touched = new Member[8]; // to be evaluated in this round
    private int touchedCount;
    private int reported; // members that the kernel has shown in this round
    private Member[] actionable = new Member[8]; // null where one was removed since the check
    private int listed; // how many places of these are in use
    private int actionableCount;

    /**
     * An empty set.
     *
     * @throws IOException if the process is out of descriptors
     */
    public StatusSet() throws IOException {
        this(true, 16);
    }

    /**
     * A set of the user's, or one of the library's own, which ends with the first of its members
     * and of whose being dropped nobody has to know.
     */
    StatusSet(boolean reported, int expected) throws IOException {
        members = new HashMap<>(expected * 2);
        Poller mine = poller = open();
        news = new ChangeQueue(mine, reported ? null : this);
        guard = LeakDetector.guard(this, reported ? "a status set" : null, () -> abandon(mine));
    }

    private static Poller open() throws IOException {
        try {
            return new Poller(Poller.Owner.PASSIVE);
        } catch (IOException e) {
            throw Errors.noSelector(e);
        }
    }

    /** What is left to do for a set that is gone. */
    private static void abandon(Poller poller) {
        for (Registration each : poller.registrations()) {
            Member member = (Member) each.attachment;
            member.object.forget(member);
        }
        poller.close();
    }

    /**
     * Adds an object, or changes the direction of one that is in.
     *
     * @param object an open pollable object
     * @param direction what to look for; a server takes any
     * @throws IllegalStateException if the set or the object is closed, or another thread uses the
     *     set
     * @throws IOException if the object cannot be registered
     */
    public void add(Pollable object, Direction direction) throws IOException {
        if (object == null || direction == null) {
            throw new IllegalArgumentException(Errors.name("status-set-add!") + ": the "
                    + (object == null ? "object" : "direction") + " is null, expected "
                    + (object == null ? "a stream, a server or another pollable object"
                    : "INPUT, OUTPUT or IO"));
        }
        enter("status-set-add!");
        try {
            put(object, direction);
        } finally {
            leave();
        }
    }

    /** As {@link #add}, by the thread that has begun to use the set. */
    Member put(Pollable object, Direction direction) throws IOException {
        object.requireOpen("status-set-add!");
        Member member = members.get(object);
        if (member == null) {
            return join(object, direction);
        }
        member.direction = direction;
        member.registration.interest(object.interest(direction));
        news.push(member);
        return member;
    }

    private Member join(Pollable object, Direction direction) throws IOException {
        Member member = new Member(object, direction, news);
        object.observe(member);
        try {
            member.registration = register(member);
        } catch (IOException | RuntimeException e) {
            object.forget(member);
            throw e;
        }
        members.put(object, member);
        if (!object.source().announcesClose()) {
            watchForeign(member);
        }
        news.push(member); // it may have something to tell from before
        return member;
    }

    private void watchForeign(Member member) throws IOException {
        ForeignClose close = new ForeignClose(member);
        foreign.add(close);
        if (!member.object.source().endsPollOnClose()) {
            EventLoop.shared().arm(close, 0);
        }
    }

    /**
     * Stands for a member whose close is announced to nobody, so that each round looks at it. It ends
     * the wait for a channel that its owner closes, which NIO does not report.
     */
    private static final class ForeignClose extends Interest {
        private final Member member;

        ForeignClose(Member member) {
            this.member = member;
        }

        @Override
        public Source source() {
            return member.object.source();
        }

        @Override
        public void fire(int ready) {
            member.changed(member.object);
        }

        @Override
        public void sourceClosed() {
            fire(0);
        }

        @Override
        public boolean isDoubtful() {
            return true;
        }

        @Override
        public boolean isStale() {
            return !source().isOpen();
        }
    }

    private void forgetForeign(Member member) {
        for (int i = foreign.size() - 1; i >= 0; i--) {
            if (foreign.get(i).member == member) {
                EventLoop.shared().disarm(foreign.remove(i));
            }
        }
    }

    private Registration register(Member member) throws IOException {
        Pollable object = member.object;
        if (object.source().isKnownTo(poller)) {
            // The JDK would return the registration of the other object.
            throw new IllegalArgumentException(Errors.name("status-set-add!") + ": " + object
                    + " is a member already, as itself or as the channel of a stream or a server;"
                    + " pass one of them");
        }
        try {
            return object.source().join(poller, object.interest(member.direction), member);
        } catch (ClosedChannelException e) {
            object.requireOpen("status-set-add!");
            // A stream whose connection came to nothing is open; that it failed is its status.
            return Registration.ofNothing(object.source(), poller);
        } catch (ClosedSelectorException e) {
            throw closed("status-set-add!"); // by another thread, just now
        }
    }

    /**
     * Removes an object.
     *
     * @param object a member or not
     * @return true when it was one
     * @throws IllegalStateException if the set is closed or another thread uses it
     * @throws IOException if the system cannot poll
     */
    public boolean remove(Pollable object) throws IOException {
        enter("status-set-remove!");
        try {
            Member member = members.get(object);
            if (member != null) {
                drop(member);
                unlist(member);
            }
            return member != null;
        } finally {
            leave();
        }
    }

    private void drop(Member member) throws IOException {
        member.gone = true;
        members.remove(member.object);
        forgetForeign(member);
        member.object.forget(member);
        poller.release(member.registration); // now, not at the next check
    }

    private void unlist(Member member) {
        if (member.place != Member.NOWHERE) {
            actionable[member.place] = null;
            member.place = Member.NOWHERE;
            actionableCount--;
        }
    }

    /**
     * The number of members.
     *
     * @return 0 or more
     */
    public int size() {
        return members.size();
    }

    /** What the set knows about an object, or null. */
    Member member(Pollable object) {
        return members.get(object);
    }

    /**
     * Finds the status of every member, waiting until one is actionable.
     *
     * @param timeout null for ever, zero to poll
     * @return this set, its statuses updated
     * @throws IllegalStateException if the set is closed, another thread uses it, or it is empty and
     *     the call would wait for ever
     * @throws java.nio.channels.AsynchronousCloseException if another thread closes the set during
     *     the wait
     * @throws java.io.InterruptedIOException if the thread is interrupted and would have to wait
     * @throws IOException if the system cannot poll
     */
    public StatusSet check(Duration timeout) throws IOException {
        enter("socket-status");
        try {
            checkEntered(timeout);
            return this;
        } finally {
            leave();
        }
    }

    /** As {@link #check}, by the thread that has begun to use the set. */
    void checkEntered(Duration timeout) throws IOException {
        Errors.timeout("socket-status", timeout);
        if (members.isEmpty() && timeout == null) {
            throw new IllegalStateException(Errors.name("socket-status") + ": the status set is empty and there"
                    + " is no timeout, so the call would never return; add members or give one");
        }
        // Plain numbers, for a Deadline would be garbage.
        check(timeout == null ? Long.MAX_VALUE : Deadline.nanos(timeout));
    }

    private void check(long nanos) throws IOException {
        forgetActionable();
        long begun = nanos == 0 ? 0 : System.nanoTime();
        long left = nanos;
        for (;;) {
            round(left);
            if (actionableCount > 0 || left == 0) {
                return;
            } else if (closed) {
                throw Errors.closedMeanwhile("socket-status", this);
            }
            Errors.ifInterrupted("socket-status", this);
            left = nanos == Long.MAX_VALUE ? nanos
                    : Math.max(0, nanos - (System.nanoTime() - begun));
        }
    }

    private void forgetActionable() {
        for (int i = 0; i < listed; i++) {
            Member member = actionable[i];
            if (member != null) {
                member.status = SocketStatus.NONE;
                member.place = Member.NOWHERE;
                actionable[i] = null;
            }
        }
        listed = 0;
        actionableCount = 0;
    }

    /** One poll, which waits when there is nothing to tell already; what it shows is evaluated. */
    private void round(long nanos) throws IOException {
        takeNews();
        touchClosedForeign();
        boolean wait = nanos > 0 && touchedCount == 0;
        try {
            poll(wait && news.await() ? nanos : 0);
        } finally {
            news.awaitNoMore();
        }
        while (touchedCount > 0) {
            Member member = touched[--touchedCount];
            touched[touchedCount] = null;
            evaluate(member);
        }
    }

    private void poll(long nanos) throws IOException {
        reported = 0;
        int shown = poller.poll(nanos, visitor);
        for (int before = 0; shown >= MANY && reported > before;) {
            before = reported;
            shown = poller.poll(0, visitor);
        }
    }

    private void takeNews() {
        for (Member member = news.take(); member != null;) {
            Member below = ChangeQueue.unlink(member);
            touch(member);
            member = below;
        }
    }

    private void touchClosedForeign() {
        for (int i = 0; i < foreign.size(); i++) {
            if (!foreign.get(i).member.object.isOpen()) {
                touch(foreign.get(i).member);
            }
        }
    }

    private void report(Registration registration, int ops) {
        Member member = (Member) registration.attachment;
        if (member.ready == 0) {
            reported++;
        }
        member.ready |= ops;
        touch(member);
    }

    private void touch(Member member) {
        if (!member.touched && !member.gone) {
            member.touched = true;
            if (touchedCount == touched.length) {
                touched = Arrays.copyOf(touched, touchedCount * 2);
            }
            touched[touchedCount++] = member;
        }
    }

    private void evaluate(Member member) throws IOException {
        int ready = member.ready;
        member.touched = false;
        member.ready = 0;
        if (member.gone) {
            return;
        }
        SocketStatus status = statusOf(member, ready);
        if (!member.object.isOpen()) {
            drop(member);
            status = SocketStatus.ERROR;
        } else {
            int ops = member.object.interest(member.direction);
            member.registration.interest(ops);
            if (lasts(status, ops)) {
                news.push(member);
            }
        }
        if (status.isActionable()) {
            list(member, status);
        }
    }

    private static SocketStatus statusOf(Member member, int ready) {
        if (!member.object.isOpen()) {
            return SocketStatus.ERROR;
        }
        try {
            return member.object.evaluate(member.direction, ready);
        } catch (IOException e) {
            return SocketStatus.ERROR; // of this member alone: stream-error tells
        }
    }

    /** True of a status that stays, whatever the kernel reports, because it is not asked. */
    private static boolean lasts(SocketStatus status, int ops) {
        return status == SocketStatus.ERROR
                || (status == SocketStatus.EOF || status == SocketStatus.APPEND)
                && (ops & SelectionKey.OP_READ) == 0;
    }

    private void list(Member member, SocketStatus status) {
        member.status = status;
        if (listed == actionable.length) {
            actionable = Arrays.copyOf(actionable, listed * 2);
        }
        member.place = listed;
        actionable[listed++] = member;
        actionableCount++;
    }

    /**
     * The status of a member as of the last check.
     *
     * @param object a member
     * @return {@link SocketStatus#NONE} for one that was not actionable, and for one added since
     * @throws IllegalArgumentException if it is not a member, and did not leave in the last check
     */
    public SocketStatus statusOf(Pollable object) {
        Member member = members.get(object);
        if (member != null) {
            return member.status;
        }
        for (int i = 0; i < listed; i++) {
            if (actionable[i] != null && actionable[i].object.equals(object)) {
                return actionable[i].status;
            }
        }
        throw new IllegalArgumentException(Errors.name("status-of") + ": " + object
                + " is not a member of this status set, expected one that was added");
    }

    /**
     * The number of members that were actionable in the last check.
     *
     * @return 0 or more; those removed since do not count
     */
    public int actionable() {
        return actionableCount;
    }

    /**
     * Visits the members that were actionable in the last check, and no others, in the order in
     * which the kernel reported them.
     *
     * @param visitor given each with its status; may add and remove members: one that was removed
     *     is not visited any more
     */
    public void forEachActionable(BiConsumer<? super Pollable, SocketStatus> visitor) {
        Errors.need("status set", "the visitor", visitor, "a BiConsumer");
        for (int i = listed - 1; i >= 0; i--) {
            Member member = i < listed ? actionable[i] : null;
            if (member != null) {
                visitor.accept(member.object, member.status);
            }
        }
    }

    /**
     * Calls the visitor with each member and its direction, whatever its status.
     *
     * @param visitor must not change the set
     * @throws IllegalStateException if the set is closed, or another thread uses it
     */
    public void forEachMember(BiConsumer<? super Pollable, Direction> visitor) {
        enter("status-set-members");
        try {
            members.values().forEach(member -> visitor.accept(member.object, member.direction));
        } finally {
            leave();
        }
    }

    /**
     * Tells whether the set can be used.
     *
     * @return false once closed
     */
    public boolean isOpen() {
        return !closed;
    }

    /**
     * Gives the descriptors back; the members stay open. Any thread may close: a check under way in
     * another one ends. Closing again does nothing.
     */
    @Override
    public void close() {
        if (closed) {
            return;
        }
        closed = true;
        poller.close();
        guard.release();
        releaseIfIdle();
    }

    /** Closes unless a thread is using it, which then has to: see {@link StatusList}. */
    void closeIfIdle() {
        if (user.compareAndSet(null, Thread.currentThread())) {
            try {
                close();
            } finally {
                leave();
            }
        }
    }

    /** Begins to use the set unless it is closed or used by another thread. */
    boolean enterIfOpen() {
        if (!closed && user.compareAndSet(null, Thread.currentThread())) {
            if (!closed) {
                return true;
            }
            leave();
        }
        return false;
    }

    private void enter(String operation) {
        if (!enterIfOpen()) {
            throw closed ? closed(operation) : new IllegalStateException(Errors.name(operation)
                    + ": the status set is in use by " + user.get()
                    + ", expected one thread at a time; make a set for each");
        }
    }

    private static IllegalStateException closed(String name) {
        return new IllegalStateException(Errors.name(name) + ": the status set is closed; make a new one");
    }

    /** Ends the use that {@link #enterIfOpen} began. */
    void leave() {
        user.set(null);
        if (closed) {
            releaseIfIdle();
        }
    }

    /** Once closed, whoever is the last to use the set makes its members forget it. */
    private void releaseIfIdle() {
        if (user.compareAndSet(null, Thread.currentThread())) {
            members.values().forEach(each -> each.object.forget(each));
            members.clear();
            foreign.forEach(EventLoop.shared()::disarm);
            foreign.clear();
            user.set(null);
        }
    }

    @Override
    public String toString() {
        return "#<status-set of " + members.size() + ", " + actionableCount + " actionable"
                + (closed ? ", closed>" : ">");
    }
}
