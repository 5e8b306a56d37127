/**
 * Socket streams, servers and their status. Needs the JDK alone.
 *
 * <p>A first program:
 *
 * <pre>{@code
 * try (SocketStream stream = SocketStream.connect("127.0.0.1", 7007, StreamOptions.DEFAULT)) {
 *     stream.out().writeLine("hello");
 *     stream.out().flush();
 *     String reply = stream.in().readLine();
 * }
 * }</pre>
 */
package parley.net;
