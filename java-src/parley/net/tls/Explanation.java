package parley.net.tls;

import java.io.EOFException;
import java.io.IOException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertPathValidatorException.BasicReason;
import java.security.cert.CertificateException;
import java.security.cert.PKIXReason;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLProtocolException;

/**
 * Turns exceptions of the JDK's engine into ours: a code, and a message that names the peer, the
 * reason and the cure. The engine reports what is wrong in words only, the same in every
 * language, so the words decide where there is no exception of a class of its own.
 */
final class Explanation {
    // Names of constants of parley.net.ErrorCode, which describes them.
    static final String HOST_MISMATCH = "TLS_HOST_MISMATCH";
    static final String EXPIRED = "TLS_EXPIRED";
    static final String NOT_YET_VALID = "TLS_NOT_YET_VALID";
    static final String SELF_SIGNED = "TLS_SELF_SIGNED";
    static final String UNKNOWN_ISSUER = "TLS_UNKNOWN_ISSUER";
    static final String REVOKED = "TLS_REVOKED";
    static final String WEAK_CERTIFICATE = "TLS_WEAK_CERTIFICATE";
    static final String BAD_CERTIFICATE = "TLS_BAD_CERTIFICATE";
    static final String CLIENT_CERTIFICATE_MISSING = "TLS_CLIENT_CERTIFICATE_MISSING";
    static final String CERTIFICATE_REJECTED = "TLS_CERTIFICATE_REJECTED";
    static final String PROTOCOL_VERSION = "TLS_PROTOCOL_VERSION";
    static final String NO_SHARED_CIPHER = "TLS_NO_SHARED_CIPHER";
    static final String NO_APPLICATION_PROTOCOL = "TLS_NO_APPLICATION_PROTOCOL";
    static final String UNRECOGNIZED_NAME = "TLS_UNRECOGNIZED_NAME";
    static final String PLAIN_TEXT = "TLS_PLAIN_TEXT";
    static final String TRUNCATED = "TLS_TRUNCATED";
    static final String PROTOCOL_ERROR = "TLS_PROTOCOL_ERROR";
    static final String HANDSHAKE = "TLS_HANDSHAKE";
    static final String BAD_KEYS = "TLS_BAD_KEYS";

    private static final Pattern ALERT = Pattern.compile("Received fatal alert: (\\w+)");

    /** Words of the engine, in lower case, and what they mean. */
    private static final Map<String, String> WORDS = Map.ofEntries(
            Map.entry("unrecognized ssl message", PLAIN_TEXT),
            Map.entry("empty client certificate chain", CLIENT_CERTIFICATE_MISSING),
            Map.entry("null cert chain", CLIENT_CERTIFICATE_MISSING),
            Map.entry("no cipher suites in common", NO_SHARED_CIPHER),
            Map.entry("no negotiable cipher suite", NO_SHARED_CIPHER),
            Map.entry("no appropriate protocol", PROTOCOL_VERSION),
            Map.entry("not accepted by client preferences", PROTOCOL_VERSION),
            Map.entry("not accepted by server preferences", PROTOCOL_VERSION),
            Map.entry("is not enabled or supported in server context", PROTOCOL_VERSION),
            Map.entry("sslv2hello is not enabled", PROTOCOL_VERSION),
            Map.entry("unsupported record version", PLAIN_TEXT),
            Map.entry("no matching application layer protocol", NO_APPLICATION_PROTOCOL),
            Map.entry("unrecognized server name", UNRECOGNIZED_NAME),
            Map.entry("during handshake", TRUNCATED),
            Map.entry("inbound closed", TRUNCATED));

    /** Alerts about the certificate of the side that receives them. */
    private static final Set<String> REJECTED = Set.of("bad_certificate", "unsupported_certificate",
            "certificate_revoked", "certificate_expired", "certificate_unknown", "unknown_ca",
            "access_denied");

