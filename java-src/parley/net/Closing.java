package parley.net;

/** Who closed an object, and when: for whoever uses it afterwards and wonders. */
final class Closing {
    private static final long MILLISECOND = 1_000_000;
    private static final long SECOND = 1000 * MILLISECOND;

    private final String thread = Thread.currentThread().getName(); // no thread is kept from ending
    private final long at = System.nanoTime();

    @Override
    public String toString() {
        long since = System.nanoTime() - at;
        return "by " + (thread.isEmpty() ? "a thread without a name" : "the thread " + thread) + " "
                + (since < SECOND ? since / MILLISECOND + " ms" : since / SECOND + " s") + " ago";
    }
}
