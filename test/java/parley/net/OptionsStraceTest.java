package parley.net;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import parley.posix.DescriptorOption;
import parley.posix.Handles;
import parley.posix.Sockets;
import parley.testing.Child;
import parley.testing.Traced;

/**
 * Every option of {@code socket-options}, on a stream, a server and a raw socket: what setsockopt
 * and getsockopt really did in a child, as strace sees and names it.
 */
@Timeout(180)
class OptionsStraceTest {
    private static final Pattern HOLE = Pattern.compile("«(.*?)»");

    /**
     * An option, what it is set to or null, and how strace shows that, set and as it is read after;
     * in angles what is not literal.
     */
    private record Option(String key, Object value, String set, String read) {
        static Option flag(String key, String name) {
            return number(key, name, true, 1, 1);
        }

        static Option number(String key, String name, int value) {
            return number(key, name, value, value, value);
        }

        static Option number(String key, String name, Object value, int set, int read) {
            return new Option(key, value, "setsockopt(«\\d+», " + name + ", [" + set + "], 4) = 0",
                    "getsockopt(«\\d+», " + name + ", [" + read + "], [4]) = 0");
        }

        static Option time(String key, String name, Duration value, String shown) {
            String text = name + "«(?:_OLD)?», " + shown;
            return new Option(key, value, "setsockopt(«\\d+», " + text + ", 16) = 0",
                    "getsockopt(«\\d+», " + text + ", [16]) = 0");
        }

        static Option read(String key, String shown) {
            return new Option(key, null, null, "getsockopt(«\\d+», " + shown + ", [4]) = 0");
        }
    }

    private static final List<Option> SETTABLE = List.of(
            // a privilege of the administrator's
            new Option("so-debug", true,
                    "setsockopt(«\\d+», SOL_SOCKET, SO_DEBUG, [1], 4) = «0|-1 EACCES.*»",
                    "getsockopt(«\\d+», SOL_SOCKET, SO_DEBUG, [«[01]»], [4]) = 0"),
            Option.flag("so-broadcast", "SOL_SOCKET, SO_BROADCAST"),
            Option.flag("so-reuseaddr", "SOL_SOCKET, SO_REUSEADDR"),
            Option.flag("so-reuseport", "SOL_SOCKET, SO_REUSEPORT"),
            Option.flag("so-dontroute", "SOL_SOCKET, SO_DONTROUTE"),
            Option.flag("so-keepalive", "SOL_SOCKET, SO_KEEPALIVE"),
            new Option("so-linger", 7,
                    "setsockopt(«\\d+», SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=7}, 8) = 0",
                    "getsockopt(«\\d+», SOL_SOCKET, SO_LINGER, {l_onoff=1, l_linger=7}, [8]) = 0"),
            Option.flag("so-oobinline", "SOL_SOCKET, SO_OOBINLINE"),
            Option.number("so-rcvbuf", "SOL_SOCKET, SO_RCVBUF", 11_111, 11_111, 22_222),
            Option.number("so-sndbuf", "SOL_SOCKET, SO_SNDBUF", 22_222, 22_222, 44_444),
            Option.number("so-rcvlowat", "SOL_SOCKET, SO_RCVLOWAT", 3),
            Option.time("so-rcvtimeo", "SOL_SOCKET, SO_RCVTIMEO", Duration.ofMillis(1500),
                    "«\"\\\\1\\\\0.*\"|\\{tv_sec=1, tv_usec=500000\\}»"),
            Option.time("so-sndtimeo", "SOL_SOCKET, SO_SNDTIMEO", Duration.ofSeconds(2),
                    "«\"\\\\2\\\\0.*\"|\\{tv_sec=2, tv_usec=0\\}»"),
            Option.flag("tcp-nodelay", "SOL_TCP, TCP_NODELAY"),
            Option.number("tcp-keepidle", "SOL_TCP, TCP_KEEPIDLE", 44),
            Option.number("tcp-keepintvl", "SOL_TCP, TCP_KEEPINTVL", 5),
            Option.number("tcp-keepcnt", "SOL_TCP, TCP_KEEPCNT", 6),
            Option.number("tcp-quickack", "SOL_TCP, TCP_QUICKACK", false, 0, 0),
            Option.number("tcp-user-timeout", "SOL_TCP, TCP_USER_TIMEOUT", 7777),
            new Option("ip-tos", 16, "setsockopt(«\\d+», SOL_IP, IP_TOS, [«16|0x10»], 4) = 0",
                    "getsockopt(«\\d+», SOL_IP, IP_TOS, [«16|0x10»], [4]) = 0"),
            Option.number("ip-ttl", "SOL_IP, IP_TTL", 33));

