package parley.net.tls;

import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import parley.net.tls.KeyFiles.Material;
import parley.net.tls.TlsSettings.HostName;

/**
 * Options of TLS: the certificates of this side, those that it trusts, and what it accepts.
 *
 * <pre>{@code
 * TlsOptions server = TlsOptions.builder()
 *         .cert(Path.of("server.pem")).key(Path.of("server.key"))
 *         .build();
 * StreamOptions options = StreamOptions.builder().tls(server).build();
 * }</pre>
 *
 * <p>The defaults are safe ones. A client trusts what the platform trusts and checks the name of
 * the host. Both sides accept TLS 1.3 and 1.2, with ciphers that have forward secrecy and
 * authenticated encryption, and refuse certificates that have expired, are signed with SHA-1 or
 * have an RSA key under 2048 bits.
 *
 * <p>Immutable, but for {@link #reload()}, which reads the files again. Connections made with the
 * same object can resume each other's sessions, so keep one object for many connections.
 */
public final class TlsOptions {

    private final TlsSettings settings; // a copy, not changed any more
    private volatile Material material;

    private TlsOptions(TlsSettings settings, String operation) throws IOException {
        this.settings = settings;
        this.material = load(operation);
    }

    private TlsOptions(TlsSettings settings, SSLContext context) {
        this.settings = settings;
        this.material = new Material(context, List.of());
    }

    // ---- making ------------------------------------------------------------------------------

    /**
     * Options with a context that was made elsewhere, and the defaults for everything else. The
     * name of the host is checked.
     *
     * @param context has the certificates and the trust; not null
     */
    public static TlsOptions of(SSLContext context) {
        Builder settings = builder();
        return new TlsOptions(settings.context(context), context);
    }

    /** {@return a builder that holds the defaults} */
    public static Builder builder() {
        return new Builder("TlsOptions", false);
    }

    /**
     * As {@link #builder()} for callers in Clojure: messages name their function, and keywords.
     *
     * @param function the name of the function that makes the options
     */
    public static Builder builder(String function) {
        return new Builder(function, true);
    }

    private Material load(String operation) throws IOException {
        if (settings.context != null) {
            return new Material(settings.context, List.of());
        }
        KeyFiles.Contents read = settings.files().read(this, operation);
        settings.checkIssuers(read.trusted());
        Map<String, List<KeyChoice.Identity>> byName = new LinkedHashMap<>();
        for (Map.Entry<String, TlsOptions> each : settings.sni.entrySet()) {
            TlsOptions named = each.getValue();
            byName.put(each.getKey(),
                    named.settings.files().read(named, operation).identities());
        }
        try {
            return Material.of(read.identities(), byName, read.trusted());
        } catch (GeneralSecurityException e) {
            throw Explanation.exception(Explanation.BAD_KEYS, operation + ": " + e.getMessage(), e);
        }
    }

    /**
     * Reads all files again. Connections that begin afterwards use what is in them now; those that
     * exist keep what they have. When a file is broken, nothing changes.
     *
     * @throws IOException if a file cannot be read, or what is in it cannot be used
     * @throws IllegalStateException if the options were made of an SSLContext
     */
    public void reload() throws IOException {
        String operation = settings.clojure ? "reload-certificates!" : "TlsOptions.reload";
        if (settings.context != null) {
            throw new IllegalStateException(operation + ": the options were made of an SSLContext, which"
                    + " cannot be read again, expected options with files");
        }
        material = load(operation);
    }

    // ---- engines -----------------------------------------------------------------------------

    /**
     * An engine for a client. The name of a peer that has none, as of a Unix-domain server, is not
     * checked, unless the options have a server name; its issuer is.
     *
     * @param host the name or the address that the client connects to, or null when there is none
     * @param port the port, or a number under 0 when there is none
     * @return a new engine, which has not begun its handshake
     */
    public SSLEngine clientEngine(String host, int port) {
        String name = HostName.bare(settings.serverName == null ? host : settings.serverName);
        SSLEngine engine = material.context().createSSLEngine(name, port);
        engine.setUseClientMode(true);
        SSLParameters parameters = parameters(engine);
        if (HostName.isName(name)) {
            parameters.setServerNames(List.of(new SNIHostName(name)));
        }
        parameters.setEndpointIdentificationAlgorithm(settings.verifyHost && name != null ? "HTTPS" : null);
        engine.setSSLParameters(parameters);
        return engine;
    }

