package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class PollTest {
    private static Poll.Entry[] entries(int events, Descriptor... descriptors) {
        Poll.Entry[] entries = new Poll.Entry[descriptors.length];
        for (int i = 0; i < entries.length; i++) {
            entries[i] = new Poll.Entry(descriptors[i], events, "entry " + i);
        }
        return entries;
    }

    @Test
    void what_is_ready_is_reported_as_long_as_it_is_ready() throws IOException {
        Descriptor[] pair = Support.streams();
        Poll.Entry[] both = entries(Poll.IN, pair);
        assertEquals(0, Poll.check(both, 2));
        pair[1].write(new byte[1], 0, 1);
        assertEquals(1, Poll.check(both, 2));
        assertEquals(1, Poll.check(both, 2));
        assertEquals(Poll.IN, both[0].found());
        assertEquals(0, both[1].found());
        both[0].events(Poll.IN | Poll.OUT);
        assertEquals(1, Poll.check(both, 2));
        assertEquals(Poll.IN | Poll.OUT, both[0].found());
        assertEquals(0, Poll.check(both, 0));
        assertEquals("entry 0", both[0].attachment());
        Support.closeAll(pair);
    }

    @Test
    void no_events_find_not_even_an_end() throws IOException {
        Descriptor[] pair = Support.streams();
        Poll.Entry[] one = entries(0, pair[0]);
        pair[1].close();
        assertEquals(0, Poll.check(one, 1));
        one[0].events(Poll.IN);
        assertEquals(1, Poll.check(one, 1));
        pair[0].close();
        one[0].events(0);
        assertEquals(1, Poll.check(one, 1));
        assertEquals(Poll.NVAL, one[0].found());
    }

    @Test
    void a_closed_descriptor_does_not_keep_the_others_from_being_checked() throws IOException {
        Descriptor[] pair = Support.streams();
        Descriptor[] closed = Support.streams();
        Support.closeAll(closed);
        Poll.Entry[] all = entries(Poll.OUT, closed[0], pair[0], closed[1], pair[1]);
        assertEquals(4, Poll.check(all, 4));
        assertEquals(Poll.NVAL, all[0].found());
        assertEquals(Poll.OUT, all[1].found());
        assertEquals(Poll.OUT, all[3].found());
        assertEquals(Poll.NVAL, Poll.check(closed[0], Poll.IN));
        assertEquals(Poll.OUT, Poll.check(pair[0], Poll.IN | Poll.OUT));
        Support.closeAll(pair);
    }

    @Test
    void files_and_the_null_device_are_always_ready(@TempDir Path directory) throws Exception {
        Path file = Files.writeString(directory.resolve("f"), "x");
        for (Path each : new Path[] {file, Path.of("/dev/null")}) {
            try (Descriptor descriptor = Descriptor.own(Numbers.open(each))) {
                assertEquals(Poll.IN, Poll.check(descriptor, Poll.IN));
                assertEquals(Poll.IN, descriptor.await(Poll.IN, Long.MAX_VALUE));
            }
        }
    }

    @Test
    void any_number_of_entries_may_be_of_the_same_descriptor() throws IOException {
        Descriptor[] pair = Support.streams();
        Descriptor[] same = new Descriptor[20_000];
        java.util.Arrays.fill(same, pair[0]);
        Poll.Entry[] many = entries(Poll.IN, same);
        assertEquals(0, Poll.check(many, same.length));
        pair[1].write(new byte[1], 0, 1);
        assertEquals(same.length, Poll.check(many, same.length));
        assertEquals(same.length, Poll.await(many, same.length, Long.MAX_VALUE));
        Support.closeAll(pair);
    }

    @Test
    void more_entries_than_the_process_may_have_descriptors_are_checked() throws Exception {
        assertEquals("1000 0", limited(Many.class));
    }

    private static String limited(Class<?> main) throws Exception {
        List<String> command = new ArrayList<>(List.of("prlimit", "--nofile=256"));
        command.addAll(Support.java());
        command.addAll(List.of("-XX:-MaxFDLimit", "-cp", Support.classPath(), main.getName()));
        Process java = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String printed = new String(java.getInputStream().readAllBytes());
        assertEquals(0, java.waitFor());
        return printed.strip();
    }

    @Test
    void waits_go_on_when_no_descriptor_is_left() throws Exception {
        assertEquals("Too many open files 1 1", limited(Scarce.class));
    }

    /** Waits in a process that has no descriptor left. */
    public static final class Scarce {
        private Scarce() {}

        /** Prints why nothing can be opened, and what two waits found, each in a new watcher. */
        public static void main(String[] args) throws Exception {
            Descriptor[] pair = Support.streams();
            wait(pair); // everything is loaded
            String why = null;
            while (why == null) {
                try {
                    Support.streams();
                } catch (PosixException e) {
                    why = e.getMessage().replaceAll(".*: (.*) \\(EMFILE\\)", "$1");
                }
            }
            System.out.print(why);
            for (int i = 0; i < 2; i++) {
                Support.eventually("the watcher is gone",
                        () -> !Support.threadExists("parley-descriptors"));
                System.out.print(" " + wait(pair));
            }
        }

        private static int wait(Descriptor[] pair) throws Exception {
            Thread main = Thread.currentThread();
            Thread writer = Support.start("test-writer", () -> {
                Support.untilIn(main, "poll");
                try {
                    pair[1].write(new byte[1], 0, 1);
                } catch (IOException e) {
                    throw new AssertionError(e);
                }
            });
            int found = pair[0].await(Poll.IN, 30 * Support.SECOND);
            Support.join(writer);
            pair[0].read(new byte[1], 0, 1);
            return found;
        }
    }

    /** Checks, and waits for, a thousand entries. */
    public static final class Many {
        private Many() {}

        /** Prints how many were ready, and how many after the wait that timed out. */
        public static void main(String[] args) throws IOException {
            Descriptor[] same = new Descriptor[1000];
            java.util.Arrays.fill(same, Support.streams()[0]);
            System.out.println(Poll.check(entries(Poll.OUT, same), 1000) + " "
                    + Poll.await(entries(Poll.IN, same), 1000, Support.SECOND / 10));
        }
    }

    @Test
    void a_check_allocates_nothing() throws IOException {
        Descriptor[] pair = Support.streams();
        pair[1].write(new byte[1], 0, 1);
        Poll.Entry[] both = entries(Poll.IN, pair);
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long own = Thread.currentThread().getId();
        long least = Long.MAX_VALUE;
        for (int round = 0; round < 20; round++) {
            long before = threads.getThreadAllocatedBytes(own);
            for (int i = 0; i < 1000; i++) {
                Poll.check(both, 2);
                Poll.check(pair[0], Poll.IN);
                pair[0].peek();
            }
            least = Math.min(least, threads.getThreadAllocatedBytes(own) - before);
        }
        assertTrue(least < 1000, least + " bytes for 3,000 checks");
        Support.closeAll(pair);
    }

    @Test
    void peek_distinguishes_data_end_nothing_and_no_connection() throws IOException {
        Descriptor[] pair = Support.streams();
        assertEquals(Descriptor.WOULD_BLOCK, pair[0].peek());
        pair[1].write(new byte[9], 0, 9);
        assertEquals(1, pair[0].peek());
        pair[0].read(new byte[9], 0, 9);
        pair[1].close();
        assertEquals(Descriptor.EOF, pair[0].peek());
        pair[0].close();
        assertThrows(ClosedDescriptorException.class, pair[0]::peek);
        for (String domain : new String[] {"inet", "unix"}) {
            try (Descriptor alone = Sockets.socket(domain, "stream", 0)) {
                assertEquals(Descriptor.NOT_CONNECTED, alone.peek());
            }
        }
    }
}
