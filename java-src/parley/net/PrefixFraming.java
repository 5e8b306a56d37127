package parley.net;

import java.io.IOException;
import java.nio.ByteOrder;

/** Byte arrays, each behind its length. */
final class PrefixFraming extends Framing<byte[]> {
    private final int width;
    private final ByteOrder order;

    PrefixFraming(int width, ByteOrder order, int most) {
        super(most);
        if (width != 1 && width != 2 && width != 4 && width != 8) {
            throw new IllegalArgumentException(Errors.name("framing") + ": the length has " + width
                    + " bytes, expected 1, 2, 4 or 8");
        }
        this.width = width;
        this.order = Errors.need("framing", "the byte order", order, "BIG_ENDIAN or LITTLE_ENDIAN");
    }

    @Override
    byte[] take(InputBuffer buffer, CharacterCursor cursor, boolean ended) throws IOException {
        if (buffer.remaining() < width) {
            return null;
        }
        long size = Integers.decode(buffer.bytes, buffer.position, width, width == 8, order);
        if (size < 0 || size > most) {
            throw new FramingException(reading + ": " + this + " announces "
                    + Long.toUnsignedString(size) + " bytes, expected at most " + most
                    + "; nothing was consumed, set a larger maximum size or read the bytes in other"
                    + " ways");
        }
        if (buffer.remaining() - width < size) {
            return null;
        }
        byte[] frame = new byte[(int) size];
        buffer.position += width;
        buffer.take(frame, 0, frame.length);
        return frame;
    }

    @Override
    byte[] encode(byte[] frame, ExternalFormat format) {
        if (frame.length > most) {
            throw tooLongToPut(frame.length);
        }
        requireLengthFits(frame.length);
        byte[] bytes = new byte[width + frame.length];
        Integers.encode(frame.length, bytes, 0, width, order);
        System.arraycopy(frame, 0, bytes, width, frame.length);
        return bytes;
    }

    private void requireLengthFits(int size) {
        if (width < 4 && size >= 1 << 8 * width) {
            throw new IllegalArgumentException(writing + ": the value is a frame of " + size
                    + " bytes, expected at most " + ((1 << 8 * width) - 1) + ", the most that "
                    + width + (width == 1 ? " byte" : " bytes") + " of length can tell; give the"
                    + " length more bytes");
        }
    }

    @Override
    public String toString() {
        return "a frame";
    }
}
