package parley.net.tls;

import java.net.IDN;
import java.util.regex.Pattern;

/** Names of hosts, as certificates have them. */
final class HostName {
    private static final Pattern ADDRESS = Pattern.compile("[0-9.]+|.*:.*");
    private static final String LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?";
    private static final Pattern NAME = Pattern.compile(LABEL + "([.]" + LABEL + ")*");

    private HostName() {
    }

    /**
     * A host without brackets, zone and final dot, in ASCII; null when there is none, as of a path.
     */
    static String bare(String host) {
        if (host == null || host.isEmpty() || host.startsWith("/")) {
            return null;
        }
        String name = host.startsWith("[") && host.endsWith("]")
                ? host.substring(1, host.length() - 1) : host;
        if (name.contains(":")) {
            return name.replaceFirst("%.*", "");
        }
        name = name.endsWith(".") ? name.substring(0, name.length() - 1) : name;
        try {
            return IDN.toASCII(name);
        } catch (IllegalArgumentException e) {
            return name; // no name of the Internet: no certificate matches it
        }
    }

    /** True for an address of IPv4 or IPv6. */
    static boolean isAddress(String bare) {
        return ADDRESS.matcher(bare).matches();
    }

    /** True for a name that can be asked for. */
    static boolean isName(String bare) {
        return bare != null && !isAddress(bare) && NAME.matcher(bare).matches();
    }
}
