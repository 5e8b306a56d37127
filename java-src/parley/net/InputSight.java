package parley.net;

import java.io.IOException;

/** What the next read of a stream would find, told without waiting and without reading it. */
final class InputSight {
    /** What is looked for. */
    enum Sought {
        CHARACTER,
        INTEGER,
        /** Whatever a stream of this element type can be read as. */
        ANYTHING
    }

    private final StreamInput side;
    private final Refill refill;
    private final CharacterCursor cursor;
    private final ByteCursor bytes;

    InputSight(StreamInput side, Refill refill, CharacterCursor cursor, ByteCursor bytes) {
        this.side = side;
        this.refill = refill;
        this.cursor = cursor;
        this.bytes = bytes;
    }

    /** For an operation that tells the caller: a broken input is an error of that operation. */
    InputState now(String operation, Sought sought) throws IOException {
        side.stream.requireOpen(operation);
        if (!side.stream.isConnectedNow(operation)) {
            return InputState.NOTHING;
        }
        InputState found = look(true, sought);
        if (found == InputState.BROKEN) {
            throw Errors.again(operation, side.stream, refill.failure());
        }
        return found;
    }

    /**
     * What is there, taking the lock unless a reader waits with it.
     *
     * @param ask whether to ask the transport when the buffer does not tell
     */
    InputState look(boolean ask, Sought sought) {
        if (!side.beginLook()) {
            return InputState.NOTHING; // a reader waits for just this
        }
        try {
            InputState found = inBuffer(sought);
            while (found == InputState.NOTHING && ask && side.stream.isOpen()
                    && refill.littleNow()) {
                found = inBuffer(sought);
            }
            return found;
        } catch (IOException e) {
            return refill.failure() == null ? InputState.NOTHING : InputState.BROKEN;
        } finally {
            side.end();
        }
    }

    /** The same from what has been read already. Called with the reader's lock held. */
    InputState inBuffer(Sought sought) throws IOException {
        int found = isForCharacter(sought) ? cursor.peek(refill.hasEnded(), true)
                : bytes.look(Math.max(1, side.stream.elementType().width()));
        if (found == CharacterCursor.MORE) {
            return refill.failure() == null ? InputState.NOTHING : InputState.BROKEN;
        }
        return found == CharacterCursor.END ? InputState.ENDED : InputState.AVAILABLE;
    }

    /** A bivalent stream has something when a byte is there, or a character without bytes. */
    private boolean isForCharacter(Sought sought) {
        if (sought != Sought.ANYTHING) {
            return sought == Sought.CHARACTER;
        }
        ElementType type = side.stream.elementType();
        return type == ElementType.CHARACTER || type == ElementType.BIVALENT && cursor.hasOwed();
    }
}
