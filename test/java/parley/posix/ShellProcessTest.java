package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static parley.posix.Support.SECOND;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.channels.ServerSocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import parley.testing.Leaks;

@Timeout(180)
class ShellProcessTest {
    private static String readAll(Descriptor from) throws IOException {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        byte[] some = new byte[1000];
        int n = 0;
        while (n != Descriptor.EOF) {
            assertTrue(from.await(Poll.IN, 10 * SECOND) != 0, "output within ten seconds");
            n = from.read(some, 0, some.length);
            all.write(some, 0, Math.max(0, n));
        }
        return all.toString(StandardCharsets.UTF_8);
    }

    @Test
    void what_it_writes_is_read_and_its_status_known() throws Exception {
        try (ShellProcess shell = ShellProcess.start("echo hello; exit 7", true, false)) {
            assertNull(shell.output());
            assertEquals("hello\n", readAll(shell.input()));
            assertEquals(7, shell.waitFor(10 * SECOND));
            assertEquals(7, shell.exitStatus());
        }
    }

    @Test
    void it_works_both_ways() throws Exception {
        try (ShellProcess shell = ShellProcess.start("tr a-z A-Z", true, true)) {
            assertEquals(Descriptor.WOULD_BLOCK, shell.input().read(new byte[1], 0, 1));
            byte[] text = "parley".getBytes(StandardCharsets.UTF_8);
            assertEquals(6, shell.output().write(text, 0, 6));
            shell.output().close();
            assertEquals("PARLEY", readAll(shell.input()));
            assertEquals(0, shell.waitFor(10 * SECOND));
        }
    }

    @Test
    void a_full_pipe_would_block() throws Exception {
        try (ShellProcess shell = ShellProcess.start("read x; cat > /dev/null", false, true)) {
            byte[] block = new byte[100_000];
            Arrays.fill(block, (byte) 'x');
            int n = shell.output().write(block, 0, block.length);
            while (n > 0) {
                n = shell.output().write(block, 0, block.length);
            }
            assertEquals(Descriptor.WOULD_BLOCK, n);
            shell.kill(true);
            assertEquals(137, shell.waitFor(10 * SECOND));
        }
    }

    @Test
    void closing_ends_a_command_that_reads_and_no_zombie_stays() throws Exception {
        ShellProcess shell = ShellProcess.start("cat > /dev/null", false, true);
        assertTrue(shell.isAlive());
        assertNull(shell.exitStatus());
        shell.close();
        assertEquals(0, shell.waitFor(10 * SECOND));
        Support.eventually("the process is gone",
                () -> !Files.exists(Path.of("/proc/" + shell.pid())));
    }

    @Test
    void the_command_inherits_only_its_three_descriptors() throws Exception {
        try (ServerSocketChannel server = ServerSocketChannel.open()) {
            server.bind(new InetSocketAddress("127.0.0.1", 0));
            Descriptor[] pair = Support.streams();
            try (ShellProcess shell = ShellProcess.start("ls /proc/$$/fd", true, true)) {
                assertEquals("0\n1\n2\n", readAll(shell.input()));
            }
            Support.closeAll(pair);
        }
    }

    @Test
    void starting_and_closing_leaves_no_descriptor() throws Exception {
        Leaks before = Leaks.snapshotBut("process reaper");
        for (int i = 0; i < 10; i++) {
            ShellProcess shell = ShellProcess.start("true", true, true);
            shell.waitFor(10 * SECOND);
            shell.close();
        }
        before.assertBack();
    }
}
