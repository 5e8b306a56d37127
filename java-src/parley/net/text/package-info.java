/**
 * Text as bytes: decoders, encoders and the search for the ends of lines. Internal: the types are
 * public because {@code parley.net} uses them, and may change in any release.
 *
 * <p>Everything here works on {@code byte[]} and {@code char[]} and imports nothing of Parley. No
 * class is safe for use by several threads; in a stream the lock of a side guards them.
 */
package parley.net.text;
