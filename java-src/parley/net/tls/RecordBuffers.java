package parley.net.tls;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Memory for one record, encrypted or not, or for some of them. A connection holds a buffer only while there are bytes
 * in it. Buffers are pooled, so that a record allocates none and an idle connection holds none.
 */
final class RecordBuffers {
    /** More than the largest record of TLS 1.2 and 1.3 with its header. */
    static final int SIZE = 17 * 1024;

    /** The records of 64 KiB. */
    private static final int WIDE = 4 * SIZE;

    private static final AtomicReferenceArray<ByteBuffer> POOL = new AtomicReferenceArray<>(32);
    private static final AtomicReferenceArray<ByteBuffer> WIDE_POOL = new AtomicReferenceArray<>(8);

    private RecordBuffers() {
    }

    /** Returns an empty buffer, ready to be read from: its limit is 0. */
    static ByteBuffer take() {
        return take(POOL, SIZE);
    }

    /** As {@link #take}, with room for some records. */
    static ByteBuffer takeWide() {
        return take(WIDE_POOL, WIDE);
    }

    private static ByteBuffer take(AtomicReferenceArray<ByteBuffer> pool, int size) {
        for (int i = 0, at = slot(); i < 4; i++, at++) {
            ByteBuffer pooled = pool.getAndSet(at % pool.length(), null);
            if (pooled != null) {
                return pooled;
            }
        }
        return ByteBuffer.allocate(size).limit(0);
    }

    /** Returns a buffer to the pool. The caller must not touch it again. */
    static void release(ByteBuffer buffer) {
        int size = buffer.capacity();
        if (size != SIZE && size != WIDE) {
            return;
        }
        AtomicReferenceArray<ByteBuffer> pool = size == SIZE ? POOL : WIDE_POOL;
        buffer.position(0).limit(0);
        for (int i = 0, at = slot(); i < 4; i++, at++) {
            if (pool.compareAndSet(at % pool.length(), null, buffer)) {
                return;
            }
        }
    }

    // Spreads threads over the pool without any state of its own.
    private static int slot() {
        return (int) (Thread.currentThread().getId() * 7 & 0x3fffffff);
    }
}
