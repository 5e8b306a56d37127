package parley.testing;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** A key and a certificate for this machine's loopback names, made once by the JDK's keytool. */
public final class Keys {
    private static final char[] PASSWORD = "password".toCharArray();

    private Keys() {
    }

    private static final class Shared {
        static final KeyStore STORE = make("-ext", "san=dns:localhost,ip:127.0.0.1,ip:::1");
        static final SSLContext CONTEXT = context(STORE, STORE);
    }

    /** A context that has the key and trusts its certificate: good for both sides. */
    public static SSLContext context() {
        return Shared.CONTEXT;
    }

    /** A context with the key of one store and trust in the certificates of another. */
    public static SSLContext context(KeyStore own, KeyStore trusted) {
        try {
            KeyManagerFactory keys =
                    KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            keys.init(own, PASSWORD);
            TrustManagerFactory trust =
                    TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(trusted);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new AssertionError("the JDK cannot make an SSLContext", e);
        }
    }

    /** A store with a new key, whose certificate it signs itself. */
    public static KeyStore make(String... more) {
        Path file = TemporaryPaths.fresh();
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-J-XX:TieredStopAtLevel=1", "-genkeypair", "-alias", "key", "-keyalg", "EC",
                "-groupname", "secp256r1", "-dname", "CN=localhost", "-storetype", "PKCS12",
                "-keystore", file.toString(), "-storepass", new String(PASSWORD)));
        command.addAll(List.of(more));
        try {
            Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
            byte[] said = process.getInputStream().readAllBytes();
            if (!process.waitFor(60, TimeUnit.SECONDS) || process.exitValue() != 0) {
                throw new AssertionError("keytool failed: " + new String(said));
            }
            KeyStore store = KeyStore.getInstance("PKCS12");
            try (InputStream in = Files.newInputStream(file)) {
                store.load(in, PASSWORD);
            }
            Files.delete(file);
            return trusting(store);
        } catch (IOException | GeneralSecurityException | InterruptedException e) {
            throw new AssertionError("keytool cannot be used", e);
        }
    }

    /** Adds the certificate as one to trust. */
    private static KeyStore trusting(KeyStore store) throws GeneralSecurityException {
        store.setCertificateEntry("trusted", store.getCertificate("key"));
        return store;
    }
}
