package parley.net.tls;

import java.net.IDN;
import java.nio.file.Path;
import java.security.NoSuchAlgorithmException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;

/**
 * The values of {@link TlsOptions}, and the checks of them; {@link TlsOptions.Builder} sets them.
 */
abstract class TlsSettings implements Cloneable {
    private static final Duration HANDSHAKE_TIMEOUT = Duration.ofSeconds(10);
    private static final List<String> PROTOCOLS = List.of("TLSv1.3", "TLSv1.2");

    final String operation;
    final boolean clojure;
    SSLContext context;
    Object cert; // a Path or a String of PEM, as key and ca
    Object key;
    char[] keyPassword;
    Object ca;
    Object keystore; // a Path or a KeyStore
    char[] keystorePassword;
    Boolean clientAuth; // true: required, false: asked for, null: neither
    String serverName;
    boolean verifyHost = true;
    List<String> alpn = List.of();
    List<String> protocols = PROTOCOLS;
    List<String> ciphers; // null: the strong ones
    Duration handshakeTimeout = HANDSHAKE_TIMEOUT;
    Map<String, TlsOptions> sni = new LinkedHashMap<>(); // names in lower case

    TlsSettings(String operation, boolean clojure) {
        this.operation = operation;
        this.clojure = clojure;
    }

    void check() {
        if (context != null && (files().hasCertificate() || ca != null || !sni.isEmpty())) {
            throw wrong("context", "given besides certificates", "either of them");
        } else if (cert == null && key != null) {
            throw wrong("key", "given alone", "its certificate with it, as " + spell("cert"));
        }
    }

    /** Clients' certificates are trusted by those of a private issuer only. */
    void checkIssuers(List<X509Certificate> trusted) {
        if (clientAuth != null && trusted == null) {
            throw wrong("clientAuth", "given alone", "the issuers of the clients' certificates with"
                    + " it, as " + spell("ca") + "; the platform trusts issuers that sign for anybody");
        }
    }

    KeyFiles files() {
        return new KeyFiles(cert, key, keyPassword, ca, keystore, keystorePassword);
    }

    TlsSettings copy() {
        try {
            TlsSettings copy = (TlsSettings) clone();
            copy.sni = new LinkedHashMap<>(sni);
            return copy;
        } catch (CloneNotSupportedException e) {
            throw new AssertionError(e);
        }
    }

    String spell(String option) {
        return clojure ? ":" + option.replaceAll("([A-Z])", "-$1").toLowerCase(Locale.ROOT)
                : "TlsOptions.Builder." + option;
    }

    IllegalArgumentException bad(String option, Object value, String expected) {
        return wrong(option, value instanceof String ? "\"" + value + "\"" : "" + value, expected);
    }

    private IllegalArgumentException wrong(String option, String is, String expected) {
        return new IllegalArgumentException(operation + ": " + spell(option) + " is " + is
                + ", expected " + expected);
    }

    <T> T need(String option, T value, String expected) {
        if (value == null) {
            throw bad(option, null, expected);
        }
        return value;
    }

    List<String> known(String option, List<String> names, String[] supported) {
        if (need(option, names, "names").isEmpty()) {
            throw bad(option, names, "at least one name");
        }
        for (String each : names) {
            if (!Arrays.asList(supported).contains(each)) {
                throw bad(option, each, "some of " + String.join(", ", supported));
            }
        }
        return List.copyOf(names);
    }

    static SSLParameters supported() {
        try {
            return SSLContext.getDefault().getSupportedSSLParameters();
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("this JDK has no TLS: " + e.getMessage(), e);
        }
    }

    @Override
    public String toString() {
        return "#<tls-options " + (context == null ? "" : "context ")
                + (cert instanceof Path ? cert + " " : cert == null ? "" : "PEM ")
                + String.join(" ", protocols) + ">";
    }

    /** Names of hosts, as certificates have them. */
    static final class HostName {
        private static final Pattern ADDRESS = Pattern.compile("[0-9.]+|.*:.*");
        private static final String LABEL = "[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?";
        private static final Pattern NAME = Pattern.compile(LABEL + "([.]" + LABEL + ")*");

        private HostName() {
        }

        /**
         * A host without brackets, zone and final dot, in ASCII; null when there is none, as of a
         * path.
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
}
