(ns bench.connections
  "Whole conversations: connections opened, one line each way, closed, beside ServerSocket with a thread for each
  connection; and what a form costs that is sent to a REPL server, beside clojure.core.server. Clients are plain
  sockets in this process. Contenders take turns."
  (:require
   [bench.status :as status]
   [clojure.core.server :as core-server]
   [parley.repl :as repl]
   [parley.server :as server]
   [parley.stream :as stream])
  (:import
   (java.io BufferedReader Closeable InputStreamReader OutputStream)
   (java.net InetAddress ServerSocket Socket SocketException)))

(set! *warn-on-reflection* true)

(defn- connect ^Socket [port]
  (doto (Socket. (InetAddress/getLoopbackAddress) (int port))
    (.setTcpNoDelay true)))

(defn- reader ^BufferedReader [^Socket socket]
  (BufferedReader. (InputStreamReader. (.getInputStream socket))))

(defn- send! [^Socket socket ^String text]
  (doto ^OutputStream (.getOutputStream socket)
    (.write (.getBytes text))))

(defn- conversation [port]
  (with-open [socket (connect port)]
    (send! socket "hello\n")
    (assert (= "hello" (.readLine (reader socket))))))

(defn- echo-line [s]
  (stream/write-line (stream/read-line s) s)
  (stream/finish-output s))

(defn- echo-plain [^Socket socket]
  (with-open [socket socket]
    (.setTcpNoDelay socket true)
    (send! socket (str (.readLine (reader socket)) "\n"))))

(defn- accept-all [^ServerSocket listener]
  (try
    (while true
      (let [socket (.accept listener)]
        (.start (Thread. #(echo-plain socket)))))
    (catch SocketException _
      nil))) ; closed

(defn- conversations []
  (with-open [^Closeable ours (server/serve echo-line)
              theirs (ServerSocket. 0 50 (InetAddress/getLoopbackAddress))]
    (.start (Thread. #(accept-all theirs)))
    (let [port (.getLocalPort theirs)]
      (status/versus {:parley #(conversation (:port ours))
                      :jdk #(conversation port)}))))

(defn- evaluations
  "Each evaluates on a connection that stays open; answers have no prompt to skip, since io-prepl has none."
  []
  (let [accept 'clojure.core.server/io-prepl
        theirs (core-server/start-server {:name "bench" :port 0 :accept accept})]
    (try
      (with-open [^Closeable ours (repl/repl-server {:accept accept})
                  to-ours (connect (:port ours))
                  to-theirs (connect (.getLocalPort ^ServerSocket theirs))]
        (let [ask (fn [socket]
                    (let [in (reader socket)]
                      #(do (send! socket "(+ 1 2)\n")
                           (assert (re-find #":val \"3\"" (.readLine in))))))]
          (status/versus {:parley (ask to-ours)
                          :jdk (ask to-theirs)})))
      (finally
        (core-server/stop-server "bench")))))

(defn run
  "Returns nanoseconds by the clock, of both contenders, for :conversation and :evaluation."
  [{:keys [turns]} progress]
  (binding [status/*turns* turns]
    (progress "connections: a line each way")
    (let [conversation (conversations)]
      (progress "connections: forms to a REPL server")
      {:conversation conversation
       :evaluation (evaluations)})))
