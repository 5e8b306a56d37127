package parley.net;

import java.io.IOException;
import java.lang.ref.WeakReference;
import java.time.Duration;
import java.util.Arrays;
import parley.posix.OwnThreads;

/**
 * The one-shot check of several objects. Registering with the kernel is what costs, so the platform
 * thread that checks the same objects again, as loops do, finds its last list still registered; it
 * ends with the first member that is closed.
 */
final class StatusList {
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
            throw new IllegalArgumentException(Errors.name("socket-status") + ": " + objects.length
                    + " objects with " + directions.length + " directions, expected at least one"
                    + " object and a direction for each");
        }
        for (int i = 0; i < objects.length; i++) {
            if (objects[i] == null || directions[i] == null) {
                throw new IllegalArgumentException(Errors.name("socket-status") + ": element " + i + " is null,"
                        + " expected a stream, a server or another pollable object");
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
