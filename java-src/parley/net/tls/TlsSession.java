package parley.net.tls;

import java.security.cert.Certificate;
import java.util.List;
import javax.net.ssl.ExtendedSSLSession;
import javax.net.ssl.SNIHostName;
import javax.net.ssl.SNIServerName;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLPeerUnverifiedException;
import javax.net.ssl.SSLSession;

/**
 * The result of a TLS handshake.
 *
 * <pre>{@code
 * TlsSession session = connection.session();
 * System.out.println(session.protocol() + " " + session.cipher()); // TLSv1.3 TLS_AES_256_GCM_SHA384
 * }</pre>
 *
 * @param protocol for example {@code "TLSv1.3"}
 * @param cipher the cipher suite, for example {@code "TLS_AES_256_GCM_SHA384"}
 * @param alpn the application protocol (RFC 7301), or null when none was agreed on
 * @param serverName the name that the client asked for (RFC 6066), or null when it named none
 * @param peerCertificates the peer's certificate and those that vouch for it; empty when it
 *     showed none
 * @param session the session itself
 */
public record TlsSession(String protocol, String cipher, String alpn, String serverName,
        List<Certificate> peerCertificates, SSLSession session) {

    /** The session of an engine whose handshake is over. */
    static TlsSession of(SSLEngine engine) {
        SSLSession session = engine.getSession();
        String alpn = engine.getApplicationProtocol();
        return new TlsSession(session.getProtocol(), session.getCipherSuite(),
                alpn == null || alpn.isEmpty() ? null : alpn, serverName(session),
                certificates(session), session);
    }

    private static String serverName(SSLSession session) {
        if (session instanceof ExtendedSSLSession extended) {
            for (SNIServerName name : extended.getRequestedServerNames()) {
                if (name instanceof SNIHostName host) {
                    return host.getAsciiName();
                }
            }
        }
        return null;
    }

    private static List<Certificate> certificates(SSLSession session) {
        try {
            return List.of(session.getPeerCertificates());
        } catch (SSLPeerUnverifiedException e) {
            return List.of(); // the peer was not asked for any, or had none
        }
    }
}
