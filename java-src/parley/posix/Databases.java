package parley.posix;

import com.sun.jna.Pointer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongFunction;
import java.util.function.LongSupplier;
import java.util.function.LongUnaryOperator;
import parley.posix.Protocols.SocketTypes;

/**
 * The system's lists of protocols and networks ({@code /etc/protocols}, {@code /etc/networks}). The
 * C functions write their results to one place for all threads, so one call is made at a time.
 */
public final class Databases {
    private static final ReentrantLock LOCK = new StackSafeLock();

    private Databases() {}

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
                Databases::readProtocol);
    }

    /** {@return the network of a name, or null} */
    public static Network network(String name) {
        Posix.require("getnetbyname");
        return one(() -> withText("getnetbyname", name, LibC::getnetbyname),
                Databases::readNetwork);
    }

    /**
     * {@return the network of a number and an address family such as {@code inet}, or null}
     *
     * @param family an address family such as {@code inet}
     */
    public static Network network(int number, String family) {
        Posix.require("getnetbyaddr");
        int domain = SocketTypes.domain(family);
        return one(() -> LibC.getnetbyaddr(number, domain), Databases::readNetwork);
    }

    /** Lists all networks, in the order of the file. */
    public static List<Network> networks() {
        Posix.require("getnetent");
        return all(() -> LibC.setnetent(1), LibC::getnetent, LibC::endnetent,
                Databases::readNetwork);
    }

    private static Protocol protocolAt(LongSupplier call) {
        return one(call, Databases::readProtocol);
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
}
