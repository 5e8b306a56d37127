(ns parley.testing.rawsock-handles
  "What the tests of raw sockets share."
  (:require
   [parley.rawsock :as raw])
  (:import
   (java.util Locale)
   (parley.posix ClosedDescriptorException PosixException)))

(set! *warn-on-reflection* true)

(defmacro with-handles
  "Binds handles, then evaluates body, then closes those that are still open."
  [bindings & body]
  `(let [~@bindings]
     (try
       ~@body
       (finally
         (doseq [h# (flatten [~@(take-nth 2 bindings)])]
           (when (int? h#)
             (try (raw/sock-close h#) (catch ClosedDescriptorException _# nil))))))))

(defn errno
  "The name of the error that f fails with, else what it returns."
  [f]
  (try (f)
       (catch PosixException e (keyword (.toLowerCase (.name e) Locale/ROOT)))))

(defn loopback-server
  "[handle address] of a listening socket."
  []
  (let [server (raw/socket :inet :stream nil)]
    (raw/bind server (raw/make-sockaddr :inet "127.0.0.1" 0))
    (raw/sock-listen server 5)
    [server (raw/getsockname server)]))
