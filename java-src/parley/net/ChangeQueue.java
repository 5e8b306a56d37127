package parley.net;

import java.lang.ref.WeakReference;
import java.util.concurrent.atomic.AtomicReference;
import parley.net.wait.Poller;

/**
 * Changes of the members of a status set that the kernel does not report: a stack that any thread
 * pushes to and the user of the set empties. Neither it nor a {@link Member} refers to the set, so
 * that a dropped set can be collected while its members are in use.
 */
final class ChangeQueue {
    private final AtomicReference<Member> top = new AtomicReference<>();
    private final Poller poller;
    private final WeakReference<StatusSet> ending; // the set to close with its first member, or null
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
