package parley.net;

import java.lang.reflect.Field;
import java.util.stream.Collectors;
import java.util.stream.Stream;
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

    /** Who may hold a selector, for the message of a failure. */
    public static String state() {
        return "event loop: " + fields(EventLoop.shared(), "poller", "holders", "watches", "thread",
                "sleeping") + "; pollers of threads: " + fields(threadWaits(), "pollers", "idleCount")
                + "; guarded: " + OpenObjects.guards().size();
    }

    private static Object threadWaits() {
        try {
            Field instance = ThreadWaits.class.getDeclaredField("INSTANCE");
            instance.setAccessible(true);
            return instance.get(null);
        } catch (ReflectiveOperationException e) {
            throw new AssertionError(e);
        }
    }

    private static String fields(Object of, String... names) {
        return Stream.of(names).map(name -> {
            try {
                Field field = of.getClass().getDeclaredField(name);
                field.setAccessible(true);
                return name + " " + field.get(of);
            } catch (ReflectiveOperationException e) {
                throw new AssertionError(e);
            }
        }).collect(Collectors.joining(", "));
    }
}
