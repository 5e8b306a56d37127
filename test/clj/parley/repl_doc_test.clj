(ns parley.repl-doc-test
  "The examples of doc/repl.md do what it says."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is testing]]
   [parley.testing.doc :as doc]
   [parley.testing.nrepl :refer [with-nrepl]]
   [parley.testing.repl :as testing-repl :refer [temporary-directory]])
  (:import
   (com.sun.net.httpserver HttpExchange HttpHandler HttpServer)
   (java.io Closeable)
   (java.net InetAddress InetSocketAddress)
   (parley.testing Family Reported TemporaryPaths)))

(set! *warn-on-reflection* true)

(defn- examples
  "The blocks of Clojure of the document, in order."
  []
  (doc/blocks "doc/repl.md" "clojure"))

(defn- at-home
  "An example with the ports and files of this machine instead of those it names."
  [text names]
  (reduce (fn [text [name here]] (str/replace text name (str here))) text names))

(defn- with-server
  "Calls f with the port of an HTTP server that knows every page."
  [f]
  (let [server (HttpServer/create (InetSocketAddress. (InetAddress/getLoopbackAddress) 0) 0)]
    (.createContext server "/" (reify HttpHandler
                                 (handle [_ e]
                                   (let [^HttpExchange e e]
                                     (.readAllBytes (.getRequestBody e))
                                     (.sendResponseHeaders e 200 2)
                                     (with-open [out (.getResponseBody e)]
                                       (.write out (.getBytes "ok")))))))
    (.start server)
    (try
      (f (.getPort (.getAddress server)))
      (finally
        (.stop server 0)))))

(defn- logged
  "Returns what is logged while f runs."
  [f]
  (with-open [reported (Reported. "parley")]
    (f)
    (vec (.messages reported))))

(deftest the-examples-of-the-document-run
  (with-nrepl
    (with-server
      (fn [http-port]
        (let [directory (temporary-directory)
              in-directory (fn [name] [(pr-str name) (pr-str (str (.resolve directory ^String name)))])
              names (into {"5555" (Family/freePort)
                           "7888" (Family/freePort)
                           "8080" http-port
                           "\"target/nrepl/socket\"" (pr-str (str (TemporaryPaths/fresh)))}
                      (map in-directory)
                      ["myapp.port" "myapp.token" ".nrepl-port" "page.txt" "image.iso"])
              lines (logged
                      (fn []
                        (binding [*ns* (create-ns 'parley.repl-doc-test.examples)
                                  *out* (java.io.StringWriter.)]
                          (refer-clojure)
                          (is (= 4 (count (examples))))
                          (doseq [text (examples)]
                            (testing text
                              (is (pos? (long (doc/run (at-home text names))))))))))]
          (is (= 4 (count (filter #(re-find #"^parley n?repl-.* listens on " %) lines)))
            (str "each server names those who can use it: " lines))
          (is (= ["image.iso" "page.txt"] (sort (.list (.toFile directory)))) "the other files are gone"))))))

(deftest the-session-of-the-document-goes-as-it-says
  (let [[_ said] (re-find #"(?s)```\n\$ nc 127\.0\.0\.1 5555\n(.*?)```" (slurp "doc/repl.md"))
        typed (map second (re-seq #"(?m)^user=> (.*)$" said))]
    (is (= ["(+ 1 2)" ":repl/quit"] typed))
    (with-open [^Closeable r (testing-repl/server)
                s (testing-repl/session r)]
      (doseq [line typed]
        (testing-repl/send-text s (str line "\n")))
      (is (= "3\nuser=> " (testing-repl/rest-of s))))))