    private static final List<Option> READ_OF_A_RAW_SOCKET = List.of(
            Option.read("so-acceptconn", "SOL_SOCKET, SO_ACCEPTCONN, [0]"),
            Option.read("so-type", "SOL_SOCKET, SO_TYPE, [«1|SOCK_STREAM»]"),
            Option.read("so-sndlowat", "SOL_SOCKET, SO_SNDLOWAT, [1]"),
            Option.read("so-error", "SOL_SOCKET, SO_ERROR, [0]"));

    private static final List<Option> OF_A_SERVER = List.of(
            Option.read("so-acceptconn", "SOL_SOCKET, SO_ACCEPTCONN, [1]"));

    private static final List<Option> OF_A_RESET_SOCKET = List.of(
            Option.read("so-error", "SOL_SOCKET, SO_ERROR, [«104|ECONNRESET»]"));

    private static final List<Option> OF_A_SOCKET_OF_IP_6 =
            List.of(Option.flag("ipv6-v6only", "SOL_IPV6, IPV6_V6ONLY"));

    private static final Map<String, List<Option>> OBJECTS = Map.of(
            "stream", SETTABLE, "server", SETTABLE, "raw socket", SETTABLE,
            "raw socket asked", READ_OF_A_RAW_SOCKET, "server asked", OF_A_SERVER,
            "raw socket of IP version 6", OF_A_SOCKET_OF_IP_6,
            "stream that was reset", OF_A_RESET_SOCKET);

    /** Sets and reads them all, with a mark before each. */
    @SuppressWarnings("try") // closing early is what resets
    public static final class Asking {
        private Asking() {}

        /** Needs the file to wait for. */
        public static void main(String[] args) throws Exception {
            Traced.begin(args[0]);
            int four = Handles.register(Sockets.socket("inet", "stream", 0));
            int six = Handles.register(Sockets.socket("inet6", "stream", 0));
            Pollable raw = Pollable.of(four);
            try (SocketServer server = SocketServer.listen(
                            ServerOptions.builder().host("127.0.0.1").port(0).build());
                    SocketStream stream = SocketStream.connect(
                            server.localAddress(), StreamOptions.builder().build());
                    SocketStream accepted = server.accept(StreamOptions.builder().build())) {
                ask("stream", stream);
                ask("server", server);
                ask("raw socket", raw);
                ask("raw socket asked", raw);
                ask("server asked", server);
                ask("raw socket of IP version 6", Pollable.of(six));
                SocketOptions.set(accepted, DescriptorOption.SO_LINGER, 0);
                accepted.close();
                ask("stream that was reset", stream);
            } finally {
                Handles.close(four);
                Handles.close(six);
            }
        }

        private static void ask(String name, Pollable object) throws IOException {
            for (Option option : OBJECTS.get(name)) {
                Traced.mark(name + "/" + option.key);
                DescriptorOption which = DescriptorOption.of(option.key);
                if (option.value != null) {
                    set(object, which, option.value);
                }
                SocketOptions.get(object, which);
            }
        }

        private static void set(Pollable object, DescriptorOption which, Object value)
                throws IOException {
            try {
                SocketOptions.set(object, which, value);
            } catch (IOException e) {
                if (which != DescriptorOption.SO_DEBUG) {
                    throw e;
                }
                System.out.println(e);
            }
        }
    }

    @Test
    void every_option_reaches_the_kernel_as_itself_and_is_read_back(@TempDir Path directory)
            throws Exception {
        Map<String, String> found = new HashMap<>();
        try (Child child = Child.java(Asking.class, Traced.go(directory).toString())) {
            String step = "";
            for (String line : Traced.log(child, directory, "setsockopt,getsockopt", false)) {
                step = Objects.requireNonNullElse(Traced.markOf(line), step);
                found.merge(step, line + "\n", String::concat);
            }
        }
        Set<String> seen = new HashSet<>();
        OBJECTS.forEach((object, options) -> {
            for (Option option : options) {
                assertShown(option, object, found.get(object + "/" + option.key));
                seen.add(option.key);
            }
        });
        assertEquals(Stream.of(DescriptorOption.values()).map(DescriptorOption::key)
                .collect(Collectors.toSet()), seen, "the whole list");
    }

    /** Set, if it can be, and later read as it is then. */
    private static void assertShown(Option option, String object, String calls) {
        String expected = (option.set == null ? "" : pattern(option.set) + ".*")
                + pattern(option.read);
        assertTrue(Pattern.compile(expected, Pattern.DOTALL).matcher(calls).find(),
                () -> object + ": " + option + " is not in\n" + calls);
    }

    private static String pattern(String shown) {
        StringBuilder pattern = new StringBuilder();
        Matcher holes = HOLE.matcher(shown);
        int at = 0;
        while (holes.find()) {
            pattern.append(Pattern.quote(shown.substring(at, holes.start())))
                    .append("(?:").append(holes.group(1)).append(')');
            at = holes.end();
        }
        return pattern.append(Pattern.quote(shown.substring(at))).toString();
    }
}
