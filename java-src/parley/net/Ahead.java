package parley.net;

import java.util.Arrays;

/**
 * Characters that were decoded, or put back, and not read yet. Their bytes stay in the input buffer,
 * so that they can still be read as something else; the number of bytes of each is kept here. Some
 * have none: what was pushed back without having been read, and the second half of a surrogate
 * pair. Guarded by the reader's lock.
 */
final class Ahead {
    // Shared while nothing was ahead yet, as is so for a stream that is only checked.
    private static final char[] NO_UNITS = {};
    private static final int[] NO_COUNTS = {};
    private static final boolean[] NO_FLAGS = {};

    private char[] units = NO_UNITS;
    private int[] spans = NO_COUNTS; // bytes of each, with those in front of it that gave none
    private int[] shifts = NO_COUNTS; // of these, how many first ones a decoder with state remembers
    private int[] owns = NO_COUNTS; // of these, how many are the character's own: the last ones
    private boolean[] returns = NO_FLAGS; // whether it is a return, shown as a newline
    private int first;
    private int last;
    private int bytes;

    boolean isEmpty() {
        return first == last;
    }

    int size() {
        return last - first;
    }

    /** The bytes of all of them. */
    int bytes() {
        return bytes;
    }

    /** The bytes of the first so many. */
    int bytes(int count) {
        int sum = 0;
        for (int i = first; i < first + count; i++) {
            sum += spans[i];
        }
        return sum;
    }

    char unit() {
        return units[first];
    }

    int span() {
        return spans[first];
    }

    int shift() {
        return shifts[first];
    }

    int own() {
        return owns[first];
    }

    boolean isReturn() {
        return returns[first];
    }

    /** The index among them of the first newline, or -1. */
    int newline() {
        for (int i = first; i < last; i++) {
            if (units[i] == '\n') {
                return i - first;
            }
        }
        return -1;
    }

    /** So many of them, as a string. */
    String text(int count) {
        return new String(units, first, count);
    }

    void append(char unit, int span, int shift, int own, boolean isReturn) {
        if (last == units.length) {
            makeRoom();
        }
        set(last++, unit, span, shift, own, isReturn);
    }

    /** Puts a character in front of the others. */
    void push(char unit, int own, boolean isReturn) {
        if (first == 0) {
            append('\0', 0, 0, 0, false);
            shiftRight();
        } else {
            first--;
        }
        set(first, unit, own, 0, own, isReturn);
    }

    private void set(int at, char unit, int span, int shift, int own, boolean isReturn) {
        units[at] = unit;
        spans[at] = span;
        shifts[at] = shift;
        owns[at] = own;
        returns[at] = isReturn;
        bytes += span;
    }

    private void shiftRight() {
        int count = last - 1;
        System.arraycopy(units, 0, units, 1, count);
        System.arraycopy(spans, 0, spans, 1, count);
        System.arraycopy(shifts, 0, shifts, 1, count);
        System.arraycopy(owns, 0, owns, 1, count);
        System.arraycopy(returns, 0, returns, 1, count);
    }

    private void makeRoom() {
        int size = Math.max(4, last * 2);
        units = Arrays.copyOf(units, size);
        spans = Arrays.copyOf(spans, size);
        shifts = Arrays.copyOf(shifts, size);
        owns = Arrays.copyOf(owns, size);
        returns = Arrays.copyOf(returns, size);
    }

    /** Takes the first one away. */
    void drop() {
        bytes -= spans[first];
        first++;
        if (first == last) {
            first = 0;
            last = 0;
        }
    }

    /** How many, in front of all others, have no bytes: they must stay here until they are read. */
    int owed() {
        int at = first;
        while (at < last && spans[at] == 0) {
            at++;
        }
        return at - first;
    }

    /** Forgets all whose bytes are in the buffer; tells whether there were any. */
    boolean forget() {
        int kept = first + owed();
        boolean some = kept < last;
        last = kept;
        bytes = 0;
        if (first == last) {
            clear();
        }
        return some;
    }

    void clear() {
        first = 0;
        last = 0;
        bytes = 0;
    }
}
