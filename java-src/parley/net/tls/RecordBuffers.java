package parley.net.tls;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Memory for one record, encrypted or not. A connection holds a buffer only while there are bytes
 * in it. Buffers are pooled, so that a record allocates none and an idle connection holds none.
 */
final class RecordBuffers {
    /** More than the largest record of TLS 1.2 and 1.3 with its header. */
    static final int SIZE = 17 * 1024;

    private static final int POOLED = 32;
    private static final AtomicReferenceArray<ByteBuffer> POOL = new AtomicReferenceArray<>(POOLED);

    private RecordBuffers() {
    }

    /** Returns an empty buffer, ready to be read from: its limit is 0. */
    static ByteBuffer take() {
        for (int i = 0, at = slot(); i < 4; i++, at++) {
            ByteBuffer pooled = POOL.getAndSet(at % POOLED, null);
            if (pooled != null) {
                return pooled;
            }
        }
        return ByteBuffer.allocate(SIZE).limit(0);
    }

    /** Gives a buffer back; the caller must not touch it again. */
    static void release(ByteBuffer buffer) {
        if (buffer.capacity() != SIZE) {
            return;
        }
        buffer.position(0).limit(0);
        for (int i = 0, at = slot(); i < 4; i++, at++) {
            if (POOL.compareAndSet(at % POOLED, null, buffer)) {
                return;
            }
        }
    }

    // Spreads threads over the pool without any state of its own.
    private static int slot() {
        return (int) (Thread.currentThread().getId() * 7 & 0x3fffffff) % POOLED;
    }
}
