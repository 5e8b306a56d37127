package parley.net;

/**
 * The side of a stream that a status check, a shutdown or a registration is about, as CLISP's
 * {@code :INPUT}, {@code :OUTPUT} and {@code :IO}.
 *
 * <pre>{@code
 * stream.status(Direction.INPUT, Duration.ZERO);  // NONE, INPUT or EOF
 * stream.shutdown(Direction.OUTPUT);              // the peer reads the end of file
 * }</pre>
 */
public enum Direction {
    /** The input. */
    INPUT(true, false),
    /** The output. */
    OUTPUT(false, true),
    /** Both. */
    IO(true, true);

    private final boolean input;
    private final boolean output;

    Direction(boolean input, boolean output) {
        this.input = input;
        this.output = output;
    }

    /**
     * {@return whether reading is part of this direction: true for {@link #INPUT} and {@link #IO}}
     */
    public boolean includesInput() {
        return input;
    }

    /**
     * {@return whether writing is part of this direction: true for {@link #OUTPUT} and {@link #IO}}
     */
    public boolean includesOutput() {
        return output;
    }

    /** {@return the direction that covers this one and another: {@link #IO} when they differ} */
    public Direction union(Direction other) {
        return this == other ? this : IO;
    }
}