    /**
     * An engine for a server.
     *
     * @return a new engine, which has not begun its handshake
     * @throws IllegalArgumentException if there is no certificate
     */
    public SSLEngine serverEngine() {
        checkServer();
        SSLEngine engine = material.context().createSSLEngine();
        engine.setUseClientMode(false);
        SSLParameters parameters = parameters(engine);
        parameters.setUseCipherSuitesOrder(true);
        if (settings.clientAuth == Boolean.TRUE) {
            parameters.setNeedClientAuth(true);
        } else if (settings.clientAuth == Boolean.FALSE) {
            parameters.setWantClientAuth(true);
        }
        engine.setSSLParameters(parameters);
        return engine;
    }

    /**
     * Checks that a server can use these options.
     *
     * @throws IllegalArgumentException if there is no certificate
     */
    public void checkServer() {
        if (!hasCertificate() && settings.sni.isEmpty()) {
            throw new IllegalArgumentException(settings.operation + ": the server has no certificate,"
                    + " expected " + spell("cert") + " and " + spell("key") + ", or "
                    + spell("keystore"));
        }
    }

    private SSLParameters parameters(SSLEngine engine) {
        SSLParameters parameters = engine.getSSLParameters();
        List<String> supported = List.of(engine.getSupportedProtocols());
        parameters.setProtocols(settings.protocols.stream().filter(supported::contains)
                .toArray(String[]::new));
        parameters.setCipherSuites(settings.ciphers != null ? settings.ciphers.toArray(String[]::new)
                : Material.strong(engine.getEnabledCipherSuites()));
        if (!settings.alpn.isEmpty()) {
            parameters.setApplicationProtocols(settings.alpn.toArray(String[]::new));
        }
        return parameters;
    }

    // ---- what was chosen ---------------------------------------------------------------------

    /**
     * Limits the duration of a handshake; 10 seconds by default.
     *
     * @return null for ever, or a bound
     */
    public Duration handshakeTimeout() {
        return settings.handshakeTimeout;
    }

    /**
     * {@return whether a server refuses clients without a certificate that it trusts: false also
     * when a context was given that may have them refused}
     */
    public boolean needsClientCertificate() {
        return settings.clientAuth == Boolean.TRUE;
    }

    /** True when this side has a certificate, or a context that may have one. */
    boolean hasCertificate() {
        return settings.context != null || !material.identities().isEmpty();
    }

    String shownProtocols() {
        return String.join(", ", settings.protocols);
    }

    String shownApplicationProtocols() {
        return String.join(", ", settings.alpn);
    }

    /** An option as the caller writes it. */
    String spell(String option) {
        return settings.spell(option);
    }

    /**
     * Returns an exception to throw instead of one of the engine: one with a code, see
     * {@link TlsException}, and a message that names the peer, the reason and the cure.
     *
     * @param failure what the engine threw
     * @param peer the peer, for people
     * @param client true when this side is the client
     * @return an exception of the JDK's class for it, which has the original as a suppressed
     *     one; an exception that does not come from TLS is returned as it is
     */
    public IOException explain(IOException failure, String peer, boolean client) {
        return new Explanation(this, peer, client).of(failure);
    }

    @Override
    public String toString() {
        return settings.toString();
    }

    // ---- the builder -------------------------------------------------------------------------

    /**
     * Collects options. Each method returns this builder, and throws {@link
     * IllegalArgumentException} for a value that it does not describe.
     */
    public static final class Builder extends TlsSettings {
        private Builder(String operation, boolean clojure) {
            super(operation, clojure);
        }

        /** Uses an existing context, not null, in place of certificates and trust of its own. */
        public Builder context(SSLContext context) {
            this.context = need("context", context, "an SSLContext");
            return this;
        }

        /**
         * Sets the certificate of this side, followed by those of its issuers, as a file in PEM,
         * which may have the key, too.
         */
        public Builder cert(Path file) {
            cert = need("cert", file, "a file");
            return this;
        }

        /** As {@link #cert(Path)}, from the text in PEM. */
        public Builder cert(String pem) {
            cert = need("cert", pem, "PEM");
            return this;
        }

        /** Sets the private key of the certificate as a file in PEM: PKCS#8, PKCS#1 or SEC1. */
        public Builder key(Path file) {
            key = need("key", file, "a file");
            return this;
        }

        /** As {@link #key(Path)}, from the text in PEM. */
        public Builder key(String pem) {
            key = need("key", pem, "PEM");
            return this;
        }

        /** Sets the password that the private key is encrypted with, which is copied. */
        public Builder keyPassword(char[] password) {
            keyPassword = need("keyPassword", password, "a password").clone();
            return this;
        }

