package parley.testing.clojure;

import java.util.Set;
import org.junit.platform.engine.TestTag;
import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.support.descriptor.AbstractTestDescriptor;
import org.junit.platform.engine.support.descriptor.MethodSource;

/** A deftest. */
final class DeftestDescriptor extends AbstractTestDescriptor {
    private final Deftest deftest; // immutable

    DeftestDescriptor(UniqueId namespace, Deftest deftest) {
        super(
                namespace.append("deftest", deftest.name()),
                deftest.name(),
                MethodSource.from(deftest.namespace(), deftest.name()));
        this.deftest = deftest;
    }

    Deftest deftest() {
        return deftest;
    }

    @Override
    public Type getType() {
        return Type.TEST;
    }

    @Override
    public Set<TestTag> getTags() {
        return deftest.tags();
    }
}
