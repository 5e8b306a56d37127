(ns parley.testing.nrepl
  "What the tests of nrepl-server share. nREPL is the one of Debian's package libnrepl-clojure, or any
  that is on the class path."
  (:require
   [clojure.string :as str]
   [parley.nrepl :as nrepl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.missing :refer [missing]])
  (:import
   (java.io Closeable IOException)
   (java.nio.file Path)
   (java.util.concurrent Callable)
   (parley.net SocketStream)
   (parley.testing Await TemporaryPaths)))

(set! *warn-on-reflection* true)

(def nrepl?
  (try
    (require 'nrepl.core 'nrepl.server 'nrepl.transport 'nrepl.ack)
    true
    (catch java.io.FileNotFoundException _
      false)))

(defmacro with-nrepl
  "Runs the body when nREPL is on the class path; else skips the test."
  [& body]
  `(if nrepl?
     (do ~@body)
     (missing "nREPL (libnrepl-clojure)")))

(defmacro await-that [fact & body]
  `(Await/until ~fact (reify Callable (call [_] (boolean (do ~@body))))))

(defn call
  "Calls a function of nREPL's."
  [symbol & args]
  (apply (requiring-resolve symbol) args))

(defn with-log-of-nrepl
  "A fixture that throws when nREPL has logged something, or a thread has ended by an exception."
  [run]
  (let [reported (atom [])
        before (Thread/getDefaultUncaughtExceptionHandler)]
    (Thread/setDefaultUncaughtExceptionHandler
      (reify Thread$UncaughtExceptionHandler
        (uncaughtException [_ _ e] (swap! reported conj [e]))))
    (try
      (if nrepl?
        (with-redefs-fn {(requiring-resolve 'nrepl.misc/log) (fn [& all] (swap! reported conj all))} run)
        (run))
      (finally
        (Thread/setDefaultUncaughtExceptionHandler before)))
    (when (seq @reported)
      (throw (AssertionError. (str "nREPL reported " (pr-str @reported)))))))

(defn server
  "An nrepl-server whose log is in an atom, under :lines."
  ^Closeable [& {:as options}]
  (let [lines (atom [])]
    (assoc (nrepl/nrepl-server (merge {:log #(swap! lines conj %)} options))
      :lines lines)))

(defn close [s]
  (.close ^Closeable s))

(defn endpoints
  "The options of a server on TCP, and of one on a path."
  []
  [{} {:socket (str (TemporaryPaths/fresh))}])

(defn path-of [server]
  (:socket server))

(defn connect
  "A transport of nREPL's client."
  ^Closeable [server]
  (if-let [path (path-of server)]
    (call 'nrepl.core/connect :socket path)
    (call 'nrepl.core/connect :port (:port server) :host "127.0.0.1")))

(defn raw
  "A connection that can send anything."
  ^SocketStream [server]
  (doto (if-let [path (path-of server)]
          (socket/socket-connect (Path/of path (make-array String 0)) nil :element-type :bivalent)
          (socket/socket-connect (:port server) "127.0.0.1" :element-type :bivalent))
    (stream/set-read-timeout! 10)))

(defn send-bytes [s ^bytes bytes]
  (stream/write-byte-sequence bytes s)
  (stream/finish-output s))

(defn rest-of
  "How many bytes come until the end; a reset is an end, too."
  [s]
  (try
    (loop [n 0]
      (if (stream/read-byte s nil nil)
        (recur (inc n))
        n))
    (catch java.net.SocketTimeoutException e
      (throw e))
    (catch IOException _
      0)))

(defn message [transport m]
  (doall (call 'nrepl.core/message (call 'nrepl.core/client transport 10000) m)))

(defn values-of [transport code]
  (call 'nrepl.core/response-values (message transport {:op "eval"
                                                        :code code})))

(def canary
  "What strangers try to change."
  (atom :alive))

(def kill "(reset! parley.testing.nrepl/canary :dead)")

(defn new-session [t]
  (:new-session (first (message t {:op "clone"}))))

(defn shout
  "Middleware that evaluates in capitals."
  [handler]
  (fn [{:keys [op transport]
        :as m}]
    (if (= "shout" op)
      (call 'nrepl.transport/send transport
        (call 'nrepl.misc/response-for m {:status :done
                                          :said (str/upper-case (:text m))}))
      (handler m))))
