package parley.posix;

import static org.junit.jupiter.api.Assertions.assertNull;

import java.io.IOException;
import java.io.InputStream;
import java.lang.ref.WeakReference;
import java.util.concurrent.CountDownLatch;
import java.util.function.Supplier;
import org.junit.jupiter.api.Test;
import parley.testing.Await;
import parley.testing.Guarded;

/** Threads of the library keep nothing of the program that made it start them. */
@Guarded
class OwnThreadsTest {
    /** Stands for a program that a container loads and drops. */
    public static final class Program implements Supplier<Thread> {
        @Override
        public Thread get() {
            return OwnThreads.daemon("parley-own-threads-test", Body.INSTANCE);
        }
    }

    public enum Body implements Runnable {
        INSTANCE;

        @Override
        public void run() {
            boolean interrupted = false;
            while (!interrupted) {
                try {
                    new CountDownLatch(1).await();
                } catch (InterruptedException e) {
                    interrupted = true;
                }
            }
        }
    }

    /** Loads the program anew. */
    private static final class Loader extends ClassLoader {
        @Override
        protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
            if (!name.equals(Program.class.getName())) {
                return super.loadClass(name, resolve);
            }
            try (InputStream in = getResourceAsStream(name.replace('.', '/') + ".class")) {
                byte[] bytes = in.readAllBytes();
                return defineClass(name, bytes, 0, bytes.length);
            } catch (IOException e) {
                throw new ClassNotFoundException(name, e);
            }
        }
    }

    private static WeakReference<ClassLoader> start(Thread[] made) throws Exception {
        Loader loader = new Loader();
        Thread caller = Thread.currentThread();
        ClassLoader before = caller.getContextClassLoader();
        caller.setContextClassLoader(loader);
        try {
            Object program = loader.loadClass(Program.class.getName()).getConstructor()
                    .newInstance();
            made[0] = (Thread) ((Supplier<?>) program).get();
        } finally {
            caller.setContextClassLoader(before);
        }
        made[0].start();
        return new WeakReference<>(loader);
    }

    @Test
    void a_thread_keeps_no_class_loader_of_its_first_caller() throws Exception {
        Thread[] made = new Thread[1];
        WeakReference<ClassLoader> loader = start(made);
        try {
            assertNull(made[0].getContextClassLoader());
            Await.until("the loader is unreachable", () -> {
                System.gc();
                return loader.get() == null;
            });
        } finally {
            made[0].interrupt();
            made[0].join();
        }
    }
}
