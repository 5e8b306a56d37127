(ns parley.impl.tls
  "The TLS of servers: options that are read once, and again on request."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.util Collections Map WeakHashMap)
   (java.util.function Function)
   (parley.net SocketServer StreamOptions)
   (parley.net.tls TlsOptions)))

(set! *warn-on-reflection* true)

(def ^:private most-kept
  "Maps kept for a server: a program that makes ever new ones gets its files read for each."
  8)

;; socket-accept gets its options with each connection. Files that were read for one serve the next, too,
;; so that sessions can be resumed and a file that is being replaced is not looked at in between.
(defonce ^:private ^Map by-server (Collections/synchronizedMap (WeakHashMap.)))

(defn- kept [server]
  (.computeIfAbsent by-server server (reify Function (apply [_ _] (atom {})))))

(defn- read-once [op kept x]
  (or (get @kept x)
      (let [made (options/->tls op x)]
        (.checkServer made)
        (swap! kept (fn [all] (assoc (if (< (count all) (long most-kept)) all {}) x made)))
        made)))

(defn for-server
  "Returns the TlsOptions of the option :tls of a server, nil of nil and false; throws an error when they
  have no certificate. Those of an equal map are read once for each server; `server` may be nil."
  ^TlsOptions [op server x]
  (when-let [tls (cond
                   (and server (map? x)) (read-once op (kept server) x)
                   (true? x) (throw (options/misuse op ":tls is true, and a server needs a certificate"
                                      "a map with :cert and :key, or a javax.net.ssl.SSLContext"))
                   :else (options/->tls op x))]
    (.checkServer ^TlsOptions tls)
    tls))

(defn accept-options
  "Returns the StreamOptions of a map of options of socket-accept."
  ^StreamOptions [op server m]
  (options/->stream-options op (cond-> m (:tls m) (assoc :tls (for-server op server (:tls m))))))

(defn reload
  "Reads the files of a server of parley.socket again: all that it has used, or none. In place, since an accept
  that waits has its options already."
  [op ^SocketServer server]
  (let [all @(kept server)]
    (doseq [[x _] all]
      (options/->tls op x))
    (doseq [[_ ^TlsOptions tls] all]
      (.reload tls))))
