package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
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
    /** Sets every option that can be set. */
    public static final class SetsOptions {
        private SetsOptions() {}

        /** Needs no arguments. */
        public static void main(String[] args) throws IOException {
            try (Descriptor six = Sockets.socket("inet6", "stream", 0);
                    Descriptor four = Sockets.socket("inet", "stream", 0)) {
                DescriptorOption.IPV6_V6ONLY.set(six, true);
                for (String flag : List.of("so-broadcast", "so-reuseaddr", "so-reuseport",
                        "so-dontroute", "so-keepalive", "so-oobinline", "tcp-nodelay")) {
                    DescriptorOption.of(flag).set(four, true);
                }
                DescriptorOption.TCP_QUICKACK.set(four, false);
                DescriptorOption.SO_LINGER.set(four, 7);
                DescriptorOption.SO_RCVBUF.set(four, 11_111);
                DescriptorOption.SO_SNDBUF.set(four, 22_222);
                DescriptorOption.SO_RCVLOWAT.set(four, 3);
                DescriptorOption.SO_RCVTIMEO.set(four, Duration.ofMillis(1500));
                DescriptorOption.SO_SNDTIMEO.set(four, Duration.ofSeconds(2));
                DescriptorOption.TCP_KEEPIDLE.set(four, 44);
                DescriptorOption.TCP_KEEPINTVL.set(four, 5);
                DescriptorOption.TCP_KEEPCNT.set(four, 6);
                DescriptorOption.TCP_USER_TIMEOUT.set(four, 7777);
                DescriptorOption.IP_TOS.set(four, 16);
                DescriptorOption.IP_TTL.set(four, 33);
            }
        }
    }

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
        command.addAll(List.of(System.getProperty("java.home") + "/bin/java", "-cp",
                Support.classPath(), main.getName()));
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
    void everyOptionReachesTheKernelAsItself(@TempDir Path directory) throws Exception {
        Path trace = directory.resolve("trace");
        strace(trace, SetsOptions.class, "-e", "trace=setsockopt");
        String seen = Files.readString(trace);
        for (String call : List.of("SOL_IPV6, IPV6_V6ONLY, [1], 4) = 0",
                "SOL_SOCKET, SO_BROADCAST, [1], 4) = 0", "SOL_SOCKET, SO_REUSEADDR, [1], 4) = 0",
                "SOL_SOCKET, SO_REUSEPORT, [1], 4) = 0", "SOL_SOCKET, SO_DONTROUTE, [1], 4) = 0",
                "SOL_SOCKET, SO_KEEPALIVE, [1], 4) = 0", "SOL_SOCKET, SO_OOBINLINE, [1], 4) = 0",
                "SOL_TCP, TCP_NODELAY, [1], 4) = 0", "SOL_TCP, TCP_QUICKACK, [0], 4) = 0",
                "SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=7}, 8) = 0",
                "SOL_SOCKET, SO_RCVBUF, [11111], 4) = 0", "SOL_SOCKET, SO_SNDBUF, [22222], 4) = 0",
                "SOL_SOCKET, SO_RCVLOWAT, [3], 4) = 0", "SOL_TCP, TCP_KEEPIDLE, [44], 4) = 0",
                "SOL_TCP, TCP_KEEPINTVL, [5], 4) = 0", "SOL_TCP, TCP_KEEPCNT, [6], 4) = 0",
                "SOL_TCP, TCP_USER_TIMEOUT, [7777], 4) = 0", "SOL_IP, IP_TTL, [33], 4) = 0")) {
            assertTrue(seen.contains(call), call + " is not in\n" + seen);
        }
        assertTrue(seen.matches("(?s).*SO_RCVTIMEO\\S*, \"\\\\1\\\\0.*"
                + "|.*SO_RCVTIMEO\\S*, \\{tv_sec=1, tv_usec=500000\\}, 16\\) = 0.*"), seen);
        assertTrue(seen.matches("(?s).*SO_SNDTIMEO\\S*, \\{tv_sec=2, tv_usec=0\\}, 16\\) = 0.*"
                + "|.*SO_SNDTIMEO\\S*, \"\\\\2\\\\0.*"), seen);
        assertTrue(seen.matches("(?s).*SOL_IP, IP_TOS, \\[(16|0x10)\\], 4\\) = 0.*"), seen);
    }

    @Test
    void raw4ASystemCallThatASignalInterruptsIsMadeAgainForTheTimeThatIsLeft(
            @TempDir Path directory) throws Exception {
        List<String> printed = strace(directory.resolve("trace"), Waits.class,
                "-e", "trace=poll,recvfrom,read", "-e", "inject=poll:error=EINTR:when=1+2",
                "-e", "inject=recvfrom:error=EINTR:when=1");
        long took = Long.parseLong(printed.get(0));
        assertTrue(took >= 300 && took < 10_000, took + " ms");
        assertEquals("0 1 1", printed.get(1));
    }
}
