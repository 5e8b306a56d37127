package parley.net;

import java.io.IOException;

/** What the next read of a stream would find, told without waiting and without reading it. */
final class InputSight {
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
    InputState now(String operation, boolean characters) throws IOException {
        side.stream.requireOpen(operation);
        InputState found = look(true, characters);
        if (found == InputState.BROKEN) {
            throw Failures.again(operation, side.stream, refill.failure());
        }
        return found;
    }

    /**
     * What is there, taking the lock unless a reader waits with it.
     *
     * @param ask whether to ask the transport when the buffer does not tell
     * @param characters whether a character is looked for, or else an integer
     */
    InputState look(boolean ask, boolean characters) {
        if (!side.beginLook()) {
            return InputState.NOTHING; // a reader waits for just this
        }
        try {
            InputState found = inBuffer(characters);
            while (found == InputState.NOTHING && ask && side.stream.isOpen()
                    && refill.littleNow()) {
                found = inBuffer(characters);
            }
            return found;
        } catch (IOException e) {
            return refill.failure() == null ? InputState.NOTHING : InputState.BROKEN;
        } finally {
            side.end();
        }
    }

    /** The same from what has been read already. Called with the reader's lock held. */
    InputState inBuffer(boolean characters) throws IOException {
        ElementType type = side.stream.elementType();
        int found = characters ? cursor.peek(refill.hasEnded(), true)
                : type == ElementType.BIVALENT && cursor.hasOwed() ? 1
                : bytes.look(Math.max(1, type.width()));
        if (found == CharacterCursor.MORE) {
            return refill.failure() == null ? InputState.NOTHING : InputState.BROKEN;
        }
        return found == CharacterCursor.END ? InputState.ENDED : InputState.AVAILABLE;
    }
}