        /**
         * Sets the certificates to trust, one or more in a file in PEM, in place of what the
         * platform trusts.
         */
        public Builder ca(Path file) {
            ca = need("ca", file, "a file");
            return this;
        }

        /** As {@link #ca(Path)}, from the text in PEM. */
        public Builder ca(String pem) {
            ca = need("ca", pem, "PEM");
            return this;
        }

        /**
         * Takes certificates and keys from a key store, and, when there is no {@code ca}, those to
         * trust from the certificates in it that have no key.
         *
         * @param file PKCS#12 or JKS; the type is found out
         * @param password of the store, and of the keys unless {@link #keyPassword} sets
         *     another; null for none
         */
        public Builder keystore(Path file, char[] password) {
            keystore = need("keystore", file, "a file");
            keystorePassword = password == null ? null : password.clone();
            return this;
        }

        /**
         * As {@link #keystore(Path, char[])}, with a store that is loaded.
         *
         * @param store not null
         * @param password of the keys
         */
        public Builder keystore(KeyStore store, char[] password) {
            keystore = need("keystore", store, "a KeyStore");
            keystorePassword = password == null ? null : password.clone();
            return this;
        }

        /** Has a server refuse clients that send no certificate of an issuer that it trusts. */
        public Builder needClientAuth() {
            clientAuth = true;
            return this;
        }

        /**
         * Has a server ask clients for a certificate. A client may send none; one that is not
         * trusted is refused.
         */
        public Builder wantClientAuth() {
            clientAuth = false;
            return this;
        }

        /**
         * Sets the name of a host that a client asks for and that the certificate has to have, in
         * place of the host that it connects to.
         */
        public Builder serverName(String name) {
            serverName = need("serverName", name, "a host name");
            String bare = HostName.bare(name);
            if (!HostName.isName(bare) && (bare == null || !HostName.isAddress(bare))) {
                throw bad("serverName", name, "a host name, such as www.example.org");
            }
            return this;
        }

        /**
         * Sets whether a client checks that the certificate is for the host; true by default. False
         * accepts any certificate of an issuer that is trusted.
         */
        public Builder verifyHost(boolean verify) {
            verifyHost = verify;
            return this;
        }

        /**
         * Sets the application protocols (ALPN), such as {@code h2}, each of 1 to 255 characters,
         * the preferred one first; none by default.
         */
        public Builder alpn(List<String> names) {
            for (String each : need("alpn", names, "names")) {
                if (each.isEmpty() || each.length() > 255) {
                    throw bad("alpn", each, "names of 1 to 255 characters");
                }
            }
            alpn = List.copyOf(names);
            return this;
        }

        /**
         * Sets the versions of the protocol as the JDK names them; TLSv1.3 and TLSv1.2 by
         * default.
         */
        public Builder protocols(List<String> names) {
            protocols = known("protocols", names, supported().getProtocols());
            return this;
        }

        /**
         * Sets the ciphers as the JDK names them, such as {@code TLS_AES_128_GCM_SHA256}, the
         * preferred one first.
         */
        public Builder ciphers(List<String> names) {
            ciphers = known("ciphers", names, supported().getCipherSuites());
            return this;
        }

        /** Sets how long a handshake may take; 10 seconds by default, null for ever. */
        public Builder handshakeTimeout(Duration timeout) {
            if (timeout != null && (timeout.isNegative() || timeout.isZero())) {
                throw bad("handshakeTimeout", timeout, "a positive time, or null");
            }
            handshakeTimeout = timeout;
            return this;
        }

        /**
         * Sets another certificate of a server, for clients that request this name (SNI).
         *
         * @param name a host name, or one such as {@code *.example.org}
         * @param options has the certificate; nothing else of it is used
         */
        public Builder sni(String name, TlsOptions options) {
            String plain = need("sni", name, "a name").replaceFirst("^[*][.]", "");
            String bare = HostName.bare(plain);
            if (!HostName.isName(bare)) {
                throw bad("sni", name, "a host name, such as www.example.org or *.example.org");
            } else if (!need("sni", options, "TlsOptions").settings.files().hasCertificate()) {
                throw bad("sni", name, "options with a certificate for that name");
            }
            sni.put((name.equals(plain) ? "" : "*.") + bare.toLowerCase(Locale.ROOT), options);
            return this;
        }

        /**
         * Reads the files, and makes the options.
         *
         * @throws IOException if a file cannot be read, or what is in it cannot be used
         * @throws IllegalArgumentException if options do not go together
         */
        public TlsOptions build() throws IOException {
            check();
            return new TlsOptions(copy(), operation);
        }
    }
}
