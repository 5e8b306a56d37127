package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import parley.testing.Child;

/**
 * How many system calls each operation makes, step by step, as strace sees them in a child that
 * runs {@link SystemCallsSteps}. A step's name is the file that cannot be opened before it.
 */
@Timeout(120)
class SystemCallsTest {
    private static final String CALLS = "?read,?readv,?recvfrom,?recvmsg,?write,?writev,?sendto,"
            + "?sendmsg,?poll,?ppoll,?epoll_wait,?epoll_pwait,?select,?pselect6,?open,?openat";
    private static final Pattern MARK =
            Pattern.compile("open.*\"" + SystemCallsSteps.MARKS + "(\\d+)-(\\d+)/([^/\"]+)\".* ENOENT .*");
    private static final Pattern TRANSFER =
            Pattern.compile("(read|recv|write|send)\\w*\\((\\d+), .*");
    private static final Pattern WAIT =
            Pattern.compile("(poll|ppoll|epoll_p?wait|select|pselect6)\\(.*");
    private static final Pattern LOOK = // with a time of none at all
            Pattern.compile("poll\\(.*, 0\\) += .*|epoll_p?wait\\(.*, \\d+, 0[,)].*");

    /** What a step did: transfers on the stream's own descriptor, and looks and waits at all. */
    record Calls(int reads, int writes, int looks, int waits) {
        static final Calls NONE = new Calls(0, 0, 0, 0);
        static final Calls READ = new Calls(1, 0, 0, 0);
        static final Calls WRITE = new Calls(0, 1, 0, 0);

        Calls plus(Calls other) {
            return new Calls(reads + other.reads, writes + other.writes, looks + other.looks,
                    waits + other.waits);
        }

        /** The same where a descriptor is in blocking mode, so that one looks before it reads. */
        Calls lookingFirst() {
            return new Calls(reads, writes, looks + reads + writes, waits);
        }
    }

    /** By step, in the order in which they came; the descriptors are a part of each mark. */
    private static Map<String, Calls> parse(List<String> log) {
        Map<String, Calls> all = new LinkedHashMap<>();
        String step = "";
        String from = "";
        String to = "";
        for (String logged : log) {
            String line = logged.replaceFirst("^\\d+ +", ""); // the thread, where all are traced
            Matcher mark = MARK.matcher(line);
            Matcher transfer = TRANSFER.matcher(line);
            if (mark.matches()) {
                from = mark.group(1);
                to = mark.group(2);
                step = mark.group(3);
                all.put(step, Calls.NONE);
            } else if (WAIT.matcher(line).matches()) {
                boolean look = LOOK.matcher(line).matches();
                all.merge(step, new Calls(0, 0, look ? 1 : 0, look ? 0 : 1), Calls::plus);
            } else if (transfer.matches()) {
                boolean in = transfer.group(1).startsWith("r");
                if (transfer.group(2).equals(in ? from : to)) {
                    all.merge(step, in ? Calls.READ : Calls.WRITE, Calls::plus);
                }
            }
        }
        all.remove("");
        all.remove(SystemCallsSteps.UNCOUNTED);
        return all;
    }

    /** Runs the steps of a kind, the last time under strace, and says what each step did. */
    private static Map<String, Calls> trace(
            SystemCallsSteps.Kind kind, Path directory, boolean allThreads) throws Exception {
        Path log = directory.resolve("log");
        try (Child child = start(kind, directory)) {
            String thread = child.answer("thread ");
            try (Child strace = allThreads
                    ? Child.command("strace", "-f", "-p", Long.toString(child.pid()), "-o",
                            log.toString(), "-e", "trace=" + CALLS)
                    : Child.command("strace", "-p", thread, "-o", log.toString(),
                            "-e", "trace=" + CALLS)) {
                assertTrue(strace.line().contains("attached"));
                Files.createFile(directory.resolve("go"));
                assertEquals("well", child.answer("all is "));
                assertEquals(0, child.exitCode());
                strace.exitCode(); // it ends with what it traces, and what it saw is in the file
            }
        }
        return parse(Files.readAllLines(log));
    }

    private static Child start(SystemCallsSteps.Kind kind, Path directory) throws IOException {
        Path input = Files.writeString(directory.resolve("input"), SystemCallsSteps.TEXT);
        String go = directory.resolve("go").toString();
        return kind == SystemCallsSteps.Kind.FILE
                ? Child.javaWithInput(input, SystemCallsSteps.class, kind.name(), go)
                : Child.java(SystemCallsSteps.class, kind.name(), go);
    }

