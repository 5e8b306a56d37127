(ns parley.endpoint-test
  "The forms in which servers and clients take where to listen and connect, and what is none."
  (:require
   [clojure.test :refer [deftest is use-fixtures]]
   [parley.nrepl :as nrepl]
   [parley.repl :as repl]
   [parley.server :as server]
   [parley.socket :as socket]
   [parley.testing.calls :refer [leaves-nothing]])
  (:import
   (parley.testing Family TemporaryPaths)))

(set! *warn-on-reflection* true)

(use-fixtures :each
  (leaves-nothing #(with-open [server (socket/socket-server 0 :interface "127.0.0.1")
                               client (socket/socket-connect (socket/socket-server-port server))]
                     (socket/socket-stream-peer client)
                     (socket/socket-status [server client] 0))))

(deftest a-server-and-a-client-take-an-endpoint-in-every-form
  (let [path (str (TemporaryPaths/fresh))
        file (java.io.File. path)
        inet (fn [port] (java.net.InetSocketAddress. "127.0.0.1" (int port)))
        unix (java.net.UnixDomainSocketAddress/of path)]
    (doseq [there [0 {:host "127.0.0.1" :port 0} {:port 0} (inet 0)
                   (java.net.InetSocketAddress/createUnresolved "127.0.0.1" 0)]
            here [identity #(hash-map :host "127.0.0.1" :port %) #(hash-map :port %) inet]]
      (with-open [server (socket/socket-server there)
                  client (socket/socket-connect (here (socket/socket-server-port server)))
                  accepted (socket/socket-accept server :timeout 10)]
        (is (= (if (int? there) "0.0.0.0" (if (= {:port 0} there) "0.0.0.0" "127.0.0.1"))
              (socket/socket-server-host server)))
        (is (socket/socket-status [[client :output] [accepted :output]] 10))))
    (doseq [there [file unix (.toPath file) {:path path} {:path file} {:path unix}]
            here [file unix (.toPath file) {:path path} {:path file}]]
      (with-open [server (socket/socket-server there)
                  client (socket/socket-connect here nil :timeout 10)
                  accepted (socket/socket-accept server :timeout 10)]
        (is (= path (socket/socket-server-host server)))
        (is (socket/socket-status [[client :output] [accepted :output]] 10))))))

(deftest a-server-of-code-and-its-clients-take-an-endpoint-in-every-form
  (let [path (str (TemporaryPaths/fresh))
        file (java.io.File. path)
        unix (java.net.UnixDomainSocketAddress/of path)
        inet #(java.net.InetSocketAddress. "127.0.0.1" (int %))
        every-server [#(repl/repl-server (assoc % :log nil)) #(nrepl/nrepl-server (assoc % :log nil :handler identity))]]
    (doseq [start every-server
            [there here] [[0 identity] [(inet 0) inet] [{:port 0} #(hash-map :port %)]
                          [{:host "127.0.0.1"} #(hash-map :host "127.0.0.1" :port %)]]]
      (with-open [^java.io.Closeable server (start {:port there})
                  s (repl/connect {:port (here (:port server))})]
        (is (= "127.0.0.1" (:host server)))
        (is (= (:port server) (second (socket/socket-stream-peer s true))))))
    (doseq [start every-server
            there [file unix (.toPath file) {:path path} {:path file}]]
      (with-open [^java.io.Closeable server (start {:port there})
                  s (repl/connect {:port there})]
        (is (= [nil nil path] ((juxt :host :port (some-fn :path :socket)) server)))
        (is (= path (first (socket/socket-stream-peer s true))))))
    (doseq [[start option] (map vector every-server [:interface :bind])]
      (with-open [^java.io.Closeable server (start {option :loopback})]
        (doseq [host (cond-> ["127.0.0.1"] (.available Family/TCP6) (conj "::1"))]
          (with-open [s (repl/connect {:host host :port (:port server)})]
            (is (= host (first (socket/socket-stream-peer s true))))))))))

(deftest an-endpoint-of-a-server-of-code-that-is-refused
  (doseq [[options message] {{:port {:host "0.0.0.0" :port 0}} "\"0.0.0.0\" (String), which other machines can reach"
                             {:port (java.net.InetSocketAddress. "0.0.0.0" 0)} "which other machines can reach"
                             {:port {:prot 5}} "unknown option :prot (Keyword), expected one of :host :path :port; did you mean :port?"
                             {:port "5"} ":port is \"5\" (String), expected a port from 0 to 65535, a Path"
                             {:port {:host "127.0.0.1"} :interface "127.0.0.1"} ":interface is \"127.0.0.1\" (String) besides the endpoint"}]
    (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "^repl-server: .*\\Q" message "\\E"))
          (repl/repl-server (assoc options :log nil)))))
  (is (thrown-with-msg? IllegalArgumentException #"^connect: :host is \"::1\" \(String\) besides the endpoint .*, expected one of them"
        (repl/connect {:port {:host "127.0.0.1" :port 5} :host "::1"}))))

(deftest a-client-of-a-server-of-code-needs-one-endpoint
  (doseq [[connect path] [[repl/connect :path] [nrepl/connect :socket]]
          options [{} {:port 5 path "/x"} {path "/x" :port-file "/y"}]]
    (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "^connect: no endpoint is given, or more than one, expected exactly one of :port, " path " and :port-file$"))
          (connect options)))
    (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "^connect: " path " is 5 ")) (connect {path 5})))))

(deftest an-option-that-has-another-name-here-is-suggested
  (doseq [[f option meant] [[repl/repl-server :host :interface] [repl/repl-server :bind :interface] [repl/repl-server :socket :path]
                            [nrepl/nrepl-server :host :bind] [nrepl/nrepl-server :interface :bind] [nrepl/nrepl-server :path :socket]
                            [#(server/serve identity %) :host :interface] [#(server/serve identity %) :max-clients :max-connections]
                            [#(socket/socket-server 0 %) :address :interface] [repl/connect :interface :host] [repl/connect :ssl :tls]
                            [#(socket/socket-connect 1 "127.0.0.1" %) :encoding :external-format]]]
    (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "unknown option " option " .*; did you mean " meant "\\?$"))
          (f {option "127.0.0.1"})))))

(deftest an-endpoint-that-is-none
  (doseq [[endpoint part] {"8080" "the port is \"8080\" \\(String\\), expected a port from 0 to 65535, a Path, a File, a UnixDomainSocketAddress, an InetSocketAddress, or a map of :host and :port, or of :path"
                           {:prot 80} "unknown option :prot .*, expected one of :host :path :port; did you mean :port\\?"
                           {} ":port is nil, expected an integer from 0 to 65535"
                           {:host 5 :port 80} ":host is 5 .*, expected a string with a name or an address"
                           {:port 80 :path "/x"} "the endpoint is .*, expected a map of :host and :port, or of :path"
                           {:path 5} ":path is 5 .*, expected a path, as a string, a File or a Path"}
          [op f] {"socket-server" socket/socket-server
                  "socket-connect" socket/socket-connect}]
    (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "^" op ": " part "$")) (f endpoint))))
  (is (thrown-with-msg? IllegalArgumentException #"^socket-server: :interface is \"::1\" \(String\) besides the endpoint .*, expected one of them"
        (socket/socket-server {:host "127.0.0.1" :port 0} :interface "::1")))
  (is (thrown-with-msg? IllegalArgumentException #"^socket-connect: the host is \"::1\" \(String\) besides that of the endpoint .*, expected one of them"
        (socket/socket-connect {:host "127.0.0.1" :port 80} "::1"))))
