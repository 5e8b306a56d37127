package parley.net.tls;

import java.io.IOException;
import java.time.Duration;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;

/** How TLS is done on a connection. Immutable. */
public final class TlsOptions {
    private final SSLContext context;

    private TlsOptions(SSLContext context) {
        this.context = context;
    }

    /**
     * Returns options with the keys and the trust of a context, and the defaults otherwise.
     *
     * @param context initialized
     * @return the options
     */
    public static TlsOptions of(SSLContext context) {
        return new TlsOptions(context);
    }

    /**
     * Returns a new engine for the client's side of a connection.
     *
     * @param host the name that the server's certificate must have; null to check none
     * @param port where the server listens
     * @return an engine that has not begun
     */
    public SSLEngine clientEngine(String host, int port) {
        SSLEngine engine = context.createSSLEngine(host, port);
        engine.setUseClientMode(true);
        if (host != null) {
            SSLParameters parameters = engine.getSSLParameters();
            parameters.setEndpointIdentificationAlgorithm("HTTPS");
            engine.setSSLParameters(parameters);
        }
        return engine;
    }

    /**
     * Returns a new engine for the server's side of a connection.
     *
     * @return an engine that has not begun
     */
    public SSLEngine serverEngine() {
        SSLEngine engine = context.createSSLEngine();
        engine.setUseClientMode(false);
        return engine;
    }

    /**
     * Returns how long a handshake may take.
     *
     * @return 10 seconds
     */
    public Duration handshakeTimeout() {
        return Duration.ofSeconds(10);
    }

    /**
     * Turns what an engine or a connection threw into an exception that names the peer and the reason.
     *
     * @param failure what was thrown
     * @param peer the peer, as messages show it
     * @param client whether this side is the client
     * @return the exception to report
     */
    public IOException explain(IOException failure, String peer, boolean client) {
        return failure;
    }
}
