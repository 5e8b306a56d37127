package parley.net;

import java.io.IOException;

import parley.net.text.Decoder;

/** Checks the result of the next read of a stream, without waiting and without reading. */
final class InputProbe {
    /** The kind of element to check for. */
    enum Sought {
        CHARACTER,
        INTEGER,
        /** Whatever a stream of this element type can be read as. */
        ANYTHING
    }

    private final StreamTextInput side;
    private final InputFiller refill;
    private final CharacterCursor cursor;
    private final ByteCursor bytes;

    InputProbe(StreamTextInput side, InputFiller refill, CharacterCursor cursor, ByteCursor bytes) {
        this.side = side;
        this.refill = refill;
        this.cursor = cursor;
        this.bytes = bytes;
    }

    /** For an operation of the caller: a broken input is an error of that operation. */
    InputState now(String operation, Sought sought) throws IOException {
        side.stream.requireOpen(operation);
        if (!side.stream.isConnectedNow(operation)) {
            return InputState.NOTHING;
        }
        InputState found = look(sought);
        if (found == InputState.BROKEN) {
            throw Errors.again(operation, side.stream, refill.failure());
        }
        return found;
    }

    /** As {@link #look(boolean, Sought)}, asking the transport if the kernel has something. */
    InputState look(Sought sought) throws IOException {
        InputState found = look(false, sought);
        return found == InputState.NOTHING && side.stream.transport().mayRead() ? look(true, sought) : found;
    }

    /**
     * Returns the state of the input; takes the lock unless a reader waits with it.
     *
     * @param ask whether to poll the transport when the buffer does not suffice
     */
    InputState look(boolean ask, Sought sought) {
        try {
            InputState plain = lookInMoment(ask, sought);
            return plain != null ? plain : lookNow(ask, sought);
        } catch (IOException e) {
            return refill.failure() == null ? InputState.NOTHING : InputState.BROKEN;
        }
    }

    /**
     * Looks at the buffer only, for the usual case: nothing changes there, so that no observer has
     * to be notified.
     *
     * @return null when the buffer does not suffice, or not at first sight
     */
    private InputState lookInMoment(boolean ask, Sought sought) throws IOException {
        if (!side.tryMoment()) {
            return null;
        }
        boolean ended = false;
        try {
            InputState found = atFirstSight(ask, sought);
            side.endMoment();
            ended = true;
            return found;
        } finally {
            if (!ended) {
                side.owner = null;
            }
        }
    }

    private InputState atFirstSight(boolean ask, Sought sought) {
        if (!cursor.isSettled() || side.isShut() || !side.stream.isOpen()) {
            return null;
        }
        InputBuffer buffer = refill.buffer;
        if (buffer.remaining() == 0) {
            return ask || refill.hasEnded() || refill.failure() != null ? null : InputState.NOTHING;
        }
        boolean whole = isForCharacter(sought)
                ? cursor.isPlain() && buffer.bytes[buffer.position] > '\r'
                : buffer.remaining() >= Math.max(1, side.stream.elementType().width());
        return whole ? InputState.AVAILABLE : null;
    }

    /** Written out, as the operations on one element are, since a check allocates nothing. */
    private InputState lookNow(boolean ask, Sought sought) throws IOException {
        if (!side.enter("socket-status", StreamSide.Entry.LOOK)) {
            return InputState.NOTHING; // a reader waits for just this
        }
        Object me = side.owner;
        try {
            InputState found = inBuffer(sought);
            if (found == InputState.NOTHING && ask && hasArrived(sought)) {
                return InputState.AVAILABLE;
            }
            while (found == InputState.NOTHING && ask && side.stream.isOpen()
                    && refill.pollLittle()) {
                found = inBuffer(sought);
            }
            return found;
        } finally {
            try {
                side.end();
            } finally {
                if (side.owner == me) {
                    side.owner = null;
                    side.unparkNext();
                }
            }
        }
    }

    /**
     * Returns whether the next element waits in the kernel, where other code uses the descriptor,
     * too, and would not find bytes that a check has read. Half an element is read all the same:
     * the kernel would report it again and again.
     */
    private boolean hasArrived(Sought sought) throws IOException {
        if (refill.buffer.remaining() > 0 || cursor.skipsNewline() || side.isShut()
                || refill.hasEnded() || refill.failure() != null || !side.stream.isOpen()
                || !side.stream.transport().canPeek()) {
            return false;
        }
        Segment some = Segment.takeSmall();
        try {
            int count = side.stream.transport().peek(some.bytes);
            if (count == 0 || !isForCharacter(sought)) {
                return count > 0 && count >= side.stream.elementType().width();
            }
            Decoder decoder = cursor.decoder();
            return decoder.hasAsciiNewlines() // and so keeps no state
                    && decoder.decode(some.bytes, 0, count, false) > 0 && decoder.unit() >= 0;
        } finally {
            some.release();
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

    /** Bytes that were left in the buffer are news for those who watch the stream. */
    boolean leavesNews() {
        try {
            return (refill.buffer.remaining() > 0 || cursor.hasOwed())
                    && inBuffer(Sought.ANYTHING) != InputState.NOTHING
                    || side.stream.transport().holdsInput();
        } catch (IOException e) {
            return true; // the next check has the exact result
        }
    }

    /** Checks a bivalent stream: it has input after a byte, or a character without bytes. */
    private boolean isForCharacter(Sought sought) {
        if (sought != Sought.ANYTHING) {
            return sought == Sought.CHARACTER;
        }
        ElementType type = side.stream.elementType();
        return type == ElementType.CHARACTER || type == ElementType.BIVALENT && cursor.hasOwed();
    }

    /** The result of a check of the input side of a stream, without waiting. */
    enum InputState {
        /** The next element has not arrived yet, or was not checked. */
        NOTHING,
        /**
         * The next element can be taken, or the attempt will fail at once for a reason of its own.
         */
        AVAILABLE,
        /** No element will ever come. */
        ENDED,
        /** Reading fails, now and for ever. */
        BROKEN
    }
}
