package parley.net.text;

import java.util.Arrays;

/**
 * Characters that were decoded, or put back, and not read yet. Their bytes stay in the input
 * buffer, so that they can still be read as something else; the number of bytes of each is kept
 * here. Some have none: those pushed back without having been read, and the second half of a
 * surrogate pair.
 */
public final class DecodedChars {
    private static final long[] NO_ITEMS = {}; // shared by streams that are only checked
    private static final int MOST_OWN = 0x7fff;

    // Each is its unit (16 bits), whether it is a return shown as a newline (1), the number of bytes
    // that are its own (15) and of all bytes up to its end (32). One array, whose fields change
    // together: an Error between two steps leaves nothing half done.
    private long[] items = NO_ITEMS;
    private int first;
    private int last;
    private int bytes;

    /** Returns whether there are none. */
    public boolean isEmpty() {
        return first == last;
    }

    /** Returns how many there are. */
    public int size() {
        return last - first;
    }

    /** Returns the number of bytes of all of them. */
    public int bytes() {
        return bytes;
    }

    /** Returns the number of bytes of the first {@code count}. */
    public int bytes(int count) {
        int sum = 0;
        for (int i = first; i < first + count; i++) {
            sum += span(items[i]);
        }
        return sum;
    }

    /** Returns the first character. */
    public char unit() {
        return (char) items[first];
    }

    /** Returns the character at an index. */
    public char unit(int index) {
        return (char) items[first + index];
    }

    /** Returns the number of bytes of the first one, with those in front of it that made none. */
    public int span() {
        return span(items[first]);
    }

    /** Returns how many of these, the last ones, are its own. */
    public int own() {
        return (int) (items[first] >>> 17) & MOST_OWN;
    }

    /** Returns whether the first one is a return, shown as a newline. */
    public boolean isReturn() {
        return (items[first] >>> 16 & 1) != 0;
    }

    private static int span(long item) {
        return (int) (item >>> 32);
    }

    private static long item(char unit, int span, int own, boolean isReturn) {
        long kept = own > MOST_OWN ? 0 : own; // so many cannot be unread
        return (long) span << 32 | kept << 17 | (isReturn ? 1 << 16 : 0) | unit;
    }

    /** Returns the index of the first newline, or -1. */
    public int newline() {
        for (int i = first; i < last; i++) {
            if ((char) items[i] == '\n') {
                return i - first;
            }
        }
        return -1;
    }

    /** Returns the first {@code count} as a string. */
    public String text(int count) {
        char[] units = new char[count];
        for (int i = 0; i < count; i++) {
            units[i] = (char) items[first + i];
        }
        return new String(units);
    }

    /** Adds a character behind the others, and one without bytes unless {@code low} is -1. */
    public void append(char unit, int low, int span, int own, boolean isReturn) {
        long item = item(unit, span, own, isReturn);
        if (last + 1 >= items.length) {
            items = Arrays.copyOf(items, Math.max(4, last * 2));
        }
        items[last] = item;
        if (low >= 0) {
            items[last + 1] = low;
        }
        last += low >= 0 ? 2 : 1;
        bytes += span;
    }

    /** Puts a character in front of the others. */
    public void push(char unit, int own, boolean isReturn) {
        if (isEmpty()) {
            append(unit, -1, own, own, isReturn);
            return;
        }
        long item = item(unit, own, own, isReturn);
        if (first == 0) {
            int count = last;
            long[] wider = new long[2 * count + 4];
            System.arraycopy(items, 0, wider, count + 4, count);
            items = wider;
            first = count + 4;
            last = wider.length;
        }
        items[--first] = item;
        bytes += own;
    }

    /** Returns whether the last one is a return, shown as a newline. */
    public boolean endsInReturn() {
        return first < last && (items[last - 1] >>> 16 & 1) != 0;
    }

    /** Makes a line feed of some bytes, behind a return, part of that one newline. */
    public void joinLineFeed(int count) {
        long item = items[last - 1];
        int own = (int) (item >>> 17) & MOST_OWN;
        items[last - 1] = item((char) item, span(item) + count, own + count, false);
        bytes += count;
    }

    /** Takes the first one away. */
    public void drop() {
        bytes -= (int) (items[first] >>> 32);
        first++;
        if (first == last) {
            first = 0;
            last = 0;
        }
    }

    /** Returns how many, in front of all others, have no bytes: they stay until they are read. */
    public int owed() {
        int at = first;
        while (at < last && span(items[at]) == 0) {
            at++;
        }
        return at - first;
    }

    /** Forgets all whose bytes are in the buffer. */
    public void forget() {
        last = first + owed();
        bytes = 0;
        if (first == last) {
            clear();
        }
    }

    /** Forgets all. */
    public void clear() {
        first = 0;
        last = 0;
        bytes = 0;
    }
}
