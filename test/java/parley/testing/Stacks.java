package parley.testing;

import java.util.Map;
import java.util.TreeMap;

/** Stacks as text: of one thread, or of all that can be found. */
public final class Stacks {
    private Stacks() {
    }

    /** The stack of {@code thread}, one frame a line. */
    public static String of(Thread thread) {
        return text(thread, thread.getStackTrace());
    }

    /** A full dump: every platform thread, and the virtual threads that are {@link Task}s. */
    public static String all() {
        Map<String, String> dump = new TreeMap<>();
        Thread.getAllStackTraces().forEach((t, stack) -> dump.put(key(t), text(t, stack)));
        for (Task<?> task : Task.live()) {
            dump.putIfAbsent(key(task.thread()), of(task.thread()));
        }
        return String.join("\n", dump.values());
    }

    @SuppressWarnings("deprecation") // threadId() is newer than the release compiled for
    private static String key(Thread thread) {
        return thread.getName() + '#' + thread.getId();
    }

    private static String text(Thread thread, StackTraceElement[] stack) {
        StringBuilder out = new StringBuilder();
        out.append('"').append(thread.getName()).append("\" ").append(thread.getState());
        out.append(thread.isDaemon() ? " daemon" : "");
        out.append(Threads.isVirtual(thread) ? " virtual" : "").append('\n');
        for (StackTraceElement frame : stack) {
            out.append("    at ").append(frame).append('\n');
        }
        return out.toString();
    }
}
