package parley.net;

import java.nio.ByteBuffer;
import java.util.concurrent.atomic.AtomicReferenceArray;

import parley.net.text.Decoder;

/**
 * A piece of buffer memory: an array and the {@link ByteBuffer} over it that NIO wants, made once
 * for both. Streams hold one only while they hold bytes; those of the standard size are pooled, so
 * that taking one allocates nothing and idle streams cost none.
 */
final class Segment {
    static final int SIZE = 16 * 1024;

    /** For a status check, which may find input in thousands of streams before one is read. */
    static final int SMALL = 512;

    /** The number of characters that are decoded or encoded at a time. */
    static final int CHARS = Decoder.RUN;

    private static final int POOLED = 64;
    private static final AtomicReferenceArray<Segment> POOL = new AtomicReferenceArray<>(POOLED);
    private static final AtomicReferenceArray<Segment> SMALL_POOL =
            new AtomicReferenceArray<>(POOLED);

    final byte[] bytes;
    private final ByteBuffer buffer; // over bytes; the holder of the segment moves its bounds
    private char[] chars; // the holder of the segment makes it, when needed

    Segment(int size) {
        bytes = new byte[size];
        buffer = ByteBuffer.wrap(bytes);
    }

    /** A segment of the standard size, its content undefined. */
    static Segment take() {
        Segment pooled = take(POOL);
        return pooled == null ? new Segment(SIZE) : pooled;
    }

    /** A small segment, its content undefined. */
    static Segment takeSmall() {
        Segment pooled = take(SMALL_POOL);
        return pooled == null ? new Segment(SMALL) : pooled;
    }

    private static Segment take(AtomicReferenceArray<Segment> pool) {
        for (int i = 0, at = slot(); i < 4; i++, at++) {
            Segment pooled = pool.getAndSet(at % POOLED, null);
            if (pooled != null) {
                return pooled;
            }
        }
        return null;
    }

    /** Returns the segment to the pool. The caller must not touch it again. */
    void release() {
        AtomicReferenceArray<Segment> pool = bytes.length == SIZE ? POOL
                : bytes.length == SMALL ? SMALL_POOL : null;
        if (pool == null) {
            return;
        }
        for (int i = 0, at = slot(); i < 4; i++, at++) {
            if (pool.compareAndSet(at % POOLED, null, this)) {
                return;
            }
        }
    }

    // Spreads threads over the pool without any state of its own.
    private static int slot() {
        return (int) (Thread.currentThread().getId() * 7 & 0x3fffffff) % POOLED;
    }

    /** Room for {@link #CHARS} characters on their way to bytes or from them. */
    char[] chars() {
        if (chars == null) {
            chars = new char[CHARS];
        }
        return chars;
    }

    /** The buffer between two indices. */
    ByteBuffer slice(int from, int to) {
        return buffer.limit(to).position(from);
    }
}
