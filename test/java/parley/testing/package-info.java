/**
 * The test library: what every suite of Parley stands on. Nothing here knows Parley's classes, so
 * that the rules it enforces (no leak, no hang, no spin, honest timing) hold for the core and for
 * whatever is built on it alike.
 *
 * <p>A suite is marked {@link parley.testing.Guarded @Guarded}: each case then runs under the
 * {@link parley.testing.Watchdog} and is closed by the {@link parley.testing.LeakCheck}. A case
 * marked {@link parley.testing.EveryCase @EveryCase} runs once for each {@link
 * parley.testing.Case}, that is each kind of socket on each kind of thread.
 */
package parley.testing;
