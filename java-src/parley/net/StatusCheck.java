package parley.net;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BiConsumer;
import parley.net.Member.ChangeQueue;
import parley.net.wait.Poller;
import parley.net.wait.Registration;
import parley.posix.OwnThreads;

/**
 * Checks the members of a {@link StatusSet}, in rounds: what changed since the last check and what
 * the kernel reports is evaluated, and nothing else, so that a check costs time in the number of
 * actionable members. For the thread that uses the set. Allocates only to grow.
 */
final class StatusCheck {
    // A poll of the JDK shows at most 1,024 members on Linux and 256 elsewhere, a wake-up included. One
    // that shows nearly as many may have more; asking again shows the same ones, too.
    private static final int MANY = System.getProperty("os.name").equals("Linux") ? 1000 : 250;

    final ActionableMembers actionable = new ActionableMembers();
    final List<Member> foreign = new ArrayList<>(0); // members whose close sends no notification
    private final StatusSet set;
    private final Poller poller;
    private final ChangeQueue news;
    private final Poller.Visitor visitor = this::report;
    private Member[] touched = new Member[8]; // to be evaluated in this round
    private int touchedCount;
    private int reported; // members that the kernel has shown in this round

    StatusCheck(StatusSet set, Poller poller, ChangeQueue news) {
        this.set = set;
        this.poller = poller;
        this.news = news;
    }

    /**
     * Finds the members that are actionable.
     *
     * @param nanos how long to wait for one; 0 only looks, {@code Long.MAX_VALUE} is for ever
     */
    void run(long nanos) throws IOException {
        clear();
        long begun = nanos == 0 ? 0 : System.nanoTime();
        long left = nanos;
        for (;;) {
            round(left);
            if (actionable.count() > 0 || left == 0) {
                return;
            } else if (!set.isOpen()) {
                throw Errors.closedMeanwhile("socket-status", set);
            }
            Errors.ifInterrupted("socket-status", set);
            left = nanos == Long.MAX_VALUE ? nanos
                    : Math.max(0, nanos - (System.nanoTime() - begun));
        }
    }

    /** Forgets the last check; looks again at members that may be as they were. */
    private void clear() {
        for (int i = actionable.end - 1; i >= 0; i--) {
            Member member = actionable.members[i];
            if (member != null) {
                if (mayLast(member)) {
                    touch(member);
                }
                member.status = SocketStatus.NONE;
                member.place = Member.NOWHERE;
                actionable.members[i] = null;
            }
        }
        actionable.end = 0;
        actionable.count = 0;
    }

    /**
     * Returns whether the member may have the same status without a report of the kernel: bytes
     * are in a buffer, the input has ended, or the object has failed.
     */
    private static boolean mayLast(Member member) {
        SocketStatus status = member.status;
        return status == SocketStatus.INPUT || status == SocketStatus.IO
                ? member.object instanceof SocketStream
                : status != SocketStatus.OUTPUT && status != SocketStatus.READY;
    }

