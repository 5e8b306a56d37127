package parley.posix;

import java.util.LinkedHashMap;
import java.util.Map;

/** The names of socket domains and types, with their numbers on this platform. */
final class SocketTypes {
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
        if (Constants.LINUX) {
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
