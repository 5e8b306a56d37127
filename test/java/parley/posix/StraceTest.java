package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** What the kernel is asked for, as strace sees it, and what comes of a system call that fails. */
@Timeout(120)
class StraceTest {
    /** Waits for what does not come, then for what comes. */
    public static final class Waits {
        private Waits() {}

        /** Prints how long the first wait took, in milliseconds, and what the others found. */
        public static void main(String[] args) throws IOException {
            Descriptor[] pair = Sockets.socketpair("unix", "stream", 0);
            long start = System.nanoTime();
            int none = pair[0].await(Poll.IN, Duration.ofMillis(300).toNanos());
            System.out.println((System.nanoTime() - start) / 1_000_000);
            pair[1].write(new byte[] {1}, 0, 1);
            System.out.println(none + " " + pair[0].await(Poll.IN, Long.MAX_VALUE) + " "
                    + pair[0].read(new byte[4], 0, 4));
        }
    }

    private static List<String> strace(Path trace, Class<?> main, String... options)
            throws Exception {
        List<String> command = new ArrayList<>(List.of("strace", "-f", "-qq", "-o",
                trace.toString()));
        command.addAll(List.of(options));
        command.addAll(Support.java());
        command.addAll(List.of("-cp", Support.classPath(), main.getName()));
        Process process = new ProcessBuilder(command)
                .redirectInput(new java.io.File("/dev/null"))
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String printed =
                new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(process.waitFor(60, TimeUnit.SECONDS));
        assertEquals(0, process.exitValue());
        return printed.lines().toList();
    }

    @Test
    void RAW_4_a_system_call_that_a_signal_interrupts_is_made_again_for_the_time_that_is_left(
            @TempDir Path directory) throws Exception {
        List<String> printed = strace(directory.resolve("trace"), Waits.class,
                "-e", "trace=poll,recvfrom,read", "-e", "inject=poll:error=EINTR:when=1+2",
                "-e", "inject=recvfrom:error=EINTR:when=1");
        long took = Long.parseLong(printed.get(0));
        assertTrue(took >= 300 && took < 10_000, took + " ms");
        assertEquals("0 1 1", printed.get(1));
    }
}