    /** Polls once, waits if no change is pending, and evaluates the reported members. */
    private void round(long nanos) throws IOException {
        takeNews();
        touchClosedForeign();
        boolean wait = nanos > 0 && touchedCount == 0;
        try {
            poll(wait && news.await() ? OwnThreads.boundedWait(nanos) : 0);
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
            if (!foreign.get(i).object.isOpen()) {
                touch(foreign.get(i));
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
        SocketStatus status;
        try {
            status = statusOf(member, ready);
        } catch (RuntimeException | Error e) {
            member.ready = ready;
            touch(member); // the next check looks again
            throw e;
        }
        if (!member.object.isOpen()) {
            set.drop(member);
            status = SocketStatus.ERROR;
        } else {
            member.registration.interest(member.object.interest(member.direction));
        }
        if (status.isActionable()) {
            actionable.add(member, status);
        }
    }

    private static SocketStatus statusOf(Member member, int ready) {
        if (!member.object.isOpen()) {
            return SocketStatus.ERROR;
        }
        try {
            return member.object.evaluate(member.direction, ready);
        } catch (IOException e) {
            return SocketStatus.ERROR; // of this member alone: stream-error returns the cause
        }
    }

    /**
     * The members of a {@link StatusSet} that the last check found actionable. For the thread that
     * uses the set. Allocates only to grow.
     */
    static final class ActionableMembers {
        private Member[] members = new Member[8]; // null where one was removed since the check
        private int end; // how many places are in use, null ones included
        private int count;

        int count() {
            return count;
        }

        void add(Member member, SocketStatus status) {
            member.status = status;
            if (end == members.length) {
                members = Arrays.copyOf(members, end * 2);
            }
            member.place = end;
            members[end++] = member;
            count++;
        }

        /** Removes a member; does nothing when it is not in. */
        void remove(Member member) {
            if (member.place != Member.NOWHERE) {
                members[member.place] = null;
                member.place = Member.NOWHERE;
                count--;
            }
        }

        /**
         * Returns the member of an object, also one that has left the set in the last check, or
         * null.
         */
        Member find(Pollable object) {
            for (int i = 0; i < end; i++) {
                if (members[i] != null && members[i].object.equals(object)) {
                    return members[i];
                }
            }
            return null;
        }

        /** Visits the members; the visitor may add and remove some. */
        void forEach(BiConsumer<? super Pollable, SocketStatus> visitor) {
            for (int i = end - 1; i >= 0; i--) {
                Member member = i < end ? members[i] : null;
                if (member != null) {
                    visitor.accept(member.object, member.status);
                }
            }
        }
    }

    /**
     * The one-shot check of several objects. Registering with the kernel is what costs, so the
     * platform thread that checks the same objects again, as loops do, finds its last list still
     * registered; it ends with the first member that is closed.
     */
    static final class StatusList {
        private static final ThreadLocal<WeakReference<StatusList>> LAST = new ThreadLocal<>();

        private final Pollable[] objects;
        private final Direction[] directions;
        private final Member[] members; // place for place
        private final StatusSet set;
        private final boolean keep;

        private StatusList(Pollable[] objects, Direction[] directions) throws IOException {
            this.objects = objects;
            this.directions = directions;
            members = new Member[objects.length];
            set = new StatusSet(false, objects.length);
            set.enterIfOpen(); // until the check is done, so that no thread can close it before
            try {
                keep = fill() && !OwnThreads.currentIsVirtual();
            } catch (IOException | RuntimeException | Error e) {
                set.user = null;
                set.close();
                throw e;
            }
        }

        /** Returns whether every member notifies the set of its close. */
        private boolean fill() throws IOException {
            boolean announced = true;
            for (int i = 0; i < objects.length; i++) {
                Member before = set.member(objects[i]);
                members[i] = set.put(objects[i], before == null ? directions[i]
                        : before.direction.union(directions[i]));
                announced &= objects[i].source().announcesClose();
            }
            return announced;
        }

        /**
         * Finds the status of several objects, waiting until one of them is actionable (CLISP
         * {@code SOCKET:SOCKET-STATUS} of a list).
         *
         * @param objects at least one, all open; the same one may stand in several places
         * @param directions what to look for, place for place
         * @param timeout null for ever, zero to poll
         * @return the statuses, place for place; an object closed during the wait is
         *     {@link SocketStatus#ERROR}
         * @throws IllegalArgumentException if there is no object, or a null
         * @throws IllegalStateException if an object is closed
         * @throws java.io.InterruptedIOException if the thread is interrupted
         * @throws IOException if the process is out of descriptors
         */
        static SocketStatus[] check(Pollable[] objects, Direction[] directions,
                Duration timeout) throws IOException {
            Errors.need("socket-status", "the objects", objects, "an array of at least one");
            Errors.need("socket-status", "the directions", directions, "one for each object");
            requireLegal(objects, directions);
            if (Handle.areAll(objects)) {
                Errors.timeout("socket-status", timeout);
                return Handle.check(objects, directions, timeout);
            }
            StatusList list = lastOrNew(objects, directions);
            try {
                return list.check(timeout);
            } finally {
                list.set.user = null;
                list.set.left();
                if (!list.keep || list.hasClosedMember()) {
                    list.set.close();
                }
            }
        }

        private static void requireLegal(Pollable[] objects, Direction[] directions) {
            if (objects.length == 0 || objects.length != directions.length) {
                throw new IllegalArgumentException(Errors.name("socket-status") + ": "
                        + objects.length + " objects with " + directions.length
                        + " directions, expected at least one object and a direction for each");
            }
            for (int i = 0; i < objects.length; i++) {
                if (objects[i] == null || directions[i] == null) {
                    throw new IllegalArgumentException(Errors.name("socket-status")
                            + ": element " + i + " is null, expected a stream, a server or another pollable object");
                }
                objects[i].requireOpen("socket-status");
            }
        }

        /** A list that this thread has begun to use. */
        private static StatusList lastOrNew(Pollable[] objects, Direction[] directions)
                throws IOException {
            WeakReference<StatusList> reference = LAST.get();
            StatusList last = reference == null ? null : reference.get();
            if (last != null) {
                if (last.isOf(objects, directions) && last.set.enterIfOpen()) {
                    return last;
                }
                last.set.close();
                LAST.remove();
            }
            StatusList fresh = new StatusList(objects.clone(), directions.clone());
            if (fresh.keep) {
                LAST.set(new WeakReference<>(fresh));
            }
            return fresh;
        }

        private boolean isOf(Pollable[] others, Direction[] otherDirections) {
            if (others.length != objects.length || !Arrays.equals(directions, otherDirections)) {
                return false;
            }
            for (int i = 0; i < objects.length; i++) {
                if (objects[i] != others[i]) {
                    return false;
                }
            }
            return true;
        }

        private SocketStatus[] check(Duration timeout) throws IOException {
            set.checkEntered(timeout);
            SocketStatus[] statuses = new SocketStatus[members.length];
            for (int i = 0; i < statuses.length; i++) {
                SocketStatus status = members[i].status;
                statuses[i] = status == SocketStatus.NONE ? status : status.narrow(directions[i]);
            }
            return statuses;
        }

        private boolean hasClosedMember() {
            for (Pollable each : objects) {
                if (!each.isOpen()) {
                    return true;
                }
            }
            return false;
        }
    }
}
