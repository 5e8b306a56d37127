package parley.net.tls;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.NoSuchAlgorithmException;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/** Keys and certificates that are replaced together by a reload. Immutable. */
record Material(SSLContext context, List<KeyChoice.Identity> identities) {
    /**
     * Ciphers of TLS 1.3, and those of TLS 1.2 with forward secrecy and authenticated encryption.
     */
    private static final Pattern STRONG = Pattern.compile(
            "TLS_(AES|CHACHA20)_.*|TLS_ECDHE_(ECDSA|RSA)_WITH_(AES_\\d+_GCM|CHACHA20_POLY1305)_.*");

    /**
     * A context with certificates and trust.
     *
     * @param byName certificates of servers by the name that clients ask for
     * @param trusted the certificates to trust, or null for those of the platform
     */
    static Material of(List<KeyChoice.Identity> identities,
            Map<String, List<KeyChoice.Identity>> byName, List<X509Certificate> trusted)
            throws GeneralSecurityException, IOException {
        SSLContext context = SSLContext.getInstance("TLS");
        KeyManager[] keys = identities.isEmpty() && byName.isEmpty() ? new KeyManager[0]
                : new KeyManager[] {new KeyChoice(identities, byName)};
        context.init(keys, new TrustManager[] {trust(trusted)}, null);
        return new Material(context, identities);
    }

    private static TrustManager trust(List<X509Certificate> trusted)
            throws GeneralSecurityException, IOException {
        KeyStore store = null; // the platform's
        if (trusted != null) {
            store = KeyStore.getInstance(KeyStore.getDefaultType());
            store.load(null, null);
            for (X509Certificate each : trusted) {
                store.setCertificateEntry(Integer.toString(store.size()), each);
            }
        }
        TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
        factory.init(store);
        for (TrustManager each : factory.getTrustManagers()) {
            if (each instanceof X509ExtendedTrustManager jdk) {
                return new TrustCheck(jdk);
            }
        }
        throw new NoSuchAlgorithmException("this JDK has no trust manager for X.509");
    }

    /** The ciphers among those of the JDK that are accepted unless others are asked for. */
    static String[] strong(String[] enabled) {
        return Arrays.stream(enabled).filter(each -> STRONG.matcher(each).matches())
                .toArray(String[]::new);
    }
}
