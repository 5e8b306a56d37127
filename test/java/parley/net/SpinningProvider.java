package parley.net;

import java.io.IOException;
import java.net.ProtocolFamily;
import java.nio.channels.DatagramChannel;
import java.nio.channels.Pipe;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.channels.spi.AbstractSelector;
import java.nio.channels.spi.SelectorProvider;
import java.util.ArrayDeque;
import java.util.Deque;

/**
 * The provider of a process whose selectors have a defect while {@link #defective}; takes {@code
 * -Djava.nio.channels.spi.SelectorProvider=parley.net.SpinningProvider} and {@code
 * --add-exports=java.base/sun.nio.ch=ALL-UNNAMED}.
 */
public final class SpinningProvider extends SelectorProvider {
    static volatile boolean defective;
    static final Deque<SpinningSelector> MADE = new ArrayDeque<>(); // guarded by itself

    private final SelectorProvider sound;

    /** For the JDK. */
    public SpinningProvider() throws ReflectiveOperationException {
        sound = (SelectorProvider) Class.forName("sun.nio.ch.DefaultSelectorProvider")
                .getMethod("get").invoke(null);
    }

    /** The selector with the defect that was made last. */
    static SpinningSelector last() {
        synchronized (MADE) {
            return MADE.getLast();
        }
    }

    @Override
    public AbstractSelector openSelector() throws IOException {
        if (!defective) {
            return sound.openSelector();
        }
        defective = false; // the next one is sound
        SpinningSelector spinning = new SpinningSelector(sound);
        synchronized (MADE) {
            MADE.add(spinning);
        }
        return spinning;
    }

    @Override
    public DatagramChannel openDatagramChannel() throws IOException {
        return sound.openDatagramChannel();
    }

    @Override
    public DatagramChannel openDatagramChannel(ProtocolFamily family) throws IOException {
        return sound.openDatagramChannel(family);
    }

    @Override
    public Pipe openPipe() throws IOException {
        return sound.openPipe();
    }

    @Override
    public ServerSocketChannel openServerSocketChannel() throws IOException {
        return sound.openServerSocketChannel();
    }

    @Override
    public ServerSocketChannel openServerSocketChannel(ProtocolFamily family) throws IOException {
        return sound.openServerSocketChannel(family);
    }

    @Override
    public SocketChannel openSocketChannel() throws IOException {
        return sound.openSocketChannel();
    }

    @Override
    public SocketChannel openSocketChannel(ProtocolFamily family) throws IOException {
        return sound.openSocketChannel(family);
    }
}
