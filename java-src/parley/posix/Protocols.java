package parley.posix;

import com.sun.jna.Pointer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;
import java.util.function.LongUnaryOperator;
import jnr.constants.platform.IPProto;

/**
 * Protocols and networks: their numbers by their names in the C headers, and the system's lists of
 * them ({@code /etc/protocols}, {@code /etc/networks}). The C functions write entries of the lists
 * to one place for all threads, so one such call is made at a time.
 *
 * <pre>{@code
 * Protocols.protocol("tcp").number(); // 6
 * Protocols.number("icmp");           // 1
 * }</pre>
 */
public final class Protocols {
    /** The protocols of Ethernet frames, from Linux's {@code if_ether.h}, in host order. */
    private static final Map<String, Integer> ETHER = Map.ofEntries(
            Map.entry("eth-p-loop", 0x0060), Map.entry("eth-p-pup", 0x0200),
            Map.entry("eth-p-ip", 0x0800), Map.entry("eth-p-x25", 0x0805),
            Map.entry("eth-p-arp", 0x0806), Map.entry("eth-p-rarp", 0x8035),
            Map.entry("eth-p-atalk", 0x809b), Map.entry("eth-p-aarp", 0x80f3),
            Map.entry("eth-p-8021q", 0x8100), Map.entry("eth-p-ipx", 0x8137),
            Map.entry("eth-p-ipv6", 0x86dd), Map.entry("eth-p-ppp-disc", 0x8863),
            Map.entry("eth-p-ppp-ses", 0x8864), Map.entry("eth-p-802-3", 0x0001),
            Map.entry("eth-p-all", 0x0003), Map.entry("eth-p-802-2", 0x0004));

    private static final StackSafeLock LOCK = new StackSafeLock(); // of the lists

    private Protocols() {}

    /**
     * {@return the number that socket(2) takes}
     *
     * @param name {@code ipproto-icmp} or {@code icmp}; {@code eth-p-arp}, which comes out in
     *     network order, as packet sockets want it
     * @throws IllegalArgumentException for an unknown name; the message lists the known ones
     * @throws UnsupportedOperationException without the C library
     */
    public static int number(String name) {
        Integer ether = ETHER.get(name);
        if (ether != null) {
            return Short.toUnsignedInt(networkOrder(ether.shortValue()));
        }
        Posix.require("protocol " + name);
        Integer found = internet().get(name.startsWith("ipproto-") ? name : "ipproto-" + name);
        if (found == null) {
            throw new IllegalArgumentException("protocol: unknown protocol " + name
                    + ", known are " + String.join(" ", internet().keySet()) + " "
                    + String.join(" ", new TreeMap<>(ETHER).keySet()));
        }
        return found;
    }

    private static Map<String, Integer> internet() {
        Map<String, Integer> all = new TreeMap<>();
        for (IPProto protocol : IPProto.values()) {
            if (protocol.defined()) {
                all.put(protocol.name().toLowerCase(Locale.ROOT).replace('_', '-'),
                        protocol.intValue());
            }
        }
        return all;
    }

    /**
     * Swaps the bytes of 16 bits where the machine is little-endian: htons(3), ntohs(3).
     *
     * @return the number in the order of the network
     */
    public static short networkOrder(short number) {
        boolean little = java.nio.ByteOrder.nativeOrder() == java.nio.ByteOrder.LITTLE_ENDIAN;
        return little ? Short.reverseBytes(number) : number;
    }

    /**
     * Swaps the bytes of 32 bits where the machine is little-endian: htonl(3), ntohl(3).
     *
     * @return the number in the order of the network
     */
    public static int networkOrder(int number) {
        boolean little = java.nio.ByteOrder.nativeOrder() == java.nio.ByteOrder.LITTLE_ENDIAN;
        return little ? Integer.reverseBytes(number) : number;
    }

    // ---- the system's lists

    /**
     * A protocol.
     *
     * @param name its official name
     * @param aliases its other names
     * @param number its number in headers of IP
     */
    public record Protocol(String name, List<String> aliases, int number) {}

    /**
     * A network.
     *
     * @param name its official name
     * @param aliases its other names
     * @param family its address family
     * @param number its number
     */
    public record Network(String name, List<String> aliases, String family, int number) {}

    /** {@return the protocol of a name, {@code icmp}, or null} */
    public static Protocol protocol(String name) {
        Posix.require("getprotobyname");
        return protocolAt(() -> withText("getprotobyname", name, LibC::getprotobyname));
    }

    /** {@return the protocol of a number, or null} */
    public static Protocol protocol(int number) {
        Posix.require("getprotobynumber");
        return protocolAt(() -> LibC.getprotobynumber(number));
    }

