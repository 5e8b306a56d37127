package parley.net.tls;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.cert.CertPathBuilderException;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertificateException;
import java.security.cert.CertificateExpiredException;
import java.security.cert.CertificateNotYetValidException;
import java.security.cert.X509Certificate;
import java.security.interfaces.RSAKey;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Checks the peer's certificates as the JDK does, and finds out what is wrong with those that it
 * refuses. Refuses more: expired certificates that are trusted themselves, names that only the
 * subject has, SHA-1, and RSA keys under 2048 bits.
 */
final class TrustCheck extends X509ExtendedTrustManager {
    private static final int SHORTEST_RSA = 2048;
    private static final int DNS_NAME = 2;
    private static final int ADDRESS = 7;
    private static final int LISTED = 5;

    private final X509ExtendedTrustManager jdk; // immutable

    TrustCheck(X509ExtendedTrustManager jdk) {
        this.jdk = jdk;
    }

    /** A certificate that was refused: the code, and what is wrong with it. */
    static final class Refused extends CertificateException {
        private static final long serialVersionUID = 1L;
        final String code;

        Refused(String code, String message, Throwable original) {
            super(message);
            this.code = code;
            // The JDK chooses the alert for the peer by a cause of this class.
            CertPathValidatorException found = find(original, CertPathValidatorException.class);
            if (found != null || original != null) {
                initCause(found == null ? original : found);
            }
        }
    }

