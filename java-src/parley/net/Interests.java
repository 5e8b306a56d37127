package parley.net;

/** The interests in one source, a list that begins in its registration; under the reactor's lock. */
final class Interests {
    private Interests() {
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
