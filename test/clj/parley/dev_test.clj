(ns parley.dev-test
  "What dev/user.clj offers to whoever works at a REPL."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.tour :as tour]
   [user])
  (:import
   (clojure.lang DynamicClassLoader Namespace)
   (java.io File IOException)
   (java.net URL URLClassLoader)
   (parley.testing Child Leaks)))

(set! *warn-on-reflection* true)

(defn- assert-nothing-left-open
  [^Leaks before]
  (is (nil? (.assertBack before))))

(defn- echoed
  [s line]
  (stream/write-line line s)
  (stream/force-output s)
  (stream/read-line s))

(defn- ended?
  "Whether the other side has closed the stream, politely or not."
  [s]
  (try (= :end (stream/read-line s nil :end))
       (catch IOException _ true)))

(defn- start-use-and-stop
  []
  (try
    (let [port (user/start)]
      (socket/with-open-stream [gone (socket/socket-connect port "127.0.0.1" :timeout 5)
                                stays (socket/socket-connect port "127.0.0.1" :timeout 5)]
        (is (= "hello" (echoed gone "hello")))
        (stream/close gone)
        (is (= "again" (echoed stays "again")))
        (user/stop)
        (is (ended? stays))))
    (finally
      (user/stop))))

(deftest the-server-of-the-repl-echoes-until-stopped-and-leaves-nothing-open
  (start-use-and-stop) ; has the JDK open what it keeps for its lifetime
  (let [before (Leaks/snapshot)]
    (start-use-and-stop)
    (assert-nothing-left-open before)))

(deftest a-person-may-use-the-usual-names
  (doseq [n '[echo server client peer conn s ss port nrepl-server repl-server echo-server]]
    (is (nil? (ns-resolve 'user n)) (str n))))

(deftest after-a-reload-aliases-are-of-the-namespaces-that-were-loaded
  (let [^Namespace here (create-ns 'parley.dev-test.here)
        loads #(create-ns 'parley.dev-test.there)
        old (loads)]
    (try
      (.addAlias here 'there old)
      (.addAlias here 'stays (the-ns 'clojure.string))
      (remove-ns 'parley.dev-test.there) ; as tools.namespace does
      (let [new (loads)]
        (#'user/renew-aliases here)
        (is (identical? new (get (ns-aliases here) 'there)))
        (is (identical? (the-ns 'clojure.string) (get (ns-aliases here) 'stays))))
      (finally
        (remove-ns 'parley.dev-test.there)
        (remove-ns 'parley.dev-test.here)))))

(deftest the-class-path-is-that-of-the-loader-of-the-code
  (let [thread (Thread/currentThread)
        before (.getContextClassLoader thread)
        maven (URLClassLoader. (into-array URL (map #(.toURL (.toURI (File. ^String %))) ["/a b/x.jar" "/y"])) nil)]
    (try
      (.setContextClassLoader thread (DynamicClassLoader. maven))
      (is (= (str "/a b/x.jar" File/pathSeparator "/y") (#'user/class-path)))
      (finally
        (.setContextClassLoader thread before)))))

(defn- until-said
  "Returns what a process has printed once that ends with `end`, or when its output ends."
  [^java.io.Reader out ^String end]
  (loop [said (StringBuilder.)]
    (let [c (.read out)]
      (if (neg? c)
        (str said)
        (let [said (.append said (char c))]
          (if (.endsWith (str said) end)
            (str said)
            (recur said)))))))

(defn- started ^Process [& command]
  (let [^java.util.List command command]
    (.start (doto (ProcessBuilder. command) (.redirectErrorStream true)))))

(defn- hearing-interrupts
  "The beginning of a command that hears SIGINT, also where the tests run in the background of a shell,
  which has its commands ignore it. Empty where env(1) cannot do that."
  []
  (let [command ["env" "--default-signal=INT"]]
    (when (zero? (.waitFor ^Process (apply started (conj command "true"))))
      command)))

(defn- table
  "The lines of a text from the table's head to its last row, without the numbers and margins that differ."
  [text]
  (->> (str/split-lines text)
       (map #(str/replace (str/trim %) #"\d+" "N"))
       (drop-while #(not (re-find #"^after .*:output$" %)))
       (take-while #(not (or (str/starts-with? % "and the reason") (str/starts-with? % "```"))))))

(deftest the-tour-ends-well-and-the-readme-shows-its-table
  (let [said (with-out-str (#'tour/tour))]
    (is (str/ends-with? (str/trim said) "All of it as it should be."))
    (is (= 9 (count (table said))) said)
    (is (= (table said) (table (slurp "README.md"))))))

(deftest ctrl-c-at-the-repl-ends-the-call-and-keeps-the-session
  (let [^Process process (apply started
                           (concat (hearing-interrupts)
                                   [(str (System/getProperty "java.home") "/bin/java") "-XX:TieredStopAtLevel=1" "-XX:+UseSerialGC"
                                    (Child/archive) "-cp"
                                    (str/join File/pathSeparator (concat (Child/compiledPath) ["dev"]))
                                    "clojure.main" "-m" "parley.tour" "repl"]))
        prompt "user=> "]
    (try
      (with-open [in (.outputWriter process)
                  out (.inputReader process)]
        (let [say (fn [^String text] (.write in text) (.newLine in) (.flush in))
              watchdog (doto (Thread. ^Runnable (fn [] (when-not (.waitFor process 60 java.util.concurrent.TimeUnit/SECONDS)
                                                         (.destroyForcibly process))))
                         (.setDaemon true)
                         (.start))]
          (until-said out prompt)
          (say "(do (println :waits) (socket/socket-accept (socket/socket-server 0 :interface \"127.0.0.1\")))")
          (until-said out ":waits")
          (is (zero? (.waitFor (started "kill" "-INT" (str (.pid process))))))
          (is (re-find #"socket-accept: the thread was interrupted" (until-said out prompt)))
          (say "(+ 1 2)")
          (is (re-find #"^3" (until-said out prompt)))
          (say "(System/exit 0)")
          (.waitFor process)
          (.join watchdog 20000)))
      (finally
        (.destroyForcibly process)))))
