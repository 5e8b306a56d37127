/**
 * The C library, and nothing but: descriptors, poll, sockets and their options, pipes to processes.
 *
 * <p>Everything here works on bare descriptor numbers through JNA, on Linux and macOS, and needs no
 * flag to the JVM. It knows nothing of streams, characters or statuses; {@code parley.net} builds
 * those on top. Where the platform or the native library is missing, {@link Posix#available()} is
 * false and every function throws {@link UnsupportedOperationException} saying what is not there.
 *
 * <p>Three rules keep the JVM safe. Array bounds are checked before any native call. A native call
 * never blocks for long: sockets are read and written with {@code MSG_DONTWAIT}, and waiting is
 * done in {@code poll} together with something that can wake it. A descriptor's number is given
 * back to the system only after the last call that uses it has returned, see {@link Descriptor}.
 *
 * <p>Parts of arrays are given by {@code offset}, the index of the first byte, and {@code length}.
 * {@code flags} are sums of those in {@link MessageFlags}. Functions throw a {@link PosixException}
 * when their system call fails.
 *
 * <p>Public types are public because {@code parley.net} and the Clojure side need them.
 */
package parley.posix;
