package parley.testing.clojure;

import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.support.descriptor.AbstractTestDescriptor;
import org.junit.platform.engine.support.descriptor.MethodSource;

/**
 * What was asked for and could not be found: a test that fails with the reason, so that the report
 * shows it. (What an engine throws while discovering, surefire swallows.)
 */
final class BrokenDescriptor extends AbstractTestDescriptor {
    private final Throwable problem; // immutable

    /**
     * @param fact what does not hold, for example {@code selects-a-test}
     */
    BrokenDescriptor(NamespaceDescriptor namespace, String fact, Throwable problem) {
        super(
                namespace.getUniqueId().append("broken", fact),
                fact,
                MethodSource.from(namespace.getDisplayName(), fact));
        this.problem = problem;
    }

    Throwable problem() {
        return problem;
    }

    @Override
    public Type getType() {
        return Type.TEST;
    }
}
