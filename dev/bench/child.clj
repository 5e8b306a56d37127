(ns bench.child
  "Processes that take part in a benchmark."
  (:import
   (java.net InetSocketAddress)
   (java.nio.channels SelectionKey Selector SocketChannel)))

(set! *warn-on-reflection* true)

(defn process
  "Returns a builder of a process that calls -main of a namespace, on the class path of this one."
  ^ProcessBuilder [namespace & args]
  (ProcessBuilder. ^java.util.List (into [(str (System/getProperty "java.home") "/bin/java") "-XX:+UseSerialGC"
                                          "-cp" (System/getProperty "java.class.path")
                                          "clojure.main" "-m" (str namespace)]
                                     (map str args))))

(defn connect-all
  "Connects n times to a port of loopback. Returns the selector with which the channels are registered for reading."
  ^Selector [port n]
  (let [selector (Selector/open)]
    (dotimes [_ n]
      (let [channel (SocketChannel/open (InetSocketAddress. "127.0.0.1" (int port)))]
        (.configureBlocking channel false)
        (.register channel selector SelectionKey/OP_READ)))
    selector))
