package parley.net;

import java.io.IOException;
import java.nio.channels.SelectionKey;

/** The interests in one source, a list that begins in its registration; under the reactor's lock. */
final class Interests {
    private Interests() {
    }

    /** Where the interests of a source in a poller belong, made if need be. */
    static Registration registration(Source source, Poller running) throws IOException {
        Registration own = source.registrationWith(running);
        if (own == null && source instanceof ChannelSource) {
            // Somebody else's channel may be known under another source: a selector has one key.
            SelectionKey key = ((ChannelSource) source).channel.keyFor(running.selector);
            own = key == null || !key.isValid() ? null : (Registration) key.attachment();
        }
        if (own != null && own.cancelled) {
            own.source.removed(own);
            own = null;
        }
        return own != null ? own : source.join(running, 0, null);
    }

    static void add(Registration registration, Interest interest) {
        interest.next = registration.interests;
        registration.interests = interest;
    }

    static void remove(Registration registration, Interest interest) {
        if (registration.interests == interest) {
            registration.interests = interest.next;
            return;
        }
        for (Interest each = registration.interests; each != null; each = each.next) {
            if (each.next == interest) {
                each.next = interest.next;
                return;
            }
        }
    }

    /** All operations that one of them looks for. */
    static int ops(Registration registration) {
        int ops = 0;
        for (Interest each = registration.interests; each != null; each = each.next) {
            ops |= each.ops;
        }
        return ops;
    }
}
