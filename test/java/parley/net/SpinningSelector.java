package parley.net;

import java.io.IOException;
import java.nio.channels.SelectableChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.spi.AbstractSelectableChannel;
import java.nio.channels.spi.AbstractSelectionKey;
import java.nio.channels.spi.AbstractSelector;
import java.nio.channels.spi.SelectorProvider;
import java.util.HashSet;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/** A selector with the defect: each wait ends at once, and nothing is ever ready. */
final class SpinningSelector extends AbstractSelector {
    private final Set<SelectionKey> keys = ConcurrentHashMap.newKeySet();
    private final AtomicLong returns = new AtomicLong();

    SpinningSelector(SelectorProvider provider) {
        super(provider);
    }

    /** How often a wait has returned. */
    long returns() {
        return returns.get();
    }

    @Override
    protected SelectionKey register(AbstractSelectableChannel channel, int ops, Object attachment) {
        Key key = new Key(channel, ops);
        key.attach(attachment);
        keys.add(key);
        return key;
    }

    @Override
    public int select(Consumer<SelectionKey> action, long timeout) {
        returns.incrementAndGet();
        return selectNow(action);
    }

    @Override
    public int selectNow(Consumer<SelectionKey> action) {
        drop(cancelledKeys());
        return 0;
    }

    private void drop(Set<SelectionKey> gone) {
        Set<SelectionKey> all;
        synchronized (gone) { // as cancelledKeys demands
            all = new HashSet<>(gone);
            gone.clear();
        }
        for (SelectionKey each : all) {
            keys.remove(each);
            deregister((AbstractSelectionKey) each);
        }
    }

    @Override
    protected void implCloseSelector() {
        for (SelectionKey each : keys) {
            each.cancel();
        }
        drop(cancelledKeys());
    }

    @Override
    public Set<SelectionKey> keys() {
        return keys;
    }

    @Override
    public Set<SelectionKey> selectedKeys() {
        return Set.of();
    }

    @Override
    public int selectNow() {
        return selectNow(key -> { });
    }

    @Override
    public int select(long timeout) {
        return select(key -> { }, timeout);
    }

    @Override
    public int select() throws IOException {
        return select(0);
    }

    @Override
    public Selector wakeup() {
        return this;
    }

    private final class Key extends AbstractSelectionKey {
        private final SelectableChannel channel;
        private volatile int ops;

        Key(SelectableChannel channel, int ops) {
            this.channel = channel;
            this.ops = ops;
        }

        @Override
        public SelectableChannel channel() {
            return channel;
        }

        @Override
        public Selector selector() {
            return SpinningSelector.this;
        }

        @Override
        public int interestOps() {
            return ops;
        }

        @Override
        public SelectionKey interestOps(int wanted) {
            ops = wanted;
            return this;
        }

        @Override
        public int readyOps() {
            return 0;
        }
    }
}
