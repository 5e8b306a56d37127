/**
 * The test library. Its rules (no leak, no hang, no spin, honest timing) hold for every suite.
 *
 * <p>A suite is marked {@link parley.testing.Guarded @Guarded}: each case then runs under the
 * {@link parley.testing.Watchdog}, and {@link parley.testing.Leaks} compares what is open before
 * and after it. A case marked {@link parley.testing.EveryCase @EveryCase} runs once for each {@link
 * parley.testing.Case}, that is each kind of socket on each kind of thread.
 */
package parley.testing;
