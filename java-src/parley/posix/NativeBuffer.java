package parley.posix;

import com.sun.jna.Native;
import com.sun.jna.Pointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * A piece of native memory for the arguments of one call: taken, used by one thread, closed.
 *
 * <p>Two sizes are pooled, so that after warm-up a call allocates nothing; larger pieces are
 * allocated and freed. The pool is shared, not per thread, since virtual threads are many. The
 * static methods read and prepare C strings.
 */
final class NativeBuffer implements AutoCloseable {
    /** Enough for any address with its length, for options and for a few poll entries. */
    static final int SMALL = 512;
    /** The most that one read or write of a byte stream moves. */
    static final int BLOCK = 64 * 1024;

    /** The charset in which the JDK has texts and paths of the system. */
    static final Charset JDKS = jdks();

    private static final int SLOTS = 16; // a power of two
    private static final AtomicReferenceArray<NativeBuffer> SMALLS =
            new AtomicReferenceArray<>(SLOTS);
    private static final AtomicReferenceArray<NativeBuffer> BLOCKS =
            new AtomicReferenceArray<>(SLOTS);

    /** The bytes, in native order; position and limit mean nothing. */
    final ByteBuffer bytes; // content: the thread that took it
    /** The address of the bytes. */
    final long address; // immutable

    private NativeBuffer(int size) {
        address = Native.malloc(size);
        if (address == 0) {
            throw new OutOfMemoryError("malloc of " + size + " bytes");
        }
        bytes = new Pointer(address).getByteBuffer(0, size).order(ByteOrder.nativeOrder());
    }

    /** Takes a piece of at least so many bytes, whose content is arbitrary. */
    static NativeBuffer take(int size) {
        AtomicReferenceArray<NativeBuffer> pool = poolFor(size);
        if (pool == null) {
            return new NativeBuffer(size);
        }
        int start = (int) Thread.currentThread().getId();
        for (int i = 0; i < SLOTS; i++) {
            NativeBuffer found = pool.getAndSet((start + i) & (SLOTS - 1), null);
            if (found != null) {
                return found;
            }
        }
        return new NativeBuffer(pool == SMALLS ? SMALL : BLOCK);
    }

    private static AtomicReferenceArray<NativeBuffer> poolFor(int size) {
        if (size <= SMALL) {
            return SMALLS;
        }
        return size <= BLOCK ? BLOCKS : null;
    }

    /** Sets the first so many bytes to zero and returns this. */
    NativeBuffer zero(int size) {
        new Pointer(address).setMemory(0, size, (byte) 0);
        return this;
    }

    /** Writes text and the zero byte that ends it, and returns where the next thing can stand. */
    int putText(int at, byte[] text) {
        bytes.put(at, text, 0, text.length).put(at + text.length, (byte) 0);
        return at + text.length + 1;
    }

    /** Frees the piece. It must not be used after that. */
    @Override
    public void close() {
        AtomicReferenceArray<NativeBuffer> pool = poolFor(bytes.capacity());
        if (pool != null) {
            int start = (int) Thread.currentThread().getId();
            for (int i = 0; i < SLOTS; i++) {
                if (pool.compareAndSet((start + i) & (SLOTS - 1), null, this)) {
                    return;
                }
            }
        }
        Native.free(address);
    }

    // ---- C strings

    private static Charset jdks() {
        String name = System.getProperty("sun.jnu.encoding", "");
        return Charset.isSupported(name) ? Charset.forName(name) : Charset.defaultCharset();
    }

    /** The text at an address; null for the null pointer. */
    static String text(long address) {
        return address == 0 ? null : new Pointer(address).getString(0, "UTF-8");
    }

    /** Returns a text of the C library for people, as the JDK decodes it; null for null. */
    static String words(long address) {
        if (address == 0) {
            return null;
        }
        Pointer start = new Pointer(address);
        return new String(start.getByteArray(0, (int) start.indexOf(0, (byte) 0)), JDKS);
    }

    /** The texts of an array of addresses that a null pointer ends. */
    static List<String> texts(long address) {
        List<String> all = new ArrayList<>();
        Pointer array = address == 0 ? null : new Pointer(address);
        for (long at = 0; array != null && array.getLong(at) != 0; at += 8) {
            all.add(text(array.getLong(at)));
        }
        return List.copyOf(all);
    }

    /** The bytes of a text, which must not have a zero character, for {@link #putText}. */
    static byte[] encoded(String what, String text) {
        if (text.indexOf('\0') >= 0) {
            throw new IllegalArgumentException(what + ": the text has a zero character in it, at "
                    + text.indexOf('\0'));
        }
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
