package parley.posix;

import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * The numbers of this package's own descriptors, which are no channel's however alike the sockets
 * behind them are.
 */
final class OwnNumbers {
    private static final Set<Integer> NUMBERS = ConcurrentHashMap.newKeySet();
    /** Read-locked while a number that looks like a channel's is about to be added. */
    private static final ReentrantReadWriteLock ADDING = new ReentrantReadWriteLock();

    private OwnNumbers() {}

    static void add(int number) {
        NUMBERS.add(number);
    }

    static void remove(int number) {
        NUMBERS.remove(number);
    }

    static boolean contains(int number) {
        return NUMBERS.contains(number);
    }

    static void lockForAdding() {
        ADDING.readLock().lock();
    }

    static void unlockForAdding() {
        ADDING.readLock().unlock();
    }

    /** Until {@link #unlock} all numbers that are ours are known to be. */
    static void lock() {
        ADDING.writeLock().lock();
    }

    static void unlock() {
        ADDING.writeLock().unlock();
    }
}
