(ns user
  "For the REPL, which `mvn -q test-compile exec:java -Dexec.args=repl` or `clj -M:dev:test` starts:

    (start)       an echo server on a port of the system's choice; (start 7007) on that one
    (stop)        closes it and everything that came of it
    (reload)      stops, then loads every Clojure file that changed; Java needs a new REPL
    (run-tests)   all of test/clj but the nightly ones; (run-tests 'parley.socket-test) only those

  Loaded by every Clojure that has dev/ on its class path, so it requires nothing before it is
  needed."
  {:clojure.tools.namespace.repl/load false}
  (:require
   [clojure.test :as t]))

(set! *warn-on-reflection* true)

(defonce ^:private echo (atom nil))

(defn stop
  "Stops what `start` started, if anything; no thread and no descriptor of it stays."
  []
  (when-let [running @echo]
    (reset! echo nil)
    ((requiring-resolve 'parley.echo/stop) running)))

(defn start
  "Starts an echo server on loopback and answers its port. One that runs already is stopped first."
  ([] (start 0))
  ([port]
   (stop)
   (:port (reset! echo ((requiring-resolve 'parley.echo/start) port)))))

(defn reload
  "Stops, then loads the changed namespaces of clj-src and dev/parley again."
  []
  (stop)
  ((requiring-resolve 'clojure.tools.namespace.repl/set-refresh-dirs) "clj-src" "dev/parley")
  ((requiring-resolve 'clojure.tools.namespace.repl/refresh)))

(defn run-tests
  "Loads and runs the tests of the given namespaces, or of all, and answers the counts."
  [& namespaces]
  (let [namespaces-under (requiring-resolve 'parley.testing.deftests/namespaces-under)
        deftests-in (requiring-resolve 'parley.testing.deftests/deftests-in)
        nightly? (fn [v] (or (:nightly (meta v)) (:nightly (meta (:ns (meta v))))))]
    (binding [t/*report-counters* (ref t/*initial-report-counters*)]
      (doseq [n (or namespaces (map symbol (namespaces-under "test/clj")))]
        (require n :reload)
        (when-let [tests (seq (remove nightly? (deftests-in n)))]
          (t/do-report {:type :begin-test-ns
                        :ns (the-ns n)})
          (t/test-vars tests)))
      (doto @t/*report-counters*
        (-> (assoc :type :summary)
            (t/do-report))))))
