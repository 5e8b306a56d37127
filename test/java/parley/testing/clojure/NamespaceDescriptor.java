package parley.testing.clojure;

import java.util.List;
import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.support.descriptor.AbstractTestDescriptor;
import org.junit.platform.engine.support.descriptor.ClassSource;

/**
 * A namespace of tests. It calls itself a class of that name, because build tools make one report
 * for each class.
 */
final class NamespaceDescriptor extends AbstractTestDescriptor {
    private final List<Deftest> all; // immutable

    NamespaceDescriptor(UniqueId parent, String name, List<Deftest> all) {
        super(parent.append("namespace", name), name, ClassSource.from(name));
        this.all = all;
    }

    /** Its tests, whether chosen or not. */
    List<Deftest> all() {
        return all;
    }

    @Override
    public Type getType() {
        return Type.CONTAINER;
    }
}
