package parley.net.tls;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.NoSuchAlgorithmException;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;

/**
 * Where the certificates and keys of options come from: files, PEM texts and key stores. Immutable,
 * so that they can be read again.
 *
 * @param cert a Path, or PEM as a String; null for none, as all the others
 * @param key as cert; when it is null, the key is in the file of cert
 * @param ca as cert
 * @param keystore a Path or a KeyStore
 */
record KeyFiles(Object cert, Object key, char[] keyPassword, Object ca, Object keystore,
        char[] keystorePassword) {
    private static final long LARGEST = 16 << 20;

    /**
     * The content of the files: own certificates, and trusted ones, or null to trust the
     * platform's.
     */
    record Contents(List<KeyChoice.Identity> identities, List<X509Certificate> trusted) {
    }

    boolean hasCertificate() {
        return cert != null || keystore != null;
    }

    /**
     * Reads everything.
     *
     * @param options names the function and the options in the messages of exceptions
     * @param operation what to name as the function
     */
    Contents read(TlsOptions options, String operation) throws IOException {
        Reader reader = new Reader(options, operation);
        List<KeyChoice.Identity> identities = new ArrayList<>();
        List<X509Certificate> trusted = new ArrayList<>();
        if (cert != null) {
            identities.add(identity(reader));
        }
        if (keystore != null) {
            readStore(reader, identities, trusted);
        }
        if (ca != null) {
            String text = reader.text("ca", ca);
            trusted = reader.read("ca", ca, () -> Pem.certificates(text));
        }
        return new Contents(identities, trusted.isEmpty() ? null : trusted);
    }

    private KeyChoice.Identity identity(Reader reader) throws IOException {
        String text = reader.text("cert", cert);
        List<X509Certificate> chain = reader.read("cert", cert, () -> Pem.certificates(text));
        Object source = key == null ? cert : key;
        String keyText = key == null ? text : reader.text("key", key);
        PrivateKey own = reader.read("key", source, () -> Pem.privateKey(keyText, keyPassword));
        return reader.read("key", source, () -> KeyChoice.Identity.of(own, chain));
    }

    private void readStore(Reader reader, List<KeyChoice.Identity> identities,
            List<X509Certificate> trusted) throws IOException {
        KeyStore store = reader.read("keystore", keystore, this::store);
        reader.read("keystore", keystore, () -> {
            for (String alias : Collections.list(store.aliases())) {
                if (store.isKeyEntry(alias)) {
                    identities.add(KeyChoice.Identity.of(
                            (PrivateKey) store.getKey(alias, password()),
                            certificates(store.getCertificateChain(alias))));
                } else {
                    trusted.addAll(certificates(store.getCertificate(alias)));
                }
            }
            return store;
        });
        if (identities.isEmpty() && trusted.isEmpty()) {
            throw reader.bad("keystore", keystore, "it is empty, expected certificates", null);
        }
    }

    private char[] password() {
        return keyPassword == null ? keystorePassword : keyPassword;
    }

    private KeyStore store() throws GeneralSecurityException, IOException {
        char[] password = keystorePassword == null ? keyPassword : keystorePassword;
        return keystore instanceof KeyStore store ? store
                : KeyStore.getInstance(((Path) keystore).toFile(), password);
    }

    private static List<X509Certificate> certificates(Certificate... all) {
        return Arrays.stream(all).map(X509Certificate.class::cast).toList();
    }

    /** Reads; exceptions have a message with the function, the option and the file. */
    private record Reader(TlsOptions options, String operation) {
        private interface Work<T> {
            T run() throws GeneralSecurityException, IOException;
        }

        String text(String option, Object source) throws IOException {
            if (source instanceof String text) {
                return text;
            }
            Path file = (Path) source;
            return read(option, file, () -> {
                if (Files.size(file) > LARGEST) {
                    throw new GeneralSecurityException("it has " + Files.size(file)
                            + " bytes, expected a file of certificates and keys");
                }
                return Files.readString(file, StandardCharsets.ISO_8859_1);
            });
        }

        <T> T read(String option, Object source, Work<T> work) throws IOException {
            try {
                return work.run();
            } catch (NoSuchFileException e) {
                throw missing(option, source);
            } catch (AccessDeniedException e) {
                throw new AccessDeniedException(source.toString(), null, message(option, source,
                        "this user may not read the file"));
            } catch (IOException | GeneralSecurityException | IllegalArgumentException e) {
                if (source instanceof Path file && !Files.exists(file)) {
                    throw missing(option, source);
                }
                throw bad(option, source, String.valueOf(e.getMessage()), e);
            }
        }

        private NoSuchFileException missing(String option, Object source) {
            return new NoSuchFileException(source.toString(), null,
                    message(option, source, "there is no such file"));
        }

        IOException bad(String option, Object source, String problem, Exception e) {
            return Explanation.exception(Explanation.BAD_KEYS, message(option, source, problem), e);
        }

        private String message(String option, Object source, String problem) {
            String shown = source instanceof Path ? " " + source : source instanceof KeyStore ? ""
                    : " (a PEM text)";
            return operation + ": " + options.spell(option) + shown + ": " + problem;
        }
    }

    /** Keys and certificates that are replaced together by a reload. Immutable. */
    record Material(SSLContext context, List<KeyChoice.Identity> identities) {
        /**
         * Ciphers of TLS 1.3, and those of TLS 1.2 with forward secrecy and authenticated
         * encryption.
         */
        private static final Pattern STRONG = Pattern.compile(
                "TLS_(AES|CHACHA20)_.*"
                + "|TLS_ECDHE_(ECDSA|RSA)_WITH_(AES_\\d+_GCM|CHACHA20_POLY1305)_.*");

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
}
