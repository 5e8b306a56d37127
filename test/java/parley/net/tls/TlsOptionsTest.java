package parley.net.tls;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertPathValidatorException.BasicReason;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLPeerUnverifiedException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import parley.testing.CertificateAuthority;
import parley.testing.CertificateAuthority.Identity;
import parley.testing.TemporaryPaths;

/** What options accept and refuse, shown with two engines in memory. */
class TlsOptionsTest {
    private static final Identity ROOT = CertificateAuthority.root("our root");
    private static final Identity RSA_ROOT =
            CertificateAuthority.request("RSA root").key("RSA", 2048).authority().selfSigned();
    private static final Identity STRANGER = CertificateAuthority.root("another root");
    private static final Identity MANY_NAMES = CertificateAuthority.issue(ROOT, Stream.concat(
            Stream.of("localhost", "127.0.0.1", "::1", "*.wild.example", "xn--bcher-kva.example"),
            IntStream.range(0, 1_000).mapToObj(i -> "name" + i + ".example"))
                    .toArray(String[]::new));
    private static final Identity SERVER = CertificateAuthority.issue(ROOT, "localhost", "127.0.0.1");
    private static final Identity CLIENT = CertificateAuthority.issue(ROOT, "a client");

    private static TlsOptions.Builder server(Identity identity) {
        return TlsOptions.builder("socket-accept").cert(identity.certificates())
                .key(identity.keyText());
    }

    private static TlsOptions.Builder client() {
        return TlsOptions.builder("socket-connect")
                .ca(ROOT.certificates() + RSA_ROOT.certificates());
    }

    private static Engines.Outcome shake(TlsOptions.Builder client, String host,
            TlsOptions.Builder server) throws IOException {
        return Engines.shake(client.build().clientEngine(host, 443), server.build().serverEngine());
    }

    private static TlsException explained(TlsOptions options, IOException failure, boolean client) {
        return (TlsException) options.explain(failure, "localhost:443", client);
    }

    // ---- certificates of servers -------------------------------------------------------------

