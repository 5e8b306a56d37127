(ns parley.testing.status-pairs
  "What the tests of socket-status share."
  (:require
   [clojure.java.io :as io]
   [clojure.test :refer [is testing]]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io IOException)
   (java.net StandardSocketOptions)
   (java.nio ByteBuffer)
   (java.nio.file Path)
   (parley.net SocketStream)
   (parley.testing Await TemporaryPaths)))

(set! *warn-on-reflection* true)

(def patience 10)

(defn server-of
  "A server of a kind, and where to connect to."
  [kind ^Path directory]
  (let [server (if (= :unix kind)
                 (socket/socket-server (.resolve directory "socket") :backlog 100)
                 (socket/socket-server 0 :interface "127.0.0.1" :backlog 100))]
    [server #(if (= :unix kind)
               (socket/socket-connect (.resolve directory "socket") nil %)
               (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" %))]))

(defn call-with-pairs
  "Calls `f` with n pairs of streams, [ours theirs], over sockets of the kind."
  [kind n opts f]
  (let [directory (TemporaryPaths/directory)
        [server connect] (server-of kind directory)
        pairs (atom [])]
    (try
      (dotimes [_ n]
        (let [ours (connect opts)]
          (swap! pairs conj [ours (socket/socket-accept server :timeout patience :element-type :bivalent)])))
      (f @pairs)
      (finally
        (run! #(.abort ^SocketStream %) (flatten @pairs))
        (socket/socket-server-close server)
        (run! io/delete-file (reverse (file-seq (.toFile directory))))))))

(defmacro with-pair
  "Runs the body for TCP and for Unix-domain sockets, the streams of one connection bound."
  [[ours theirs & {:as opts}] & body]
  `(doseq [kind# [:tcp :unix]]
     (testing kind#
       (call-with-pairs kind# 1 ~(or opts {})
         (fn [[[~(with-meta ours {:tag `SocketStream}) ~(with-meta theirs {:tag `SocketStream})]]]
           ~@body)))))

(defn bytes-of ^bytes [& xs]
  (byte-array (map unchecked-byte xs)))

(defn send! [theirs & xs]
  (stream/write-byte-sequence (apply bytes-of xs) theirs)
  (stream/finish-output theirs))

(defn break! [^SocketStream theirs]
  (.setOption (.channel theirs) StandardSocketOptions/SO_LINGER (Integer/valueOf (int 0)))
  (.abort theirs))

(defn write-now
  "How many of `n` bytes the socket takes now."
  [^SocketStream s n]
  (.write (.channel s) (ByteBuffer/allocate n)))

(defn fill!
  "Makes output of the stream block, as the other side does not read, unless it is broken."
  [s]
  (Await/until "the socket is full"
    #(try
       (while (pos? (long (write-now s 100000))))
       (nil? (socket/socket-status [s :output] [0 20000]))
       (catch IOException _ true))))

(defn statuses
  "The status of an object by each way of asking: alone, in a list, in a list with another, in a set."
  [object direction timeout]
  (let [member [object direction]]
    (distinct
      [(socket/socket-status member timeout)
       (first (socket/socket-status [member] timeout))
       (first (socket/socket-status-values member timeout))
       (last (socket/socket-status (list member member) timeout))
       (with-open [ss ^java.io.Closeable (socket/status-set member)]
         (socket/status-of (socket/socket-status ss timeout) object))])))
