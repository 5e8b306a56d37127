package parley.testing;

import java.util.concurrent.Callable;
import java.util.stream.Stream;

/**
 * One cell of the matrix: a kind of socket on a kind of thread. A test method that takes a Case
 * itself runs on a thread of that kind.
 */
public record Case(Family family, Threads threads) {
    /** Every cell this machine and this JDK can offer. */
    public static Stream<Case> all() {
        return Stream.of(Family.values()).filter(Family::available).flatMap(family ->
                Stream.of(Threads.values()).filter(Threads::available)
                        .map(threads -> new Case(family, threads)));
    }

    /** Starts {@code body} on a thread of this cell's kind. */
    public <T> Task<T> start(String name, Callable<T> body) {
        return threads.start(name, body);
    }

    @Override
    public String toString() {
        return family + " " + threads;
    }
}
