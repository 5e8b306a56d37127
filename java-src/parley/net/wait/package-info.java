/**
 * Waiting for channels and descriptors: sources, pollers and the event loop. Internal: the types
 * are public because {@code parley.net} uses them, and may change in any release.
 *
 * <p>The rest of the library asks three things of a {@link parley.net.wait.Source}: is it ready now
 * ({@link parley.net.wait.ThreadWaits#ready}), block this thread until it is
 * ({@link parley.net.wait.ThreadWaits#await}), notify me once when it is
 * ({@link parley.net.wait.EventLoop#arm}). A {@link parley.net.wait.Poller} is the one container
 * whose registrations last. The package knows deadlines and the log, but no stream and no server.
 */
package parley.net.wait;
