package parley.net.conformance;

import java.io.IOException;
import parley.testing.Case;
import parley.testing.EveryCase.Selective;
import parley.testing.Family;

/** Every call that can block, as an axis of the matrix. */
enum Call implements Selective {
    READ_BYTE(StuckRead::readByte),
    READ_CHAR(StuckRead::readChar),
    PEEK_CHAR(StuckRead::peekChar),
    READ_LINE(StuckRead::readLine),
    READ_BYTES(StuckRead::readBytes),
    READER_VIEW(StuckRead::reader),
    INPUT_VIEW(StuckRead::inputStream),
    STATUS(StuckRead::status),
    WRITE_BYTES(StuckWrite::writeBytes),
    WRITE_STRING(StuckWrite::writeString),
    OUTPUT_VIEW(StuckWrite::outputStream),
    WRITER_VIEW(StuckWrite::writer),
    FINISH(StuckWrite::finish),
    OUTPUT_STATUS(StuckWrite::status),
    ACCEPT(StuckAccept::accept),
    AWAIT_CONNECTION(StuckAccept::awaitConnection),
    SERVER_STATUS(StuckAccept::status),
    CONNECTING(StuckConnect::new);

    private interface Begin {
        Stuck in(Case cell) throws IOException;
    }

    private final Begin begin;

    Call(Begin begin) {
        this.begin = begin;
    }

    /** Sets everything up for a call that will block. */
    Stuck in(Case cell) throws IOException {
        return begin.in(cell);
    }

    /**
     * A Unix-domain connect is never pending: it is done, or refused, at once. Over a handle there
     * are streams only, and under TLS servers are those of every kind.
     */
    @Override
    public boolean appliesTo(Case cell) {
        return switch (this) {
            case CONNECTING -> cell.family() == Family.TCP4 || cell.family() == Family.TCP6;
            case ACCEPT, AWAIT_CONNECTION, SERVER_STATUS ->
                cell.family() != Family.HANDLE && !cell.family().isTls();
            default -> true;
        };
    }

    /** Whether the call tells that time is up by its result rather than by an exception. */
    boolean answersTimeout() {
        return switch (this) {
            case STATUS, OUTPUT_STATUS, AWAIT_CONNECTION, SERVER_STATUS -> true;
            default -> false;
        };
    }
}
