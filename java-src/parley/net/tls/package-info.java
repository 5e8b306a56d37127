/**
 * Internal: TLS on a connection that something else carries. Knows the JDK's {@code SSLEngine} and
 * bytes, no stream and no server. Public for users are {@link parley.net.tls.TlsOptions},
 * {@link parley.net.tls.TlsSession} and {@link parley.net.tls.TlsException}.
 */
package parley.net.tls;
