package parley.net;

import java.net.SocketAddress;
import java.nio.ByteBuffer;
import java.util.Random;
import parley.net.wait.Source;

/** A transport from which some bytes come in pieces of random size, and then the end. */
class Pieces implements Transport {
    private final byte[] bytes;
    private final Random random;
    private int at;

    Pieces(byte[] bytes, Random random) {
        this.bytes = bytes;
        this.random = random;
    }

    @Override
    public int read(ByteBuffer into) {
        if (at == bytes.length) {
            return -1;
        }
        int most = Math.min(bytes.length - at, into.remaining());
        int n = Math.min(most, random.nextInt(5));
        into.put(bytes, at, n);
        at += n;
        return n;
    }

    @Override
    public int write(ByteBuffer from) {
        throw new UnsupportedOperationException("nothing is written to pieces");
    }

    @Override
    public void shutdown(Direction direction) {
        // nothing to shut down
    }

    @Override
    public boolean isConnecting() {
        return false;
    }

    @Override
    public boolean finishConnect() {
        return true;
    }

    @Override
    public boolean isOpen() {
        return true;
    }

    @Override
    public void close(boolean reset) {
        // nothing to close
    }

    @Override
    public SocketAddress peer() {
        return null;
    }

    @Override
    public SocketAddress local() {
        return null;
    }

    @Override
    public Source source() {
        throw new UnsupportedOperationException("nobody waits for pieces");
    }
}
