package parley.posix;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import parley.testing.Await;

/** What the tests of this package share. */
final class Support {
    static final long SECOND = TimeUnit.SECONDS.toNanos(1);

    private Support() {}

    /** The class path for a child, wherever the runner keeps its own. */
    static String classPath() throws URISyntaxException {
        StringBuilder path = new StringBuilder(System.getProperty("surefire.test.class.path",
                System.getProperty("java.class.path")));
        for (Class<?> type : List.of(Posix.class, Support.class, com.sun.jna.Native.class,
                jnr.constants.Constant.class)) {
            path.append(':').append(Path.of(
                    type.getProtectionDomain().getCodeSource().getLocation().toURI()));
        }
        return path.toString();
    }

    /** The command for another Java machine; this one's flags keep other libraries from warnings. */
    static List<String> java() {
        List<String> command = new ArrayList<>(List.of(System.getProperty("java.home") + "/bin/java"));
        ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
                .filter(each -> each.startsWith("--")).forEach(command::add);
        return command;
    }

    static Descriptor[] streams() throws IOException {
        return Sockets.socketpair("unix", "stream", 0);
    }

    static void closeAll(Descriptor... descriptors) {
        Arrays.stream(descriptors).forEach(Descriptor::close);
    }

    /** The numbers that are open now. */
    static int[] numbers() {
        String[] names = new File(Posix.LINUX ? "/proc/self/fd" : "/dev/fd").list();
        return Arrays.stream(names).mapToInt(Integer::parseInt).toArray();
    }

    static boolean threadExists(String name) {
        return Thread.getAllStackTraces().keySet().stream()
                .anyMatch(thread -> thread.getName().equals(name));
    }

    /** Waits until something is so, at most thirty seconds. */
    static void eventually(String what, BooleanSupplier condition) {
        Await.until(what, condition::getAsBoolean);
    }

    /** How much this process watches now. */
    static int watches() {
        try {
            return DescriptorWatcher.size();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    /** Waits until a thread is in the named method, so that it is known to wait there. */
    static void untilIn(Thread thread, String method) {
        eventually(thread.getName() + " waits in " + method, () ->
                Arrays.stream(thread.getStackTrace())
                        .anyMatch(frame -> frame.getMethodName().equals(method)));
    }

    /** Starts a daemon thread. */
    static Thread start(String name, Runnable task) {
        Thread thread = new Thread(task, name);
        thread.setDaemon(true);
        thread.start();
        return thread;
    }

    static void join(Thread thread) throws InterruptedException {
        thread.join(60_000);
        assertTrue(!thread.isAlive(), thread.getName() + " has ended");
    }

    /** Control data that passes a number so many times: SCM_RIGHTS. */
    static byte[] rights(int number, int times) {
        int size = 16 + 4 * times;
        ByteBuffer control = ByteBuffer.allocate((size + 7) / 8 * 8).order(ByteOrder.nativeOrder());
        control.putLong(size).putInt(Constants.SOL_SOCKET).putInt(Constants.SCM_RIGHTS);
        for (int i = 0; i < times; i++) {
            control.putInt(number);
        }
        return control.array();
    }

    /** The numbers in control data of one part. */
    static int[] rights(byte[] control) {
        ByteBuffer all = ByteBuffer.wrap(control).order(ByteOrder.nativeOrder());
        int[] numbers = new int[((int) all.getLong() - 16) / 4];
        for (int i = 0; i < numbers.length; i++) {
            numbers[i] = all.getInt(16 + 4 * i);
        }
        return numbers;
    }
}