    @ParameterizedTest
    @EnumSource(names = {"SOCKET", "UNIX_SOCKET", "HANDLE", "PIPE", "BLOCKING_PIPE"})
    void aStepMakesTheCallsItNeedsAndNoneForWhatIsInTheBuffer(
            SystemCallsSteps.Kind kind, @TempDir Path directory) throws Exception {
        Map<String, Calls> expected = new LinkedHashMap<>();
        // nothing is there: one attempt, never a wait
        for (String step : List.of("read-byte-no-hang of nothing", "read-char-no-hang of nothing",
                "read-byte-lookahead of nothing", "listen to nothing",
                "read-char-will-hang of nothing", "no-hang sequence of nothing")) {
            expected.put(step, Calls.READ);
        }
        // three bytes are there: what came, and an attempt to get more, but no wait for it
        expected.put("interactive sequence of three", new Calls(2, 0, 0, 0));
        // two lines are there: one read brings both, and then everything comes out of the buffer
        expected.put("read-byte-lookahead of two lines", Calls.READ);
        for (String step : List.of("read-byte-lookahead", "read-byte-no-hang", "read-byte",
                "listen", "read-char", "peek-char", "unread-char", "read-char-no-hang",
                "read-char-will-hang", "socket-status of input", "read-line",
                "no-hang sequence", "interactive sequence", "sequence")) {
            expected.put(step, Calls.NONE);
        }
        // two bytes are in the buffer: one attempt to get the rest
        expected.put("no-hang sequence of more than there is", Calls.READ);
        // what does not come at once is waited for once, and not in a loop
        expected.put("read-byte that waits", new Calls(2, 0, 0, 1));
        expected.put("interactive sequence that waits", new Calls(3, 0, 0, 1));
        // output is collected, and leaves in one call
        expected.put("write-byte", Calls.NONE);
        expected.put("write-line", Calls.NONE);
        expected.put("finish-output", Calls.WRITE);
        expected.put("finish-output of nothing", Calls.NONE);
        // the end is asked for once
        expected.put("read-byte-no-hang at the end", Calls.READ);
        for (String step : List.of("read-byte-no-hang after the end", "read-char after the end",
                "no-hang sequence after the end", "socket-status after the end")) {
            expected.put(step, Calls.NONE);
        }
        Map<String, Calls> found = trace(kind, directory, false);
        if (kind == SystemCallsSteps.Kind.BLOCKING_PIPE) {
            expected.replaceAll((step, calls) -> calls.lookingFirst());
            found.keySet().removeIf(step -> step.contains("output") || step.startsWith("write"));
            expected.keySet().removeIf(step -> step.contains("output") || step.startsWith("write"));
        }
        assertSame(expected, found);
    }

    @Test
    void anUnbufferedStreamMakesOneCallForEachElementAndTakesNoMore(@TempDir Path directory)
            throws Exception {
        Map<String, Calls> expected = new LinkedHashMap<>();
        expected.put("write-byte", Calls.WRITE);
        expected.put("write-line", Calls.WRITE);
        expected.put("read-byte", Calls.READ);
        expected.put("read-byte-no-hang", Calls.READ);
        expected.put("no-hang sequence", Calls.READ);
        assertSame(expected, trace(SystemCallsSteps.Kind.UNBUFFERED, directory, false));
    }

    @Test
    void aFileIsReadAtOnceAndItsEndAskedForOnce(@TempDir Path directory) throws Exception {
        Map<String, Calls> expected = new LinkedHashMap<>();
        Calls read = Calls.READ.lookingFirst();
        expected.put("read-byte-lookahead of two lines", read);
        for (String step : List.of("read-byte-no-hang", "listen", "peek-char", "read-line",
                "socket-status of input", "interactive sequence")) {
            expected.put(step, Calls.NONE);
        }
        expected.put("no-hang sequence up to the end", read);
        expected.put("read-byte-no-hang after the end", Calls.NONE);
        expected.put("socket-status after the end", Calls.NONE);
        assertSame(expected, trace(SystemCallsSteps.Kind.FILE, directory, false));
    }

    @Test
    void objectsOfEveryKindAreWaitedForInOneWaitAndNoLoop(@TempDir Path directory)
            throws Exception {
        Map<String, Calls> found = trace(SystemCallsSteps.Kind.MIXED, directory, false);
        assertEquals(1, found.get("socket-status in vain").waits(), found.toString());
        assertEquals(1, found.get("socket-status until a pipe has input").waits(),
                found.toString());
        assertEquals(1, found.get("socket-status until a socket has input").waits(),
                found.toString());
    }

    @Test
    void noOtherThreadPollsForThemEither(@TempDir Path directory) throws Exception {
        Map<String, Calls> found = trace(SystemCallsSteps.Kind.MIXED, directory, true);
        int inVain = found.get("socket-status in vain").waits();
        assertTrue(inVain <= 4, () -> "in " + SystemCallsSteps.IN_VAIN + ": " + found);
    }

    private static void assertSame(Map<String, Calls> expected, Map<String, Calls> found) {
        assertEquals(lines(expected), lines(found));
    }

    private static String lines(Map<String, Calls> all) {
        StringBuilder lines = new StringBuilder();
        all.forEach((step, calls) -> lines.append(step).append(": ").append(calls).append('\n'));
        return lines.toString();
    }
}
