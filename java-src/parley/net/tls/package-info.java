/** TLS over any transport. */
package parley.net.tls;
