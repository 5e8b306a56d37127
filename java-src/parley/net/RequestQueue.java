package parley.net;

import java.util.ArrayDeque;
import java.util.function.Consumer;

/**
 * FIFO of pending requests. A single request, the usual case, needs no queue. Guarded by the lock
 * of its owner.
 *
 * @param <C> what is queued
 */
abstract class RequestQueue<C> {
    /** As many as a channel of core.async lets wait: more is a mistake of the program. */
    static final int MOST = 1024;

    private C first;
    private ArrayDeque<C> more; // behind the first; null while there was never a second

    /** Returns whether a request still stands. */
    abstract boolean isActive(C request);

    /** Returns whether a request may cease to stand unnoticed. */
    abstract boolean mayLapse(C request);

    final C first() {
        return first;
    }

    final boolean isEmpty() {
        return first == null;
    }

    final void removeFirst() {
        first = more == null ? null : more.poll();
    }

    final void add(C request, String what) {
        if (first == null) {
            first = request;
            return;
        }
        if (more == null) {
            more = new ArrayDeque<>(2);
        }
        if (more.size() + 1 >= MOST) {
            throw new IllegalStateException(Errors.name(what) + ": " + MOST + " requests are waiting already;"
                    + " let each be served before the next is made");
        }
        more.add(request);
    }

    /** Drops those that do not stand any more. */
    final void purge() {
        if (more != null) {
            more.removeIf(each -> !isActive(each));
        }
        if (first != null && !isActive(first)) {
            removeFirst();
        }
    }

    /** Returns whether all requests may be withdrawn. */
    final boolean allMayLapse() {
        return first != null && mayLapse(first)
                && (more == null || more.stream().allMatch(this::mayLapse));
    }

    final boolean allLapsed() {
        if (first != null && isActive(first)) {
            return false;
        }
        return more == null || more.stream().noneMatch(this::isActive);
    }

    final int size() {
        return first == null ? 0 : 1 + (more == null ? 0 : more.size());
    }

    /** Returns a request that stands until it is served. */
    static <T> Intake.Request<T> lasting(Consumer<T> receiver) {
        return new Intake.Request<>() {
            @Override
            public boolean isActive() {
                return true;
            }

            @Override
            public boolean mayLapse() {
                return false;
            }

            @Override
            public boolean mayWait() {
                return true;
            }

            @Override
            public void lock() {
                // No other thread decides about this request.
            }

            @Override
            public void unlock() {
                // As lock.
            }

            @Override
            public Consumer<T> commit() {
                return receiver;
            }
        };
    }
}