    private static final Map<String, String> ALERTS = Map.of(
            "certificate_required", CLIENT_CERTIFICATE_MISSING,
            "protocol_version", PROTOCOL_VERSION,
            "inappropriate_fallback", PROTOCOL_VERSION,
            "insufficient_security", NO_SHARED_CIPHER,
            "no_application_protocol", NO_APPLICATION_PROTOCOL,
            "unrecognized_name", UNRECOGNIZED_NAME,
            "handshake_failure", HANDSHAKE,
            "user_canceled", TRUNCATED);

    /** Why the JDK refused a certificate. */
    static final Map<CertPathValidatorException.Reason, String> REASONS = Map.of(
            BasicReason.EXPIRED, EXPIRED, BasicReason.NOT_YET_VALID, NOT_YET_VALID,
            BasicReason.REVOKED, REVOKED, BasicReason.ALGORITHM_CONSTRAINED, WEAK_CERTIFICATE,
            PKIXReason.NO_TRUST_ANCHOR, UNKNOWN_ISSUER);

    private final TlsOptions options;
    private final String peer;
    private final boolean client;

    Explanation(TlsOptions options, String peer, boolean client) {
        this.options = options;
        this.peer = peer;
        this.client = client;
    }

    /** Returns the exception to throw for one of the engine; returns other exceptions unchanged. */
    IOException of(IOException failure) {
        if (failure instanceof TlsException known) {
            return failed(known.code(), known.code().equals(PLAIN_TEXT) ? reason(PLAIN_TEXT, failure)
                    : known.getMessage(), failure);
        } else if (!(failure instanceof SSLException)) {
            return failure;
        }
        TrustCheck.Refused refused = TrustCheck.find(failure, TrustCheck.Refused.class);
        String alert = alert(failure);
        if (refused != null) {
            return failed(refused.code, "its " + refused.getMessage(), failure);
        } else if (alert != null) {
            return ofAlert(alert, failure);
        }
        String code = code(failure);
        return failed(code, reason(code, failure), failure);
    }

    private static String alert(IOException failure) {
        Matcher found = ALERT.matcher(String.valueOf(failure.getMessage()));
        return found.find() ? found.group(1) : null;
    }

    // ---- alerts that the peer sent -----------------------------------------------------------

    private IOException ofAlert(String alert, IOException failure) {
        String code = REJECTED.contains(alert) ? rejected() : ALERTS.getOrDefault(alert,
                PROTOCOL_ERROR);
        String words = alert.replace('_', ' ');
        String reason = switch (code) {
            case CERTIFICATE_REJECTED -> "it refused the certificate of this side ("
                    + words + ")";
            case CLIENT_CERTIFICATE_MISSING -> "it requires a certificate of the client ("
                    + words + ")";
            case PROTOCOL_VERSION -> "it accepts none of the versions that this side offers, "
                    + options.shownProtocols();
            default -> "it ended the handshake with the alert " + words;
        };
        return failed(code, reason, failure);
    }

    /** A server that gets no certificate may complain of a bad one. */
    private String rejected() {
        return client && !options.hasCertificate() ? CLIENT_CERTIFICATE_MISSING
                : CERTIFICATE_REJECTED;
    }

    // ---- what the engine of this side found --------------------------------------------------

    private static String code(IOException failure) {
        String message = String.valueOf(failure.getMessage()).toLowerCase(Locale.ROOT);
        for (Map.Entry<String, String> each : WORDS.entrySet()) {
            if (message.contains(each.getKey())) {
                return each.getValue();
            }
        }
        CertificateException certificate = TrustCheck.find(failure, CertificateException.class);
        if (certificate != null) {
            return ofCertificate(certificate);
        } else if (TrustCheck.find(failure, EOFException.class) != null) {
            return TRUNCATED;
        }
        return failure instanceof SSLProtocolException ? PROTOCOL_ERROR
                : HANDSHAKE;
    }

