package parley.net;

import java.io.IOException;
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
}