    /** Certificates that clients refuse, by the name of the fault. */
    private static Identity faulty(String fault) {
        CertificateAuthority.Request request =
                CertificateAuthority.request("leaf").names("localhost");
        return switch (fault) {
            case "expired" -> request.days(-3, -2).by(ROOT);
            case "early" -> request.days(2, 3).by(ROOT);
            case "wrong host" -> request.names("other.example", "more.example").by(ROOT);
            case "no names" -> CertificateAuthority.request("localhost").by(ROOT);
            case "self-signed" -> request.selfSigned();
            case "unknown issuer" -> request.by(STRANGER);
            case "missing intermediate" -> {
                Identity whole = request.by(CertificateAuthority.request("between").authority()
                        .by(ROOT));
                yield new Identity(whole.key(), whole.chain().subList(0, 1));
            }
            case "short key" -> request.key("RSA", 1024).by(ROOT);
            case "sha-1" -> request.signedWith("SHA1withRSA").by(RSA_ROOT);
            default -> throw new AssertionError(fault);
        };
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', value = {
        "expired | TLS_EXPIRED | its certificate CN=leaf expired on",
        "early | TLS_NOT_YET_VALID | its certificate CN=leaf is not valid before",
        "wrong host | TLS_HOST_MISMATCH | its certificate is for other.example, more.example, not for"
            + " localhost; connect by a name of the certificate, or pass that name as :server-name",
        "no names | TLS_HOST_MISMATCH | its certificate names no host",
        "self-signed | TLS_SELF_SIGNED | its certificate CN=leaf is signed by itself, and this side does"
            + " not trust it; if it is the right one, pass it as :ca",
        "unknown issuer | TLS_UNKNOWN_ISSUER | its certificate CN=leaf was issued by CN=another root,"
            + " which this side does not trust; it sent no certificates of issuers; pass the certificate"
            + " of the root as :ca",
        "missing intermediate | TLS_UNKNOWN_ISSUER | was issued by CN=between, which",
        "short key | TLS_WEAK_CERTIFICATE | has an RSA key of 1024 bits",
        "sha-1 | TLS_WEAK_CERTIFICATE | is signed with SHA1withRSA"})
    void a_client_refuses_a_bad_certificate(String fault, String code, String words) throws Exception {
        for (String version : List.of("TLSv1.3", "TLSv1.2")) {
            TlsOptions client = client().build();
            Engines.Outcome outcome = Engines.shake(client.clientEngine("localhost", 443),
                    server(faulty(fault)).protocols(List.of(version)).build().serverEngine());
            TlsException e = explained(client, outcome.clientFailure(), true);
            assertEquals(code, e.code(), e.getMessage());
            assertTrue(e.getMessage().startsWith("localhost:443: ") && e.getMessage().contains(words),
                    e.getMessage());
            assertNull(e.getCause());
            assertEquals(outcome.clientFailure(), e.getSuppressed()[0]);
            TlsException told = explained(server(SERVER).build(), outcome.serverFailure(), false);
            assertEquals("TLS_CERTIFICATE_REJECTED", told.code(), told.getMessage());
        }
    }

    @Test
    void a_certificate_that_is_trusted_itself_expires_all_the_same() throws IOException {
        Identity own = CertificateAuthority.request("own").names("localhost").days(-2, -1)
                .selfSigned();
        TlsOptions client = TlsOptions.builder().ca(own.certificates()).build();
        IOException failure = Engines.shake(client.clientEngine("localhost", 1),
                server(own).build().serverEngine()).clientFailure();
        assertEquals("TLS_EXPIRED", explained(client, failure, true).code());
    }

    @ParameterizedTest
    @ValueSource(strings = {"localhost", "LOCALHOST.", "127.0.0.1", "::1", "[::1]", "a.wild.example",
        "xn--bcher-kva.example", "bücher.example", "name999.example"})
    void a_good_certificate_is_accepted_by_each_of_its_names(String host) throws IOException {
        assertTrue(shake(client(), host, server(MANY_NAMES)).isDone());
    }

    @Test
    void a_chain_is_put_in_order_and_keys_of_every_kind_serve() throws IOException {
        Identity between = CertificateAuthority.request("between").authority().by(ROOT);
        for (String kind : List.of("EC 384", "RSA 2048", "Ed25519 0")) {
            String[] key = kind.split(" ");
            Identity leaf = CertificateAuthority.request("leaf").names("localhost")
                    .key(key[0], Integer.parseInt(key[1])).by(between);
            String reversed = between.certificates() + leaf.certificates();
            TlsOptions.Builder server =
                    TlsOptions.builder().cert(reversed).key(leaf.keyText());
            Engines.Outcome outcome = shake(client(), "localhost", server);
            assertTrue(outcome.isDone(), kind + outcome.clientFailure());
            assertEquals(leaf.chain(),
                    List.of(outcome.client().getSession().getPeerCertificates()));
        }
    }

    @Test
    void what_checks_can_be_changed() throws IOException {
        Identity other = CertificateAuthority.issue(ROOT, "other.example");
        assertTrue(shake(client().verifyHost(false), null, server(other)).isDone());
        assertTrue(shake(client().serverName("other.example"), "127.0.0.1", server(other)).isDone());
        assertTrue(shake(client().ca(SERVER.certificates()), "localhost", server(SERVER)).isDone());
        // A Unix-domain server has no name, unless one is given.
        assertTrue(shake(client(), null, server(other)).isDone());
        assertEquals("TLS_HOST_MISMATCH", explained(client().build(), shake(
                client().serverName("third.example"), null, server(other)).clientFailure(), true)
                        .code());
        // The name that is asked for is the one that counts, not the host.
        assertEquals("TLS_HOST_MISMATCH", explained(client().build(), shake(
                client().serverName("third.example"), "other.example", server(other))
                        .clientFailure(), true).code());
    }

    // ---- contexts of others ------------------------------------------------------------------

    @Test
    void contexts_that_others_made_are_checked_and_explained_as_well() throws Exception {
        TlsOptions trusting = TlsOptions.of(context(null, ROOT));
        SSLEngine server = TlsOptions.of(context(SERVER, ROOT)).serverEngine();
        assertTrue(Engines.shake(trusting.clientEngine("localhost", 443), server).isDone());
        for (String[] each : new String[][] {{"wrong host", "TLS_HOST_MISMATCH"},
            {"expired", "TLS_EXPIRED"}, {"unknown issuer", "TLS_UNKNOWN_ISSUER"}}) {
            Engines.Outcome outcome = Engines.shake(trusting.clientEngine("localhost", 443),
                    server(faulty(each[0])).build().serverEngine());
            TlsException e = explained(trusting, outcome.clientFailure(), true);
            assertEquals(each[1], e.code(), e.getMessage());
        }
        assertThrows(IllegalStateException.class, trusting::reload);
    }

    private static SSLContext context(Identity own, Identity trusted) throws Exception {
        KeyStore store = store(own, trusted);
        javax.net.ssl.KeyManagerFactory keys =
                javax.net.ssl.KeyManagerFactory.getInstance("PKIX");
        keys.init(store, "sesame".toCharArray());
        javax.net.ssl.TrustManagerFactory trust =
                javax.net.ssl.TrustManagerFactory.getInstance("PKIX");
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private static KeyStore store(Identity own, Identity trusted) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        store.load(null, null);
        if (own != null) {
            store.setKeyEntry("own", own.key(), "sesame".toCharArray(),
                    own.chain().toArray(new X509Certificate[0]));
        }
        if (trusted != null) {
            store.setCertificateEntry("ca", trusted.chain().get(0));
        }
        return store;
    }

    @ParameterizedTest
    @ValueSource(strings = {"PKCS12", "JKS"})
    void key_stores_have_certificates_and_trust(String type) throws Exception {
        Path file = TemporaryPaths.fresh();
        KeyStore store = KeyStore.getInstance(type);
        store.load(null, null);
        store.setKeyEntry("own", SERVER.key(), "sesame".toCharArray(),
                SERVER.chain().toArray(new X509Certificate[0]));
        store.setCertificateEntry("ca", ROOT.chain().get(0));
        try (var out = Files.newOutputStream(file)) {
            store.store(out, "sesame".toCharArray());
        }
        TlsOptions.Builder both = TlsOptions.builder().keystore(file, "sesame".toCharArray());
        assertTrue(shake(both, "localhost", both.needClientAuth()).isDone());
        TlsException e = assertThrows(TlsException.class,
                () -> TlsOptions.builder().keystore(file, "wrong".toCharArray()).build());
        assertEquals("TLS_BAD_KEYS", e.code());
        assertTrue(e.getMessage().startsWith("TlsOptions: TlsOptions.Builder.keystore " + file + ": "),
                e.getMessage());
    }

    // ---- certificates of clients -------------------------------------------------------------

    @Test
    void a_server_refuses_clients_without_a_certificate_of_its_issuer() throws IOException {
        TlsOptions server = server(SERVER).ca(ROOT.certificates()).needClientAuth().build();
        assertTrue(server.needsClientCertificate());
        for (String version : List.of("TLSv1.3", "TLSv1.2")) {
            TlsOptions.Builder bare = client().protocols(List.of(version));
            Engines.Outcome none = Engines.shake(bare.build().clientEngine("localhost", 1),
                    server.serverEngine());
            TlsException e = explained(server, none.serverFailure(), false);
            assertEquals("localhost:443: it sent no certificate, and one is required; the client has to"
                    + " send one that an issuer of :ca signed", e.getMessage());
            assertEquals("TLS_CLIENT_CERTIFICATE_MISSING", e.code());
            // In TLS 1.2 some servers send an alert that may mean anything.
            TlsException told = explained(bare.build(), none.clientFailure(), true);
            assertTrue(told.getMessage().contains(":cert") && !told.code().contains("REJECTED"),
                    told.code() + told.getMessage());

            Identity stranger = CertificateAuthority.issue(STRANGER, "stranger");
            Engines.Outcome other = Engines.shake(client().protocols(List.of(version))
                    .cert(stranger.certificates()).key(stranger.keyText()).build()
                    .clientEngine("localhost", 1), server.serverEngine());
            assertEquals("TLS_UNKNOWN_ISSUER",
                    explained(server, other.serverFailure(), false).code());

            Engines.Outcome good = Engines.shake(client().protocols(List.of(version))
                    .cert(CLIENT.certificates()).key(CLIENT.keyText()).build()
                    .clientEngine("localhost", 1), server.serverEngine());
            assertTrue(good.isDone());
            assertEquals(CLIENT.chain(), List.of(good.server().getSession().getPeerCertificates()));
        }
    }

    @Test
    void a_server_that_only_asks_accepts_clients_without_a_certificate() throws IOException {
        TlsOptions.Builder server = server(SERVER).ca(ROOT.certificates()).wantClientAuth();
        Engines.Outcome outcome = shake(client(), "localhost", server);
        assertTrue(outcome.isDone());
        assertThrows(SSLPeerUnverifiedException.class,
                () -> outcome.server().getSession().getPeerCertificates());
    }

    // ---- what only some peers or settings bring about ----------------------------------------

    static Stream<Arguments> failures() {
        return Stream.of(
                Arguments.of(new SSLException("Received fatal alert: unrecognized_name"),
                        "TLS_UNRECOGNIZED_NAME", "pass another as :server-name"),
                Arguments.of(new SSLException("Received fatal alert: handshake_failure"),
                        "TLS_HANDSHAKE", "the server may want another cipher (see :ciphers)"),
                Arguments.of(refused(BasicReason.REVOKED), "TLS_REVOKED", "its certificate is refused"),
                Arguments.of(refused(BasicReason.INVALID_SIGNATURE), "TLS_BAD_CERTIFICATE",
                        "its certificate is refused"));
    }

    private static SSLException refused(BasicReason reason) {
        return new SSLException("refused", new CertificateException(
                new CertPathValidatorException("the path", null, null, -1, reason)));
    }

    @ParameterizedTest
    @MethodSource("failures")
    void rare_failures_have_a_code_and_a_cure(SSLException failure, String code, String words)
            throws IOException {
        TlsException e = explained(client().build(), failure, true);
        assertEquals(code, e.code());
        assertTrue(e.getMessage().contains(words), e.getMessage());
    }

    // ---- versions, ciphers, ALPN, SNI --------------------------------------------------------

    @ParameterizedTest
    @CsvSource({
        "TLSv1.0, 0x002F, TLS_PROTOCOL_VERSION, TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLSv1.1, 0x002F, TLS_PROTOCOL_VERSION, the same",
        "TLSv1.2, 0x009C, TLS_NO_SHARED_CIPHER, TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLSv1.2, 0xC023, TLS_NO_SHARED_CIPHER, TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
        "TLSv1.2, 0x009E, TLS_NO_SHARED_CIPHER, TLS_DHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLSv1.2, 0x0005, TLS_NO_SHARED_CIPHER, TLS_RSA_WITH_RC4_128_SHA",
        "TLSv1.2, 0x000A, TLS_NO_SHARED_CIPHER, TLS_RSA_WITH_3DES_EDE_CBC_SHA",
        "TLSv1.2, 0x0002, TLS_NO_SHARED_CIPHER, TLS_RSA_WITH_NULL_SHA"})
    void a_server_refuses_old_versions_and_weak_ciphers(String version, int cipher, String code,
            String name) throws Exception {
        TlsOptions server = server(SERVER).build();
        // This JDK would not offer them all, so the hello is written by hand.
        IOException failure = Engines.shakeWith(server.serverEngine(),
                hello(version.charAt(version.length() - 1) - '0', cipher));
        TlsException e = explained(server, failure, false);
        assertEquals(code, e.code(), e.getMessage());
    }

    /** A hello of TLS 1.0, 1.1 or 1.2 with one cipher. */
    private static String hello(int version, int cipher) {
        String body = "\3" + (char) (version + 1) + "r".repeat(32) + "\0\0\2"
                + (char) (cipher >> 8) + (char) (cipher & 0xFF) + "\1\0";
        String message = "\1\0\0" + (char) body.length() + body;
        return "\26\3\1\0" + (char) message.length() + message;
    }

    @Test
    void both_choose_among_application_protocols() throws IOException {
        Engines.Outcome outcome = shake(client().alpn(List.of("h2", "http/1.1")), "localhost",
                server(SERVER).alpn(List.of("http/1.1")));
        assertEquals("http/1.1", outcome.client().getApplicationProtocol());
        TlsOptions server = server(SERVER).alpn(List.of("smtp")).build();
        outcome = Engines.shake(client().alpn(List.of("h2")).build().clientEngine("localhost", 1),
                server.serverEngine());
        TlsException e = explained(server, outcome.serverFailure(), false);
        assertEquals("TLS_NO_APPLICATION_PROTOCOL", e.code(), e.getMessage());
        assertEquals("TLS_NO_APPLICATION_PROTOCOL",
                explained(client().build(), outcome.clientFailure(), true).code());
    }

    @ParameterizedTest
    @CsvSource({"a.example, a", "A.EXAMPLE, a", "x.b.example, b", "b.example, 0", "127.0.0.1, 0",
        "other.example, 0"})
    void a_server_has_certificates_by_name(String host, String expected) throws IOException {
        Identity all = CertificateAuthority.request("0").names("b.example", "127.0.0.1",
                "other.example").by(ROOT);
        TlsOptions a = server(CertificateAuthority.request("a").names("a.example").by(ROOT)).build();
        TlsOptions b = server(CertificateAuthority.request("b").names("x.b.example").by(ROOT)).build();
        TlsOptions.Builder server = server(all).sni("a.example", a).sni("*.b.example", b);
        X509Certificate sent = (X509Certificate) shake(client(), host, server).client().getSession()
                .getPeerCertificates()[0];
        assertEquals("CN=" + expected, sent.getSubjectX500Principal().getName());
    }

    // ---- plain text and TLS ------------------------------------------------------------------

    @ParameterizedTest
    @ValueSource(strings = {"220 mail.example ESMTP\r\n", "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        "(+ 1 2)\n", "d2:op5:clonee", "SSH-2.0-OpenSSH_9.2\r\n", "\0\0\0\0\0\0\0\0"})
    void plain_text_is_recognised(String text) throws IOException {
        TlsOptions client = client().build();
        TlsException e = explained(client,
                Engines.shakeWith(client.clientEngine("localhost", 1), text), true);
        assertEquals("TLS_PLAIN_TEXT", e.code(), e.getMessage());
        assertEquals("localhost:443: it sent plain text where TLS was expected; connect without TLS, or"
                + " to the server's port for TLS", e.getMessage());
        TlsOptions server = server(SERVER).build();
        e = explained(server, Engines.shakeWith(server.serverEngine(), text), false);
        assertEquals("TLS_PLAIN_TEXT", e.code(), e.getMessage());
    }

    @Test
    void other_failures_are_left_alone() throws IOException {
        IOException reset = new IOException("reset");
        assertEquals(reset, client().build().explain(reset, "x", true));
        TlsException known = explained(client().build(),
                new TlsException("TLS_TRUNCATED", "cut", null), true);
        assertEquals("TLS_TRUNCATED localhost:443: cut", known.code() + " " + known.getMessage());
    }

    // ---- files -------------------------------------------------------------------------------

    @Test
    void files_are_read_again_as_a_whole_or_not_at_all() throws Exception {
        Path file = SERVER.file();
        Path named = CertificateAuthority.issue(ROOT, "a.example").file();
        TlsOptions server = TlsOptions.builder().cert(file)
                .sni("a.example", TlsOptions.builder().cert(named).build()).build();
        assertEquals(SERVER.chain(), sent(server, "localhost"));

        Identity next = CertificateAuthority.issue(ROOT, "localhost");
        Identity nextNamed = CertificateAuthority.issue(ROOT, "a.example");
        next.write(file);
        assertEquals(SERVER.chain(), sent(server, "localhost"));
        Files.writeString(named, nextNamed.certificates());
        TlsException e = assertThrows(TlsException.class, server::reload);
        assertTrue(e.getMessage().startsWith("TlsOptions.reload: TlsOptions.Builder.key " + named
                + ": there is no private key in it"), e.getMessage());
        assertEquals(SERVER.chain(), sent(server, "localhost"));

        nextNamed.write(named);
        server.reload();
        assertEquals(next.chain(), sent(server, "localhost"));
        assertEquals(nextNamed.chain(), sent(server, "a.example"));
        Files.delete(file);
        assertThrows(NoSuchFileException.class, server::reload);
        assertEquals(next.chain(), sent(server, "localhost"));
    }

    private static List<?> sent(TlsOptions server, String host) throws IOException {
        return List.of(Engines.shake(client().build().clientEngine(host, 1), server.serverEngine())
                .client().getSession().getPeerCertificates());
    }

    @Test
    void files_that_cannot_be_used_are_named() {
        Path missing = TemporaryPaths.fresh();
        String message = assertThrows(NoSuchFileException.class,
                () -> TlsOptions.builder("serve").cert(missing).build()).getMessage();
        assertTrue(message.endsWith("serve: :cert " + missing + ": there is no such file"), message);
        message = assertThrows(NoSuchFileException.class,
                () -> client().keystore(missing, null).build()).getMessage();
        assertTrue(message.contains(":keystore " + missing + ": there is no such file"), message);
        message = assertThrows(TlsException.class,
                () -> server(SERVER).key(CLIENT.keyText()).build()).getMessage();
        assertEquals("socket-accept: :key (a PEM text): the key does not belong to the certificate of"
                + " CN=localhost, expected the key that was made with it", message);
        message = assertThrows(TlsException.class,
                () -> client().ca("nothing").build()).getMessage();
        assertTrue(message.startsWith("socket-connect: :ca (a PEM text): there is no certificate"),
                message);
    }

    // ---- misuse ------------------------------------------------------------------------------

    @Test
    void wrong_options_are_named() {
        assertMisuse("socket-connect: :protocols is \"TLSv9\", expected some of ",
                () -> client().protocols(List.of("TLSv9")));
        assertMisuse("socket-connect: :ciphers is [], expected at least one name",
                () -> client().ciphers(List.of()));
        assertMisuse("socket-connect: :alpn is \"\", expected names of 1 to 255 characters",
                () -> client().alpn(List.of("")));
        assertMisuse("socket-connect: :server-name is \"a b\", expected a host name",
                () -> client().serverName("a b"));
        assertMisuse("socket-connect: :handshake-timeout is PT0S, expected a positive time",
                () -> client().handshakeTimeout(Duration.ZERO));
        assertMisuse("socket-connect: :key is given alone, expected its certificate",
                () -> client().key(SERVER.keyText()).build());
        assertMisuse("TlsOptions: TlsOptions.Builder.clientAuth is given alone, expected the issuers",
                () -> TlsOptions.builder().cert(SERVER.file()).needClientAuth().build());
        assertMisuse("socket-connect: the server has no certificate, expected :cert and :key",
                () -> client().build().serverEngine());
        assertMisuse("socket-accept: :sni is \"x\", expected options with a certificate",
                () -> server(SERVER).sni("x", client().build()));
        assertMisuse("TlsOptions: TlsOptions.Builder.cert is null, expected a file",
                () -> TlsOptions.builder().cert((Path) null));
    }

    private static void assertMisuse(String words, org.junit.jupiter.api.function.Executable call) {
        String message = assertThrows(IllegalArgumentException.class, call).getMessage();
        assertTrue(message.startsWith(words), message);
    }
}
