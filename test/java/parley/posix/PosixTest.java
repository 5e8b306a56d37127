package parley.posix;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import parley.testing.Child;

@Timeout(180)
class PosixTest {
    /** What a program sees on a platform where nothing here works. */
    public static final class Elsewhere {
        private Elsewhere() {}

        /** Prints whether there is a C library, and what two functions say. */
        public static void main(String[] args) throws IOException {
            System.out.println(Posix.available());
            for (Runnable call : List.<Runnable>of(Elsewhere::pipe, Elsewhere::borrow)) {
                try {
                    call.run();
                } catch (UnsupportedOperationException e) {
                    System.out.println(e.getMessage());
                }
            }
        }

        private static void borrow() {
            try {
                Descriptor.borrow(0);
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }

        private static void pipe() {
            try {
                Descriptor.pipe();
            } catch (IOException e) {
                throw new AssertionError(e);
            }
        }
    }

    /** An interrupt that comes while the C library is loaded. */
    public static final class Interrupted {
        private Interrupted() {}

        /** Prints whether there is a C library, and whether the thread still is interrupted. */
        public static void main(String[] args) {
            Thread.currentThread().interrupt();
            System.out.println("loaded " + Posix.available());
            System.out.println("interrupted " + Thread.currentThread().isInterrupted());
        }
    }

    @Test
    void an_interrupt_while_it_is_loaded_is_kept() throws Exception {
        try (Child child = Child.java(Interrupted.class)) {
            assertEquals("true", child.answer("loaded"));
            assertEquals("true", child.answer("interrupted"));
        }
    }

    private static List<String> elsewhere(String option, String... without) throws Exception {
        List<String> parts = new ArrayList<>(List.of(Support.classPath().split(":")));
        for (String jar : without) {
            assertTrue(parts.removeIf(part -> part.contains("/" + jar)), jar);
        }
        List<String> command = Support.java();
        command.addAll(List.of(option, "-cp", String.join(":", parts), Elsewhere.class.getName()));
        Process java = new ProcessBuilder(command)
                .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        String printed =
                new String(java.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertTrue(java.waitFor(30, TimeUnit.SECONDS));
        return printed.lines().toList();
    }

    private static void assertMissing(List<String> printed, String reason) {
        assertEquals(3, printed.size(), printed.toString());
        assertEquals("false", printed.get(0));
        String start = ": needs the C library of Linux or macOS, which cannot be used because ";
        assertTrue(printed.get(1).startsWith("Descriptor.pipe" + start + reason), printed.get(1));
        assertTrue(printed.get(2).startsWith("Descriptor" + start + reason),
                printed.get(2));
    }

    @Test
    void it_is_available_here() {
        assertTrue(Posix.available());
        assertNull(Posix.reason());
        assertEquals("Linux", Posix.platform());
    }

    @Test
    void on_windows_it_names_what_is_missing() throws Exception {
        assertMissing(elsewhere("-Dos.name=Windows 11"), "this is Windows 11 on ");
    }

    @Test
    void without_its_libraries_it_names_what_is_missing() throws Exception {
        String missing = "JNA or jnr-constants is missing; add ";
        String jna = "net.java.dev.jna:jna";
        String constants = "com.github.jnr:jnr-constants";
        String end = " to the class path";
        assertMissing(elsewhere("-Dx=y", "jna-"), missing + jna + end);
        assertMissing(elsewhere("-Dx=y", "jnr-constants-"), missing + constants + end);
        assertMissing(elsewhere("-Dx=y", "jna-", "jnr-constants-"), missing + jna + " and " + constants + end);
    }

    @Test
    void it_can_be_turned_off() throws Exception {
        assertMissing(elsewhere("-Dparley.posix=off"),
                "the system property parley.posix is off");
    }
}
