(ns parley.incumbents-test
  "What the servers that people embed today get wrong, seen on them, and that Parley's do not."
  (:require
   [clojure.core.server :as core-server]
   [clojure.test :refer [deftest is testing]]
   [parley.nrepl :as nrepl]
   [parley.stream :as stream]
   [parley.testing.nrepl :refer [call with-nrepl]]
   [parley.testing.repl :refer [answer await-that canary close connect in-child kill read-until rest-of send-text server session]])
  (:import
   (java.io Closeable File IOException)
   (java.net ServerSocket)
   (java.time Duration)
   (parley.testing Await TemporaryPaths)))

(set! *warn-on-reflection* true)

(defn- with-clojures-own
  "Calls f with a server of clojure.core.server's, as `connect` takes it, and with what stops it."
  [f]
  (let [name (str (gensym "incumbent"))
        socket (core-server/start-server {:name name
                                          :port 0
                                          :address "127.0.0.1"
                                          :server-daemon true
                                          :client-daemon true
                                          :accept `core-server/repl})]
    (try
      (f {:port (.getLocalPort ^ServerSocket socket)} #(core-server/stop-server name))
      (finally
        (core-server/stop-server name)))))

(defn- post
  "A page's form, sent with the connection kept open: whether it was evaluated."
  [r]
  (reset! canary :alive)
  (with-open [s (connect r)]
    (send-text s (str "POST / HTTP/1.1\r\nContent-Type: text/plain\r\n\r\n" kill "\n"))
    (let [reader (future (rest-of s))
          dead? #(= :dead @canary)]
      (await-that "it is evaluated, or closed" (or (dead?) (realized? reader)))
      (stream/close s :abort true)
      (dead?))))

(deftest clojures-own-server-evaluates-the-body-of-an-http-post
  (is (with-clojures-own (fn [r _] (post r))))
  (testing "not so repl-server"
    (with-open [^Closeable r (server)]
      (is (not (post r))))))

(deftest clojures-own-server-leaves-sessions-evaluating-when-it-is-stopped
  (with-clojures-own
    (fn [r stop]
      (with-open [s (session r)]
        (stop)
        (is (= "3" (answer s "(+ 1 2)"))))))
  (testing "not so repl-server"
    (with-open [^Closeable r (server)
                s (session r)]
      (close r)
      (is (= "" (rest-of s))))))

(defn- serves-after-scarcity?
  "Whether a server, started by code for a machine of its own that gives its port, serves again within so
  many seconds after that had no descriptors for a while."
  [code seconds]
  (with-open [child (in-child (list 'do
                                '(require 'parley.repl 'clojure.core.server)
                                (list 'println "port" code)
                                '(read-line)
                                '(System/exit 0)))]
    (let [r {:port (parse-long (.answer child "port"))}]
      (close (session r)) ; has it load and open what it needs
      (.leaveDescriptors child 5)
      (let [clients (doall (repeatedly 40 #(connect r)))]
        (Await/pass (Duration/ofMillis 500))
        (run! #(stream/close % :abort true) clients))
      (.limitDescriptors child 4096)
      (try
        (with-open [s (doto (connect r) (stream/set-read-timeout! seconds))]
          (some? (read-until s "user=> ")))
        (catch IOException _ ; the collector may have closed the socket of the server, too
          false)))))

(deftest clojures-own-server-never-serves-again-after-too-many-open-files
  (is (not (serves-after-scarcity? '(.getLocalPort (clojure.core.server/start-server
                                                     {:name "incumbent"
                                                      :port 0
                                                      :accept 'clojure.core.server/repl}))
                                   1)))
  (testing "not so repl-server"
    (is (serves-after-scarcity? '(do
                                   (parley.testing.Classes/load parley.net.SocketStream (into-array ["parley.net"]))
                                   (:port (parley.repl/repl-server {:log nil})))
                                30))))

(deftest nrepls-own-server-leaves-its-file-and-cannot-bind-the-path-again
  (with-nrepl
    (let [path (str (TemporaryPaths/fresh))
          start #(call 'nrepl.server/start-server :socket path)]
      (close (start))
      (is (.exists (File. path)))
      (is (thrown? IOException (close (start)))))
    (testing "not so nrepl-server"
      (let [path (str (TemporaryPaths/fresh))]
        (dotimes [_ 2]
          (with-open [_ (nrepl/nrepl-server :socket path :log nil)]
            (is (.exists (File. path))))
          (is (not (.exists (File. path)))))))))
