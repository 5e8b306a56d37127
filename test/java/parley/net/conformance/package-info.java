/**
 * What Parley must survive: one suite for each group of cases, over every kind of socket and
 * thread. The names of the test methods begin with the ids of the cases. Suites use the public
 * interface only; the other side of a connection is a scripted peer on plain channels.
 *
 * <p>Cases marked {@code nightly} take long or repeat a race many times.
 */
package parley.net.conformance;
