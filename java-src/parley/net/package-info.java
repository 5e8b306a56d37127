/** Socket streams, servers and their status: the core, which knows nothing of Clojure. */
package parley.net;
