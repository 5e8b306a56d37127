package parley.net;

/** What keeps the {@link Reactor} going whatever others throw. */
final class Safely {
    private Safely() {
    }

    static void run(Runnable task) {
        try {
            task.run();
        } catch (Throwable e) {
            report("a listener failed; the reactor goes on", e);
        }
    }

    static void report(String what, Throwable e) {
        try {
            Reports.error(what, e);
        } catch (Throwable logging) {
            e.addSuppressed(logging); // a broken logger: nothing is left to tell it to
        }
    }
}
