package parley.posix;

import com.sun.jna.Pointer;
import java.io.IOException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import jnr.constants.platform.InterfaceInfo;

/**
 * The network interfaces of this machine: getifaddrs(3) and if_nameindex(3).
 *
 * <pre>{@code
 * for (Interfaces.Entry each : Interfaces.all()) {
 *     System.out.println(each.name() + " " + each.address()); // lo 127.0.0.1:0
 * }
 * }</pre>
 */
public final class Interfaces {
    /** Apart, since jnr-constants must be there for it. */
    private static final class Flags {
        static final Map<String, Integer> ALL = all();

        private static Map<String, Integer> all() {
            Map<String, Integer> flags = new LinkedHashMap<>();
            for (InterfaceInfo flag : InterfaceInfo.values()) {
                if (flag.defined() && Integer.bitCount(flag.intValue()) == 1) {
                    flags.put(flag.name().substring("IFF_".length()).toLowerCase(Locale.ROOT)
                            .replace('_', '-'), flag.intValue());
                }
            }
            if (Posix.LINUX) {
                flags.put("lower-up", 1 << 16);
                flags.put("dormant", 1 << 17);
            }
            return flags;
        }
    }

    private Interfaces() {}

    /**
     * One address of one interface; an interface may have several.
     *
     * @param name such as {@code lo}
     * @param flags such as {@code up}, {@code running}, {@code loopback}
     * @param address the address, or null
     * @param netmask its mask, or null
     * @param destination the broadcast address or the other end's, or null
     */
    public record Entry(String name, Set<String> flags, SockAddr address, SockAddr netmask,
            SockAddr destination) {}

    /** {@return the names of all flags that an entry can have on this platform} */
    public static Set<String> knownFlags() {
        Posix.require("getifaddrs");
        return Flags.ALL.keySet();
    }

    /** Lists all addresses of all interfaces, in the order of the system. */
    public static List<Entry> all() throws IOException {
        Posix.require("getifaddrs");
        try (NativeBuffer result = NativeBuffer.take(8)) {
            Posix.check(LibC.getifaddrs(result.address), "getifaddrs");
            long list = result.bytes.getLong(0);
            try {
                return collect(list);
            } finally {
                LibC.freeifaddrs(list);
            }
        }
    }

    private static List<Entry> collect(long list) {
        List<Entry> all = new ArrayList<>();
        for (long at = list; at != 0; at = new Pointer(at).getLong(0)) {
            Pointer entry = new Pointer(at);
            int flags = entry.getInt(16);
            boolean hasOther = (flags & (InterfaceInfo.IFF_BROADCAST.intValue()
                    | InterfaceInfo.IFF_POINTOPOINT.intValue())) != 0;
            all.add(new Entry(NativeBuffer.text(entry.getLong(8)), names(flags),
                    address(entry.getLong(24)), address(entry.getLong(32)),
                    hasOther ? address(entry.getLong(40)) : null));
        }
        return List.copyOf(all);
    }

    private static Set<String> names(int flags) {
        Set<String> names = new LinkedHashSet<>();
        Flags.ALL.forEach((name, bit) -> {
            if ((flags & bit) != 0) {
                names.add(name);
            }
        });
        return Set.copyOf(names);
    }

    private static SockAddr address(long at) {
        if (at == 0) {
            return null;
        }
        Pointer address = new Pointer(at);
        int size = Posix.LINUX
                ? sizeOf(address.getShort(0) & 0xffff)
                : Math.max(2, address.getByte(0) & 0xff);
        return SockAddr.ofKernel(address.getByteArray(0, size));
    }

    /** Linux does not store the length of an address, but each family has one size. */
    private static int sizeOf(int family) {
        if (family == Constants.AF_INET6) {
            return 28;
        }
        return family == Constants.AF_PACKET ? 20 : 16;
    }

    /** {@return the index and the name of each interface} */
    public static Map<Integer, String> nameIndex() throws IOException {
        Posix.require("if_nameindex");
        long list = LibC.if_nameindex();
        if (list == 0) {
            throw new PosixException(LibC.errno(), "if_nameindex");
        }
        try {
            Map<Integer, String> names = new LinkedHashMap<>();
            Pointer entry = new Pointer(list);
            for (long at = 0; entry.getInt(at) != 0; at += 16) {
                names.put(entry.getInt(at), NativeBuffer.text(entry.getLong(at + 8)));
            }
            return names;
        } finally {
            LibC.if_freenameindex(list);
        }
    }
}
