package parley.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.channels.ServerSocketChannel;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

@Guarded
class ChildTest {
    /** Says what it is told, and how many sockets it can open when told to try. */
    public static final class Echo {
        /** The child's entry. */
        public static void main(String[] arguments) throws IOException {
            System.out.println("ready " + arguments[0]);
            BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
            for (String line = input.readLine(); line != null; line = input.readLine()) {
                System.out.println(line.equals("open") ? "opened " + open() : "echo " + line);
            }
        }

        private static int open() throws IOException {
            List<ServerSocketChannel> opened = new ArrayList<>();
            try {
                while (opened.size() < 100) {
                    opened.add(ServerSocketChannel.open());
                }
            } catch (IOException e) {
                System.out.println("failed " + e.getMessage());
            }
            for (ServerSocketChannel channel : opened) {
                channel.close();
            }
            return opened.size();
        }
    }

    @Test
    void a_child_talks_stops_goes_on_and_dies() throws Exception {
        try (Child child = Child.java(Echo.class, "argument")) {
            assertEquals("argument", child.answer("ready"));
            child.tell("one");
            assertEquals("echo one", child.line());
            child.stop();
            child.tell("two");
            child.resume();
            assertEquals("echo two", child.line());
            child.kill();
            assertTrue(child.exitCode() != 0);
            AssertionError end = assertThrows(AssertionError.class, child::line);
            assertTrue(end.getMessage().contains("ended"), end.getMessage());
        }
    }

    @Test
    void a_child_is_starved_of_descriptors_and_fed_again() throws Exception {
        assumeTrue(Descriptors.visible());
        try (Child child = Child.java(Echo.class, "x")) {
            child.answer("ready");
            child.tell("open");
            assertEquals("100", child.answer("opened"));
            child.leaveDescriptors(5);
            child.tell("open");
            child.answer("failed");
            int opened = Integer.parseInt(child.answer("opened"));
            assertTrue(opened < 20, opened + " opened"); // about 5: the machine has its own needs
            child.limitDescriptors(4096);
            child.tell("open");
            assertEquals("100", child.answer("opened"));
        }
    }
}
