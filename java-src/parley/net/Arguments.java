package parley.net;

import java.nio.ByteOrder;

/** What is wrong with arguments, told before anything is done with them. */
final class Arguments {
    private static final int LONGEST_INTEGER = 8;

    private Arguments() {
    }

    /**
     * An argument that must not be null.
     *
     * @param operation what was called
     * @param what which argument, as in {@code "the options"}
     * @param expected what to pass instead
     */
    static <T> T need(String operation, String what, T value, String expected) {
        if (value == null) {
            throw new IllegalArgumentException(Failures.name(operation) + ": " + what + (what.endsWith("s")
                    ? " are" : " is") + " null, expected " + expected);
        }
        return value;
    }

    static StreamOptions options(String operation, StreamOptions options) {
        return need(operation, "the options", options,
                "StreamOptions, such as StreamOptions.DEFAULT");
    }

    static <T extends Pollable> T object(String operation, T object) {
        return need(operation, "the object", object,
                "a stream, a server or another pollable object");
    }

    static Direction direction(String operation, Direction direction) {
        return need(operation, "the direction", direction, "a Direction");
    }

    static Blocking blocking(String operation, Blocking blocking) {
        return need(operation, "the blocking", blocking, "a Blocking");
    }

    /** A part of an array; the length is -1 where there is no array. */
    static void range(String operation, int from, int to, int length) {
        if (length < 0) {
            need(operation, "the array", null, "one with room for the range");
        }
        if (from < 0 || to < from || to > length) {
            throw new IndexOutOfBoundsException(Failures.name(operation) + ": the range is " + from + " to " + to
                    + ", expected one within the array, 0 to " + length);
        }
    }

    static void integer(String operation, int width, ByteOrder order) {
        if (width < 1 || width > LONGEST_INTEGER) {
            throw new IllegalArgumentException(Failures.name(operation) + ": the width is "
                    + width + " bytes, expected 1 to " + LONGEST_INTEGER);
        }
        need(operation, "the byte order", order, "BIG_ENDIAN or LITTLE_ENDIAN");
    }
}