    /** Contexts that others made have their own trust managers, which do not explain. */
    private static String ofCertificate(CertificateException e) {
        CertPathValidatorException path = TrustCheck.find(e, CertPathValidatorException.class);
        if (TrustCheck.find(e, CertPathBuilderException.class) != null) {
            return UNKNOWN_ISSUER;
        } else if (path == null) {
            return e.getClass() == CertificateException.class ? HOST_MISMATCH : BAD_CERTIFICATE;
        }
        return REASONS.getOrDefault(path.getReason(), BAD_CERTIFICATE);
    }

    private String reason(String code, IOException failure) {
        return switch (code) {
            case PLAIN_TEXT -> "it sent plain text where TLS was expected";
            case CLIENT_CERTIFICATE_MISSING -> "it sent no certificate, and one is required";
            case NO_SHARED_CIPHER -> "it offers no cipher that this side accepts";
            case PROTOCOL_VERSION -> "it offers none of the versions that this side accepts, "
                    + options.shownProtocols();
            case NO_APPLICATION_PROTOCOL -> "it offers none of the application protocols "
                    + options.shownApplicationProtocols();
            case TRUNCATED -> "it closed the connection during the handshake";
            case UNKNOWN_ISSUER, HOST_MISMATCH, EXPIRED, NOT_YET_VALID, REVOKED, WEAK_CERTIFICATE,
                BAD_CERTIFICATE ->
                "its certificate is refused (" + failure.getMessage() + ")";
            default -> "the handshake failed (" + failure.getMessage() + ")";
        };
    }

    // ---- the cure ----------------------------------------------------------------------------

    private IOException failed(String code, String reason, IOException failure) {
        String cure = cure(code);
        String message = peer + ": " + reason + (cure == null ? "" : "; " + cure);
        return exception(code, message, failure);
    }

    /** An exception with a code, which has the original, or null, as a suppressed one. */
    static TlsException exception(String code, String message, Exception original) {
        TlsException exception = new TlsException(code, message, null);
        if (original != null) {
            exception.addSuppressed(original);
        }
        return exception;
    }

    private String cure(String code) {
        String other = client ? "server" : "client";
        return switch (code) {
            case HOST_MISMATCH -> "connect by a name of the certificate, or pass that name as "
                    + options.spell("serverName");
            case EXPIRED -> "the " + other + " needs a new certificate";
            case NOT_YET_VALID -> "compare the clocks of both machines";
            case SELF_SIGNED -> "if it is the right one, pass it as " + options.spell("ca");
            case UNKNOWN_ISSUER -> "pass the certificate of the root as " + options.spell("ca")
                    + ", and have the " + other + " send the certificates in between";
            case WEAK_CERTIFICATE -> "the " + other
                    + " needs a certificate with SHA-256 and an EC key, or RSA of 2048 bits";
            case CLIENT_CERTIFICATE_MISSING -> client
                    ? "pass one as " + options.spell("cert") + " and " + options.spell("key")
                    : "the client has to send one that an issuer of " + options.spell("ca") + " signed";
            case CERTIFICATE_REJECTED -> "the log of the " + other + " shows why;"
                    + " it has to trust the issuer of " + options.spell("cert");
            case PROTOCOL_VERSION -> "the " + other + " has to support TLS 1.2 or 1.3; older"
                    + " versions are not safe";
            case HANDSHAKE -> "the " + other + " may want another cipher (see "
                    + options.spell("ciphers") + ")" + (client && !options.hasCertificate()
                            ? " or a certificate (see " + options.spell("cert") + ")" : "");
            case NO_SHARED_CIPHER -> "both sides need a cipher in common, such as"
                    + " TLS_AES_128_GCM_SHA256, see " + options.spell("ciphers");
            case NO_APPLICATION_PROTOCOL -> "both sides need a name in common, see " + options.spell("alpn");
            case UNRECOGNIZED_NAME -> "the server has no certificate for that name, pass another as "
                    + options.spell("serverName");
            case PLAIN_TEXT -> client
                    ? "connect without TLS, or to the server's port for TLS"
                    : "the client has to connect with TLS";
            default -> null;
        };
    }
}
