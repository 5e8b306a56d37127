package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import parley.net.SystemCallsSteps.Kind;
import parley.testing.Child;
import parley.testing.Traced;

/**
 * How many system calls each operation makes, step by step, as strace sees them in a child that
 * runs {@link SystemCallsSteps}.
 */
@Timeout(180)
class SystemCallsTest {
    private static final String CALLS = "?read,?readv,?recvfrom,?recvmsg,?write,?writev,?sendto,"
            + "?sendmsg,?poll,?ppoll,?epoll_wait,?epoll_pwait,?select,?pselect6";
    private static final Pattern STEP = Pattern.compile("(\\d+)-(\\d+)/(.*)");
    private static final Pattern TRANSFER =
            Pattern.compile("(read|recv|write|send)\\w*\\((\\d+), .*");
    private static final Pattern WAIT =
            Pattern.compile("(<... )?(poll|ppoll|epoll_p?wait|select|pselect6)(\\(| resumed>).*"
                    + "(?<! <unfinished ...>)");
    private static final Pattern LOOK = // with a time of none at all
            Pattern.compile(".*\\bpoll\\b.*, 0\\) += .*|.*epoll_p?wait\\b.*, \\d+, 0[,)].*");

    private static final String[] NOTHING = {"read-byte-no-hang of nothing",
        "read-char-no-hang of nothing", "read-byte-lookahead of nothing", "listen to nothing",
        "read-char-will-hang of nothing", "no-hang sequence of nothing"};
    private static final String[] BUFFERED = {"read-byte-lookahead", "read-byte-no-hang",
        "read-byte", "listen", "read-char", "unread-char", "peek-char", "read-char-no-hang",
        "read-char-will-hang", "socket-status of input", "read-line", "no-hang sequence",
        "interactive sequence", "sequence"};
    private static final String[] ENDED = {"read-byte-no-hang after the end",
        "read-char after the end", "no-hang sequence after the end",
        "socket-status after the end"};

    /** What a step did: transfers on the stream's own descriptor, and looks and waits at all. */
    record Calls(int reads, int writes, int looks, int waits) {
        static final Calls NONE = new Calls(0, 0, 0, 0);
        static final Calls READ = new Calls(1, 0, 0, 0);
        static final Calls WRITE = new Calls(0, 1, 0, 0);
        static final Calls LOOK = new Calls(0, 0, 1, 0);

        Calls plus(Calls other) {
            return new Calls(reads + other.reads, writes + other.writes, looks + other.looks,
                    waits + other.waits);
        }
    }

