package parley.net;

import parley.net.wait.EventLoop;
import parley.net.wait.ThreadWaits;

/** What the library has registered with selectors that outlive a call; for the leak check. */
public final class Registered {
    private Registered() {
    }

    /** The keys, and the descriptors in their place, that the reactor holds. */
    public static int withReactor() {
        return EventLoop.shared().registrations()
                + (EventLoop.ofVirtualThreads() == EventLoop.shared() ? 0
                        : EventLoop.ofVirtualThreads().registrations());
    }

    /** The watches that are armed. */
    public static int watches() {
        return Reactor.shared().watches();
    }

    /** The selectors that are kept for the next wait, each with the key of one stream. */
    public static int idle() {
        return ThreadWaits.idlePollers();
    }
}
