package parley.testing;

import java.io.IOException;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A context for both sides of connections on this machine, made once. */
public final class Keys {
    private static final char[] PASSWORD = {};
    private static final SSLContext CONTEXT = make();

    private Keys() {
    }

    /** A context that has a key for the loopback's names and trusts its certificate. */
    public static SSLContext context() {
        return CONTEXT;
    }

    private static SSLContext make() {
        CertificateAuthority.Identity root = CertificateAuthority.root("root");
        CertificateAuthority.Identity own =
                CertificateAuthority.issue(root, "localhost", "127.0.0.1", "::1");
        try {
            KeyStore store = KeyStore.getInstance("PKCS12");
            store.load(null, null);
            store.setKeyEntry("own", own.key(), PASSWORD, own.chain().toArray(new Certificate[0]));
            store.setCertificateEntry("root", root.chain().get(0));
            KeyManagerFactory keys =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(store, PASSWORD);
            TrustManagerFactory trust =
                    TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(store);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException | IOException e) {
            throw new AssertionError("the JDK cannot make an SSLContext", e);
        }
    }
}