    /** By step, in the order in which they came; the descriptors are a part of each mark. */
    private static Map<String, Calls> parse(List<String> log) {
        Map<String, Calls> all = new LinkedHashMap<>();
        String step = "";
        String from = "";
        String to = "";
        for (String line : log) {
            String name = Traced.markOf(line);
            Matcher mark = STEP.matcher(name == null ? "" : name);
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
            Kind kind, Path directory, boolean allThreads) throws Exception {
        try (Child child = start(kind, directory)) {
            return parse(Traced.log(child, directory, CALLS, allThreads));
        }
    }

    private static Child start(Kind kind, Path directory) throws IOException {
        Path input = Files.writeString(directory.resolve("input"), SystemCallsSteps.TEXT);
        String go = Traced.go(directory).toString();
        return kind == Kind.FILE
                ? Child.javaWithInput(input, SystemCallsSteps.class, go, kind.name())
                : Child.java(SystemCallsSteps.class, go, kind.name());
    }

    @ParameterizedTest
    @EnumSource(names = {"SOCKET", "UNIX_SOCKET", "HANDLE", "PIPE"})
    void a_step_makes_the_calls_it_needs_and_none_for_what_is_in_the_buffer(
            Kind kind, @TempDir Path directory) throws Exception {
        Map<String, Calls> expected = new LinkedHashMap<>();
        // nothing is there: one attempt, never a wait
        put(expected, Calls.READ, NOTHING);
        // three bytes are there: what came, and an attempt to get more, but no wait for it
        put(expected, new Calls(2, 0, 0, 0), "interactive sequence of three");
        // two lines are there: one read brings both, and then everything comes out of the buffer
        put(expected, Calls.READ, "read-byte-lookahead of two lines");
        put(expected, Calls.NONE, BUFFERED);
        // two bytes are in the buffer: one attempt to get the rest
        put(expected, Calls.READ, "no-hang sequence of more than there is");
        // what does not come at once is waited for once, and not in a loop; a descriptor after a look
        int looks = kind == Kind.HANDLE || kind == Kind.PIPE ? 1 : 0;
        put(expected, new Calls(2, 0, looks, 1), "read-byte that waits");
        put(expected, new Calls(3, 0, looks, 1), "interactive sequence that waits");
        if (kind != Kind.PIPE) {
            // reading would take an urgent byte along
            put(expected, Calls.LOOK, "read-byte-lookahead of nothing", "listen to nothing",
                    "read-char-will-hang of nothing");
            put(expected, new Calls(1, 0, 1, 0), "read-byte-lookahead of two lines");
        }
        if (kind == Kind.HANDLE) {
            // a look leaves the bytes to the other users of the handle
            put(expected, new Calls(1, 0, 1, 0), "read-byte-lookahead");
            put(expected, Calls.READ, "read-byte-no-hang");
        }
        // output is collected, and leaves in one call
        put(expected, Calls.NONE, "write-byte", "write-line");
        put(expected, Calls.WRITE, "finish-output");
        put(expected, Calls.NONE, "finish-output of nothing");
        // the end is asked for once
        put(expected, Calls.READ, "read-byte-no-hang at the end");
        put(expected, Calls.NONE, ENDED);
        assertSame(expected, trace(kind, directory, false));
    }

    /** One that other processes may share, so that its mode is left as it was. */
    @Test
    void a_blocking_pipe_is_looked_at_before_each_read_and_not_read_in_vain(@TempDir Path directory)
            throws Exception {
        Map<String, Calls> expected = new LinkedHashMap<>();
        put(expected, Calls.LOOK, NOTHING);
        put(expected, new Calls(1, 0, 2, 0), "interactive sequence of three");
        put(expected, new Calls(1, 0, 1, 0), "read-byte-lookahead of two lines");
        put(expected, Calls.NONE, BUFFERED);
        put(expected, Calls.LOOK, "no-hang sequence of more than there is");
        put(expected, new Calls(1, 0, 3, 1), "read-byte that waits");
        put(expected, new Calls(1, 0, 4, 1), "interactive sequence that waits");
        put(expected, new Calls(1, 0, 1, 0), "read-byte-no-hang at the end");
        put(expected, Calls.NONE, ENDED);
        assertSame(expected, trace(Kind.BLOCKING_PIPE, directory, false));
    }

    @Test
    void an_unbuffered_stream_makes_one_call_for_each_element_and_takes_no_more(
            @TempDir Path directory)
            throws Exception {
        Map<String, Calls> expected = new LinkedHashMap<>();
        put(expected, Calls.WRITE, "write-byte", "write-line");
        put(expected, Calls.READ, "read-byte", "read-byte-no-hang", "no-hang sequence");
        assertSame(expected, trace(Kind.UNBUFFERED, directory, false));
    }

    @Test
    void a_file_is_read_at_once_and_its_end_asked_for_once(
            @TempDir Path directory) throws Exception {
        Map<String, Calls> expected = new LinkedHashMap<>();
        put(expected, new Calls(1, 0, 1, 0), "read-byte-lookahead of two lines");
        put(expected, Calls.NONE, "read-byte-no-hang", "listen", "peek-char", "read-line",
                "socket-status of input", "interactive sequence");
        put(expected, new Calls(1, 0, 1, 0), "no-hang sequence up to the end");
        put(expected, Calls.NONE, "read-byte-no-hang after the end",
                "socket-status after the end");
        assertSame(expected, trace(Kind.FILE, directory, false));
    }

    @Test
    void objects_of_every_kind_are_waited_for_in_one_wait(
            @TempDir Path directory) throws Exception {
        Map<String, Calls> found = trace(Kind.MIXED, directory, false);
        assertEquals(4, found.size());
        found.forEach((step, calls) -> assertEquals(1, calls.waits(), () -> step + ": " + found));
    }

    @Test
    void nothing_that_is_waited_for_is_polled_by_another_thread(@TempDir Path directory)
            throws Exception {
        Map<String, Calls> found = trace(Kind.MIXED, directory, true);
        int waits = found.get("socket-status in vain").waits();
        assertTrue(waits <= 10, () -> "in " + SystemCallsSteps.IN_VAIN + ": " + found);
    }

    private static void put(Map<String, Calls> expected, Calls calls, String... steps) {
        for (String step : steps) {
            expected.put(step, calls);
        }
    }

    /** Shows, where they differ, what differs. */
    private static void assertSame(Map<String, Calls> expected, Map<String, Calls> found) {
        Set<String> steps = new LinkedHashSet<>(expected.keySet());
        steps.addAll(found.keySet());
        StringBuilder differences = new StringBuilder();
        for (String step : steps) {
            if (!Objects.equals(expected.get(step), found.get(step))) {
                differences.append(step).append(": ").append(expected.get(step))
                        .append(" expected, ").append(found.get(step)).append('\n');
            }
        }
        assertEquals("", differences.toString());
    }
}
