package parley.net;

import java.io.IOException;
import java.nio.channels.ClosedChannelException;
import java.nio.channels.ClosedSelectorException;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicReferenceFieldUpdater;
import java.util.function.BiConsumer;
import parley.net.Member.ChangeQueue;
import parley.net.wait.Deadline;
import parley.net.wait.Poller;
import parley.net.wait.Registration;
import parley.posix.StackSafeLock;

/**
 * Streams, servers and other pollable objects that are checked together, again and again, in place
 * (the list that CLISP's {@code SOCKET:SOCKET-STATUS} updates destructively). Members stay
 * registered with the kernel between checks, so that a check costs time in the number of actionable
 * members only, and allocates nothing.
 *
 * <p>A set is for one thread at a time. Its members may be used, and closed, by any: a closed
 * member leaves the set and is reported once, as {@link SocketStatus#ERROR}. Close the set when
 * done: it holds two or three descriptors; its members stay open.
 *
 * <pre>{@code
 * try (StatusSet set = new StatusSet()) {
 *     set.add(server, Direction.INPUT);
 *     set.add(stream, Direction.INPUT);
 *     set.check(Duration.ofSeconds(5));
 *     set.forEachActionable((object, status) -> handle(object, status));
 * }
 * }</pre>
 */
public final class StatusSet implements AutoCloseable {
    private static final AtomicReferenceFieldUpdater<StatusSet, Thread> USER =
            AtomicReferenceFieldUpdater.newUpdater(StatusSet.class, Thread.class, "user");

    /** The thread that uses the set; taken back by a field write, for which any stack has room. */
    volatile Thread user;

    private final Poller poller;
    private final ChangeQueue news;
    private final OpenObjects.Guard guard;
    private volatile boolean closed;

    // The user's own.
    private final Map<Pollable, Member> members;
    private final StatusCheck check;

    /**
     * An empty set.
     *
     * @throws IOException if the process is out of descriptors
     */
    public StatusSet() throws IOException {
        this(true, 16);
    }

    /**
     * Makes a set for the user, or for the library itself: the latter ends with the first of its
     * members, and dropping it is not logged.
     */
    StatusSet(boolean reported, int expected) throws IOException {
        members = new LinkedHashMap<>(expected * 2);
        StackSafeLock.reserveStackToOpen();
        Poller mine = poller = open();
        news = new ChangeQueue(mine, reported ? null : this);
        check = new StatusCheck(this, mine, news);
        guard = OpenObjects.guard(this, reported ? "a status set" : null, () -> abandon(mine));
    }

    private static Poller open() throws IOException {
        try {
            return new Poller(Poller.Owner.PASSIVE);
        } catch (IOException e) {
            throw Errors.noSelector(e);
        }
    }

