package parley.net.tls;

import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.InvalidKeyException;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLSession;
import javax.net.ssl.X509ExtendedKeyManager;

/**
 * Chooses the certificate of this side: a server's by the name that the client asks for, and each
 * by the kind of key. A client sends its certificate whatever issuers the server lists: a server
 * that refuses it reports a clearer error than one that got none.
 */
final class KeyChoice extends X509ExtendedKeyManager {
    /** A certificate with its issuers, and its key. */
    record Identity(PrivateKey key, X509Certificate[] chain) {
        /** Puts the certificate of the key first, and each issuer after what it issued. */
        static Identity of(PrivateKey key, List<X509Certificate> certificates)
                throws GeneralSecurityException {
            List<X509Certificate> left = new ArrayList<>(certificates);
            List<X509Certificate> chain = new ArrayList<>();
            X509Certificate next = null;
            for (X509Certificate each : certificates) {
                if (next == null && belongs(key, each)) {
                    next = each;
                }
            }
            if (next == null) {
                throw new InvalidKeyException("the key does not belong to the certificate of "
                        + certificates.get(0).getSubjectX500Principal()
                        + ", expected the key that was made with it");
            }
            while (next != null) {
                chain.add(next);
                left.remove(next);
                Principal issuer = next.getIssuerX500Principal();
                next = left.stream().filter(each -> each.getSubjectX500Principal().equals(issuer))
                        .findFirst().orElse(null);
            }
            return new Identity(key, chain.toArray(new X509Certificate[0]));
        }

        private static boolean belongs(PrivateKey key, X509Certificate certificate)
                throws GeneralSecurityException {
            String kind = key.getAlgorithm();
            if (!kind.equals(certificate.getPublicKey().getAlgorithm())) {
                return false;
            }
            String name = switch (kind) {
                case "RSA" -> "SHA256withRSA";
                case "EC" -> "SHA256withECDSA";
                case "EdDSA" -> "EdDSA";
                default -> null; // RSASSA-PSS has parameters of its own; the handshake will show
            };
            if (name == null) {
                return true;
            }
            Signature signature = Signature.getInstance(name);
            signature.initSign(key);
            signature.update((byte) 1);
            byte[] signed = signature.sign();
            signature.initVerify(certificate.getPublicKey());
            signature.update((byte) 1);
            try {
                return signature.verify(signed);
            } catch (java.security.SignatureException e) {
                return false; // a signature of another length
            }
        }
    }

    private final List<Identity> all = new ArrayList<>(); // an alias is an index; filled once
    private final int defaults; // how many of them are for any name
    private final Map<String, List<Identity>> byName; // in lower case

    KeyChoice(List<Identity> defaults, Map<String, List<Identity>> byName) {
        this.defaults = defaults.size();
        this.byName = byName;
        all.addAll(defaults);
        byName.values().forEach(all::addAll);
    }

    // ---- servers -----------------------------------------------------------------------------

    @Override
    public String chooseEngineServerAlias(String keyType, Principal[] issuers, SSLEngine engine) {
        return choose(candidates(engine.getHandshakeSession()), keyType);
    }

    private List<Identity> candidates(SSLSession session) {
        if (session instanceof ExtendedSSLSession extended && !byName.isEmpty()) {
            for (SNIServerName each : extended.getRequestedServerNames()) {
                if (each instanceof SNIHostName host) {
                    String name = host.getAsciiName().toLowerCase(Locale.ROOT);
                    List<Identity> found = byName.get(name);
                    int dot = name.indexOf('.');
                    found = found == null && dot > 0 ? byName.get("*" + name.substring(dot)) : found;
                    if (found != null) {
                        return found;
                    }
                }
            }
        }
        return all.subList(0, defaults);
    }

    private String choose(List<Identity> candidates, String... keyTypes) {
        for (String type : keyTypes) {
            String kind = type.split("_")[0]; // EC_RSA is an EC key that RSA signed
            for (Identity each : candidates) {
                if (each.key.getAlgorithm().equals(kind)) {
                    return Integer.toString(all.indexOf(each));
                }
            }
        }
        return null;
    }

    // ---- clients -----------------------------------------------------------------------------

    @Override
    public String chooseEngineClientAlias(String[] keyTypes, Principal[] issuers, SSLEngine engine) {
        return choose(all.subList(0, defaults), keyTypes);
    }

    @Override
    public X509Certificate[] getCertificateChain(String alias) {
        return all.get(Integer.parseInt(alias)).chain.clone();
    }

    @Override
    public PrivateKey getPrivateKey(String alias) {
        return all.get(Integer.parseInt(alias)).key;
    }

    // ---- sockets, which this library has not -------------------------------------------------

    @Override
    public String chooseClientAlias(String[] keyTypes, Principal[] issuers, Socket socket) {
        return choose(all.subList(0, defaults), keyTypes);
    }

    @Override
    public String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
        return choose(all.subList(0, defaults), keyType);
    }

    @Override
    public String[] getClientAliases(String keyType, Principal[] issuers) {
        String found = choose(all.subList(0, defaults), keyType);
        return found == null ? null : new String[] {found};
    }

    @Override
    public String[] getServerAliases(String keyType, Principal[] issuers) {
        return getClientAliases(keyType, issuers);
    }
}
