package parley.testing.clojure;

import org.junit.platform.engine.UniqueId;
import org.junit.platform.engine.support.descriptor.AbstractTestDescriptor;
import org.junit.platform.engine.support.descriptor.ClassSource;

/**
 * A namespace of tests. It calls itself a class of that name, because build tools make one report
 * for each class.
 */
final class NamespaceDescriptor extends AbstractTestDescriptor {
    NamespaceDescriptor(UniqueId parent, String name) {
        super(parent.append("namespace", name), name, ClassSource.from(name));
    }

    @Override
    public Type getType() {
        return Type.CONTAINER;
    }
}
