package parley.net;

/** Bytes in pieces as they come. */
final class ChunkFraming extends Framing<byte[]> {
    ChunkFraming(int most) {
        super(most);
    }

    @Override
    byte[] take(InputBuffer buffer, CharacterCursor cursor, boolean ended) {
        int n = Math.min(buffer.remaining(), most);
        if (n == 0) {
            return null;
        }
        byte[] chunk = new byte[n];
        buffer.take(chunk, 0, n);
        return chunk;
    }

    @Override
    byte[] encode(byte[] element, ExternalFormat format) {
        return element;
    }

    @Override
    public String toString() {
        return "a chunk";
    }
}