    /** Lists all protocols, in the order of the file. */
    public static List<Protocol> protocols() {
        Posix.require("getprotoent");
        return all(() -> LibC.setprotoent(1), LibC::getprotoent, LibC::endprotoent,
                Protocols::readProtocol);
    }

    /** {@return the network of a name, or null} */
    public static Network network(String name) {
        Posix.require("getnetbyname");
        return one(() -> withText("getnetbyname", name, LibC::getnetbyname),
                Protocols::readNetwork);
    }

    /**
     * {@return the network of a number and an address family such as {@code inet}, or null}
     *
     * @param family an address family such as {@code inet}
     */
    public static Network network(int number, String family) {
        Posix.require("getnetbyaddr");
        int domain = SocketTypes.domain(family);
        return one(() -> LibC.getnetbyaddr(number, domain), Protocols::readNetwork);
    }

    /** Lists all networks, in the order of the file. */
    public static List<Network> networks() {
        Posix.require("getnetent");
        return all(() -> LibC.setnetent(1), LibC::getnetent, LibC::endnetent,
                Protocols::readNetwork);
    }

    private static Protocol protocolAt(LongSupplier call) {
        return one(call, Protocols::readProtocol);
    }

    private static <T> T one(LongSupplier call, LongFunction<T> reader) {
        LOCK.lock();
        try {
            long found = call.getAsLong();
            return found == 0 ? null : reader.apply(found);
        } finally {
            LOCK.unlock();
        }
    }

    private static <T> List<T> all(
            Runnable begin, LongSupplier next, Runnable end, LongFunction<T> reader) {
        List<T> all = new ArrayList<>();
        LOCK.lock();
        try {
            begin.run();
            for (long at = next.getAsLong(); at != 0; at = next.getAsLong()) {
                all.add(reader.apply(at));
            }
            end.run();
        } finally {
            LOCK.unlock();
        }
        return List.copyOf(all);
    }

    private static long withText(String what, String text, LongUnaryOperator call) {
        byte[] bytes = NativeBuffer.encoded(what, text);
        try (NativeBuffer buffer = NativeBuffer.take(bytes.length + 1)) {
            buffer.putText(0, bytes);
            return call.applyAsLong(buffer.address);
        }
    }

    private static Protocol readProtocol(long at) {
        Pointer entry = new Pointer(at);
        return new Protocol(NativeBuffer.text(entry.getLong(0)), NativeBuffer.texts(entry.getLong(8)),
                entry.getInt(16));
    }

    private static Network readNetwork(long at) {
        Pointer entry = new Pointer(at);
        return new Network(NativeBuffer.text(entry.getLong(0)), NativeBuffer.texts(entry.getLong(8)),
                SocketTypes.domainName(entry.getInt(16)), entry.getInt(20));
    }

    /** The names of socket domains and types, with their numbers on this platform. */
    static final class SocketTypes {
        private static final Map<String, Integer> TYPES = new LinkedHashMap<>(); // filled once, below
        private static final Map<String, Integer> DOMAINS = new LinkedHashMap<>(); // filled once, below

        static {
            TYPES.put("stream", Constants.SOCK_STREAM);
            TYPES.put("dgram", Constants.SOCK_DGRAM);
            TYPES.put("raw", Constants.SOCK_RAW);
            TYPES.put("rdm", Constants.SOCK_RDM);
            TYPES.put("seqpacket", Constants.SOCK_SEQPACKET);
            DOMAINS.put("unspec", Constants.AF_UNSPEC);
            DOMAINS.put("inet", Constants.AF_INET);
            DOMAINS.put("inet6", Constants.AF_INET6);
            DOMAINS.put("unix", Constants.AF_UNIX);
            if (Posix.LINUX) {
                DOMAINS.put("packet", Constants.AF_PACKET);
            }
        }

        private SocketTypes() {}

        /** The name of a type's number, or the number itself as text. */
        static String name(int type) {
            return nameIn(TYPES, type);
        }

        /** The name of a domain's number, or the number itself as text. */
        static String domainName(int domain) {
            return nameIn(DOMAINS, domain);
        }

        static int type(String name) {
            return numberIn(TYPES, "type", name);
        }

        static int domain(String name) {
            return numberIn(DOMAINS, "domain", name);
        }

        private static String nameIn(Map<String, Integer> names, int number) {
            return names.entrySet().stream().filter(e -> e.getValue() == number)
                    .map(Map.Entry::getKey).findFirst().orElse(Integer.toString(number));
        }

        private static int numberIn(Map<String, Integer> names, String what, String name) {
            Integer found = names.get(name);
            if (found == null && name != null && name.matches("\\d{1,9}")) {
                return Integer.parseInt(name);
            }
            if (found == null) {
                throw new IllegalArgumentException("socket: unknown " + what + " " + name
                        + ", known on " + Posix.platform() + " are "
                        + String.join(" ", names.keySet()));
            }
            return found;
        }
    }
}
