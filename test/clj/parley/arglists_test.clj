(ns parley.arglists-test
  "Editors show :arglists, so they name the key of every option that a function takes."
  (:require
   [clojure.set :as set]
   [clojure.test :refer [deftest is]]
   [parley.async]
   [parley.http]
   [parley.impl.options :as options]
   [parley.nrepl]
   [parley.rawsock :as rawsock]
   [parley.repl]
   [parley.server]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.tls])
  (:import
   (java.nio.channels SocketChannel)))

(set! *warn-on-reflection* true)

(def ^:private namespaces
  '[parley.socket parley.stream parley.rawsock parley.async parley.http parley.server parley.tls parley.repl parley.nrepl])

(def ^:private no-options
  "Functions whose variable arguments are no options with fixed keys."
  #{#'socket/socket-options #'socket/status-set})

(defn- variable-arguments [v]
  (filter #(some #{'&} %) (:arglists (meta v))))

(defn- with-options
  "The public functions that take options, as their variable arguments."
  []
  (for [n namespaces
        [_ v] (ns-publics n)
        :when (and (not (:macro (meta v))) (not (no-options v)) (seq (variable-arguments v)))]
    v))

(defn- shown
  "The keys that an arglist shows; nil when it does not show any."
  [arglist]
  (when (map? (peek arglist))
    (set (map keyword (:keys (peek arglist))))))

(defn- accepted
  "The keys that a call of the function with these arguments and an option takes."
  [f args]
  (try
    (with-redefs [options/option-map (fn [_ known _] (throw (ex-info "known" {:known (set known)})))]
      (apply f (concat args [:none-of-them 1])))
    (throw (ex-info "looked at no options" {}))
    (catch clojure.lang.ExceptionInfo e
      (:known (ex-data e)))))

(def ^:private samples
  "By the names of parameters."
  {'port 0 'path "/nowhere" 'host "127.0.0.1" 'page "/" 'file "nowhere" 'type [:unsigned-byte 16]
   'endianness :big 'text "x" 'chars (char-array 1) 'array (byte-array 1) 'n 1 'x 1 'c \c 'peek-type nil
   'command "true" 'frame (byte-array 64) 'buffer (byte-array 1) 'socket 0 'handle 0 'message {} 'option :so-type
   'value 1 'handler identity 'tls true})

(deftest arglists-name-the-key-of-every-option
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            s (socket/socket-connect (socket/socket-server-port server) "127.0.0.1"
                                                     :element-type :bivalent)
                            channel (SocketChannel/open)]
    (let [samples (assoc samples 'server server 's s 'channel channel 'address (rawsock/make-sockaddr :inet (byte-array 14)))]
      (doseq [v (with-options)]
        (let [shown (map shown (variable-arguments v))
              positional (take-while #(not= '& %) (last (variable-arguments v)))]
          (is (every? some? shown) (str v " shows no keys: " (:arglists (meta v))))
          (doseq [p positional]
            (is (contains? samples p) (str v " has a parameter without a sample: " p)))
          (is (= (accepted @v (map samples positional)) (apply set/union shown)) (str v)))))))

(deftest calls-of-what-makes-resources-need-no-hint
  (doseq [v [#'socket/socket-server #'socket/socket-accept #'socket/socket-connect #'socket/socket-stream
             #'socket/status-set #'stream/make-stream #'stream/make-pipe-input-stream #'stream/make-pipe-output-stream
             #'stream/make-pipe-io-stream #'parley.repl/repl-server #'parley.repl/connect
             #'parley.nrepl/nrepl-server #'parley.nrepl/connect #'parley.server/serve #'parley.tls/start-tls!]
          arglist (:arglists (meta v))
          :let [tag (:tag (meta arglist))]]
    (is (and tag (isa? (Class/forName (str tag)) java.io.Closeable)) (str v " " arglist))))

(deftest published-functions-are-where-they-say
  (doseq [v [#'stream/set-line-limit! #'rawsock/ipcsum]]
    (is (re-find #"parley/impl/" (:file (meta v))))
    (is (vector? (first (:arglists (meta v)))))))
