package parley.testing;

import org.junit.jupiter.api.extension.AfterAllCallback;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.BeforeAllCallback;
import org.junit.jupiter.api.extension.BeforeEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.jupiter.api.extension.ExtensionContext.Namespace;

/**
 * Closes each case, and each suite, with the comparison {@link Leaks} makes. The reactor thread,
 * which ends half a second after its last use, must be gone at the end of the suite only, or every
 * case would wait for it.
 */
public final class LeakCheck
        implements BeforeAllCallback, AfterAllCallback, BeforeEachCallback, AfterEachCallback {
    private static final Namespace STORE = Namespace.create(LeakCheck.class);

    @Override
    public void beforeAll(ExtensionContext context) {
        remember(context, Leaks.snapshot());
    }

    @Override
    public void beforeEach(ExtensionContext context) {
        remember(context, Leaks.snapshotBut("parley-reactor"));
    }

    @Override
    public void afterEach(ExtensionContext context) {
        compare(context);
    }

    @Override
    public void afterAll(ExtensionContext context) {
        compare(context);
    }

    private static void remember(ExtensionContext context, Leaks base) {
        context.getStore(STORE).put(context.getUniqueId(), base);
    }

    private static void compare(ExtensionContext context) {
        context.getStore(STORE).remove(context.getUniqueId(), Leaks.class).assertBack();
    }
}
