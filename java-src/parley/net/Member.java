package parley.net;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.util.concurrent.atomic.AtomicIntegerFieldUpdater;
import java.util.concurrent.atomic.AtomicReference;
import parley.net.wait.EventLoop;
import parley.net.wait.Interest;
import parley.net.wait.Poller;
import parley.net.wait.Registration;
import parley.net.wait.Source;

/** One object in one status set. */
final class Member implements Pollable.Observer {
    static final int NOWHERE = -1;

    // An updater, since members are many: an AtomicBoolean would take 16 bytes in each.
    private static final AtomicIntegerFieldUpdater<Member> QUEUED =
            AtomicIntegerFieldUpdater.newUpdater(Member.class, "queued");

    final Pollable object;
    private final ChangeQueue news;

    private volatile int queued; // 1 while it is in the news; through QUEUED
    Member next; // below it there; written by the thread that has queued it

    // The rest is the set's user's own.
    Direction direction;
    Object attachment; // the user's, or null
    Registration registration;
    SocketStatus status = SocketStatus.NONE; // as of the last check
    int place = NOWHERE; // among the actionable ones
    int ready; // what the kernel has reported in this round
    boolean touched; // is to be evaluated
    boolean gone; // has left the set
    Thread checking; // the user, while it evaluates the member
    boolean renewed; // has changed in that evaluation
    private int asked = -1; // what the kernel is to report; unknown at first
    private Interest closeInterest; // null for the usual object, which announces its close

    Member(Pollable object, Direction direction, ChangeQueue news) {
        this.object = object;
        this.direction = direction;
        this.news = news;
    }

    /** Claims the place in the news; false when it has it already. */
    boolean queue() {
        return queued == 0 && QUEUED.compareAndSet(this, 0, 1);
    }

    /** It was taken out of the news: from here on a change is news again. */
    void unqueue() {
        queued = 0;
    }

    @Override
    public void changed(Pollable changed) {
        if (checking == Thread.currentThread()) { // the check itself has read the input
            renewed = true;
        } else {
            news.report(this);
        }
    }

    /** Asks the kernel to report what could make the object actionable. */
    void ask() {
        int ops = object.interest(direction);
        if (ops != asked) { // the key is elsewhere in memory, and mostly as it should be
            registration.interest(ops);
            asked = ops;
        }
    }

    /**
     * For an object whose close sends no notification: ends the wait of the set when its owner
     * closes it, which NIO does not report.
     *
     * @throws IOException if no thread can be started that looks
     */
    void watchClose() throws IOException {
        if (!object.source().endsPollOnClose()) {
            closeInterest = new CloseInterest();
            EventLoop.shared().arm(closeInterest, 0);
        }
    }

    /** Ends what {@link #watchClose} began. */
    void unwatchClose() {
        if (closeInterest != null) {
            EventLoop.shared().disarm(closeInterest);
        }
    }

    private final class CloseInterest extends Interest {
        @Override
        public Source source() {
            return object.source();
        }

        @Override
        public void fire(int ready) {
            changed(object);
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

    /**
     * Changes of the members of a status set that the kernel does not report: a stack that any
     * thread pushes to and the user of the set empties. Neither it nor a {@link Member} refers to
     * the set, so that a dropped set can be collected while its members are in use.
     */
    static final class ChangeQueue {
        private final AtomicReference<Member> top = new AtomicReference<>();
        private final Poller poller;
        // the set to close with its first member, or null
        private final WeakReference<StatusSet> ending;
        private volatile boolean awaited; // the user is, or is about to be, in a poll that waits

        ChangeQueue(Poller poller, StatusSet ending) {
            this.poller = poller;
            this.ending = ending == null ? null : new WeakReference<>(ending);
        }

        /** From any thread: a member has changed. */
        void report(Member member) {
            push(member);
            if (awaited) {
                poller.wakeup();
            }
            StatusSet set = ending == null || member.object.isOpen() ? null : ending.get();
            if (set != null) {
                set.closeIfIdle();
            }
        }

        /** Puts a member on the stack, once. */
        void push(Member member) {
            if (member.queue()) {
                Member below;
                do {
                    below = top.get();
                    member.next = below;
                } while (!top.compareAndSet(below, member));
            }
        }

        /** Takes all: the first, which leads to the others; null when there are none. */
        Member take() {
            return top.get() == null ? null : top.getAndSet(null);
        }

        /** Frees a member that was taken, to be pushed again; the one below it, or null. */
        static Member unlink(Member member) {
            Member below = member.next;
            member.next = null;
            member.unqueue();
            return below;
        }

        /**
         * Announces a poll that waits: from now on changes wake it.
         *
         * @return false when there are some already, so that the poll must not wait
         */
        boolean await() {
            awaited = true;
            return top.get() == null; // read after the write: a later push sees it
        }

        /** After the poll. */
        void awaitNoMore() {
            awaited = false;
        }
    }
}