    /** Cleans up after an unreachable set. */
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
            user = null;
            left();
        }
    }

    /**
     * Adds an object with an attachment, or changes the direction and the attachment of a member.
     *
     * @param object as {@link #add(Pollable, Direction)}
     * @param direction as {@link #add(Pollable, Direction)}
     * @param attachment returned by {@link #attachment} and {@link #members}; null for none
     * @throws IOException as {@link #add(Pollable, Direction)}
     */
    public void add(Pollable object, Direction direction, Object attachment) throws IOException {
        add(object, direction);
        members.get(object).attachment = attachment;
    }

    /** As {@link #add}, by the thread that has begun to use the set. */
    Member put(Pollable object, Direction direction) throws IOException {
        object.requireOpen("status-set-add!");
        Member member = members.get(object);
        if (member == null) {
            return join(object, direction);
        }
        member.direction = direction;
        member.ask();
        news.push(member);
        return member;
    }

    private Member join(Pollable object, Direction direction) throws IOException {
        Member member = new Member(object, direction, news);
        object.observe(member);
        try {
            member.registration = register(member);
            if (!object.source().announcesClose()) {
                check.foreign.add(member);
                member.watchClose();
            }
            members.put(object, member);
        } catch (IOException | RuntimeException | Error e) {
            leaveAgain(member);
            throw e;
        }
        news.push(member); // it may have changed before
        return member;
    }

    /** Takes back what a failed {@link #join} has begun. */
    private void leaveAgain(Member member) throws IOException {
        member.object.forget(member);
        check.foreign.remove(member);
        if (member.registration != null) {
            poller.release(member.registration);
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
                check.actionable.remove(member);
            }
            return member != null;
        } finally {
            user = null;
            left();
        }
    }

    /** Removes a member; by the thread that uses the set. */
    void drop(Member member) throws IOException {
        member.gone = true;
        members.remove(member.object);
        if (check.foreign.remove(member)) {
            member.unwatchClose();
        }
        member.object.forget(member);
        poller.release(member.registration); // now, not at the next check
    }

    /** {@return the number of members} */
    public int size() {
        return members.size();
    }

    /** Returns the member of an object, or null. */
    Member member(Pollable object) {
        return members.get(object);
    }

    /**
     * Finds the status of every member, waiting until one is check.actionable.
     *
     * @param timeout null for ever, zero to poll
     * @return this set, its statuses updated
     * @throws IllegalStateException if the set is closed, another thread uses it, or it is
     *     empty and the call would wait for ever
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
            user = null;
            left();
        }
    }

    /** As {@link #check}, by the thread that has begun to use the set. */
    void checkEntered(Duration timeout) throws IOException {
        Errors.timeout("socket-status", timeout);
        if (members.isEmpty() && timeout == null) {
            throw new IllegalStateException(Errors.name("socket-status") + ": the status set is empty and there"
                    + " is no timeout, so the call would never return; add members or give a timeout");
        }
        // Plain numbers, for a Deadline would be garbage.
        check.run(timeout == null ? Long.MAX_VALUE : Deadline.nanos(timeout));
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
        member = check.actionable.find(object);
        if (member != null) {
            return member.status;
        }
        throw new IllegalArgumentException(Errors.name("status-of") + ": " + object
                + " is not a member of this status set, expected one that was added");
    }

    /**
     * {@return the number of members that were actionable in the last check: 0 or more; those
     * removed since do not count}
     */
    public int actionable() {
        return check.actionable.count();
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
        check.actionable.forEach(visitor);
    }

    /**
     * A member of a set, as {@link StatusSet#members} lists it.
     *
     * @param object the member
     * @param direction what is looked for
     * @param attachment what was given with it, or null
     */
    public record Entry(Pollable object, Direction direction, Object attachment) {
    }

    /**
     * Returns the members, whatever their status.
     *
     * @return a new list, in the order in which they were added
     * @throws IllegalStateException if the set is closed, or another thread uses it
     */
    public List<Entry> members() {
        enter("status-set-members");
        try {
            return members.values().stream()
                    .map(each -> new Entry(each.object, each.direction, each.attachment)).toList();
        } finally {
            user = null;
            left();
        }
    }

    /**
     * Returns what was attached to a member, for example the state of its connection.
     *
     * @param object a member, or one that has left in the last check
     * @return the attachment, or null when there is none
     */
    public Object attachment(Pollable object) {
        Member member = members.get(object);
        member = member == null ? check.actionable.find(object) : member;
        return member == null ? null : member.attachment;
    }

    /** {@return whether the set can be used: false once closed} */
    public boolean isOpen() {
        return !closed;
    }

    /**
     * Frees the set's own descriptors. The members stay open. Any thread may close, which ends a
     * check of another thread. Closing again does nothing.
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

    /** Closes unless a thread is using it, which then has to: see {@link StatusCheck.StatusList}. */
    void closeIfIdle() {
        if (USER.compareAndSet(this, null, Thread.currentThread())) {
            try {
                close();
            } finally {
                leave();
            }
        }
    }

    /** Begins to use the set unless it is closed or used by another thread. */
    boolean enterIfOpen() {
        if (!closed && USER.compareAndSet(this, null, Thread.currentThread())) {
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
                    + ": the status set is in use by " + user
                    + ", expected one thread at a time; make a set for each thread");
        }
    }

    private static IllegalStateException closed(String name) {
        return new IllegalStateException(Errors.name(name) + ": the status set is closed; make a new one");
    }

    /** Ends the use that {@link #enterIfOpen} began. */
    void leave() {
        user = null;
        left();
    }

    /** After a use: a set that was closed meanwhile lets go of its members. */
    void left() {
        if (closed) {
            releaseIfIdle();
        }
    }

    /** After a close, the last user of the set removes it from its members. */
    private void releaseIfIdle() {
        if (USER.compareAndSet(this, null, Thread.currentThread())) {
            try {
                members.values().forEach(each -> each.object.forget(each));
                members.clear();
                check.foreign.forEach(Member::unwatchClose);
                check.foreign.clear();
            } finally {
                user = null;
            }
        }
    }

    @Override
    public String toString() {
        return "#<status-set of " + members.size() + ", " + check.actionable.count() + " actionable"
                + (closed ? ", closed>" : ">");
    }
}