    // ---- what the JDK calls ------------------------------------------------------------------

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        try {
            jdk.checkServerTrusted(chain, authType, engine);
        } catch (CertificateException e) {
            throw isNameWrong(chain, authType, e) ? hostMismatch(chain[0], engine, e)
                    : refused(chain, e);
        }
        checkMore(chain);
        if (engine.getSSLParameters().getEndpointIdentificationAlgorithm() != null
                && chain[0].getSubjectAlternativeNames() == null) {
            throw hostMismatch(chain[0], engine, null);
        }
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
            throws CertificateException {
        try {
            jdk.checkClientTrusted(chain, authType, engine);
        } catch (CertificateException e) {
            throw refused(chain, e);
        }
        checkMore(chain);
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
        return jdk.getAcceptedIssuers();
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        jdk.checkServerTrusted(chain, authType, socket);
        checkMore(chain);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
            throws CertificateException {
        jdk.checkClientTrusted(chain, authType, socket);
        checkMore(chain);
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType)
            throws CertificateException {
        jdk.checkServerTrusted(chain, authType);
        checkMore(chain);
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType)
            throws CertificateException {
        jdk.checkClientTrusted(chain, authType);
        checkMore(chain);
    }

    // ---- more than the JDK checks ------------------------------------------------------------

    private static void checkMore(X509Certificate[] chain) throws Refused {
        try {
            chain[0].checkValidity();
        } catch (CertificateExpiredException | CertificateNotYetValidException e) {
            throw dates(chain, e);
        }
        for (X509Certificate each : chain) {
            String signed = each.getSigAlgName().toUpperCase(Locale.ROOT);
            // A root's signature of itself proves nothing, so its kind does not matter.
            if (!isSelfSigned(each) && (signed.startsWith("SHA1") || signed.startsWith("MD"))) {
                throw new Refused(Explanation.WEAK_CERTIFICATE, "certificate " + show(each)
                        + " is signed with " + each.getSigAlgName(), null);
            } else if (each.getPublicKey() instanceof RSAKey rsa
                    && rsa.getModulus().bitLength() < SHORTEST_RSA) {
                throw new Refused(Explanation.WEAK_CERTIFICATE, "certificate " + show(each)
                        + " has an RSA key of " + rsa.getModulus().bitLength() + " bits", null);
            }
        }
    }

    // ---- what is wrong -----------------------------------------------------------------------

    /** True when the certificates are good for any name but the one that is connected to. */
    private boolean isNameWrong(X509Certificate[] chain, String authType, CertificateException e) {
        if (find(e, CertPathValidatorException.class) != null
                || find(e, CertPathBuilderException.class) != null) {
            return false;
        }
        try {
            jdk.checkServerTrusted(chain, authType);
            return true;
        } catch (CertificateException other) {
            return false;
        }
    }

    private static Refused hostMismatch(X509Certificate leaf, SSLEngine engine,
            CertificateException e) {
        String host = engine.getPeerHost();
        List<String> names = names(leaf);
        String has = names.isEmpty() ? "names no host (it has no subject alternative name)"
                : "is for " + names.stream().limit(LISTED).collect(Collectors.joining(", "))
                        + (names.size() > LISTED ? " and " + (names.size() - LISTED) + " more" : "")
                        + ", not for " + host;
        return new Refused(Explanation.HOST_MISMATCH, "certificate " + has, e);
    }

    private static List<String> names(X509Certificate leaf) {
        try {
            Collection<List<?>> names = leaf.getSubjectAlternativeNames();
            return names == null ? List.of() : names.stream()
                    .filter(each -> each.get(0).equals(DNS_NAME) || each.get(0).equals(ADDRESS))
                    .map(each -> String.valueOf(each.get(1))).toList();
        } catch (CertificateException e) {
            return List.of(); // names that cannot be parsed are none
        }
    }

    private static Refused refused(X509Certificate[] chain, CertificateException e) {
        CertPathValidatorException path = find(e, CertPathValidatorException.class);
        String code = path == null ? null : Explanation.REASONS.get(path.getReason());
        Refused dates = dates(chain, e);
        if (dates != null) {
            return dates;
        } else if (code == Explanation.REVOKED) {
            return new Refused(code, "certificate " + show(chain[0]) + " was revoked by its issuer", e);
        } else if (code == Explanation.WEAK_CERTIFICATE) {
            return new Refused(code, "certificate " + show(chain[0])
                    + " uses an algorithm that the JDK refuses (" + path.getMessage() + ")", e);
        } else if (find(e, CertPathBuilderException.class) != null
                || code == Explanation.UNKNOWN_ISSUER) {
            return noIssuer(chain, e);
        }
        return new Refused(Explanation.BAD_CERTIFICATE, "certificate " + show(chain[0])
                + " cannot be used (" + root(e).getMessage() + ")", e);
    }

    private static Refused dates(X509Certificate[] chain, CertificateException e) {
        for (X509Certificate each : chain) {
            try {
                each.checkValidity();
            } catch (CertificateExpiredException expired) {
                return new Refused(Explanation.EXPIRED, "certificate " + show(each) + " expired on "
                        + each.getNotAfter().toInstant(), e);
            } catch (CertificateNotYetValidException early) {
                return new Refused(Explanation.NOT_YET_VALID, "certificate " + show(each)
                        + " is not valid before " + each.getNotBefore().toInstant(), e);
            }
        }
        return null;
    }

    private static Refused noIssuer(X509Certificate[] chain, CertificateException e) {
        X509Certificate last = chain[chain.length - 1];
        if (isSelfSigned(chain[0])) {
            return new Refused(Explanation.SELF_SIGNED, "certificate " + show(chain[0])
                    + " is signed by itself, and this side does not trust it", e);
        }
        String sent = isSelfSigned(last) ? "" : "; it sent " + (chain.length == 1 ? "no"
                : "the first " + (chain.length - 1)) + " certificates of issuers";
        return new Refused(Explanation.UNKNOWN_ISSUER, "certificate " + show(chain[0])
                + " was issued by " + last.getIssuerX500Principal()
                + ", which this side does not trust" + sent, e);
    }

    private static boolean isSelfSigned(X509Certificate certificate) {
        if (!certificate.getSubjectX500Principal().equals(certificate.getIssuerX500Principal())) {
            return false;
        }
        try {
            certificate.verify(certificate.getPublicKey());
            return true;
        } catch (GeneralSecurityException e) {
            return false; // another certificate of the same name signed it
        }
    }

    private static String show(X509Certificate certificate) {
        String subject = certificate.getSubjectX500Principal().toString();
        return subject.isEmpty() ? certificate.getSerialNumber().toString(16) : subject;
    }

    private static Throwable root(Throwable error) {
        return error.getCause() == null ? error : root(error.getCause());
    }

    /** The first of an exception and its causes that is of a class, or null. */
    static <T extends Throwable> T find(Throwable error, Class<T> type) {
        for (Throwable e = error; e != null; e = e.getCause()) {
            if (type.isInstance(e)) {
                return type.cast(e);
            }
        }
        return null;
    }
}
