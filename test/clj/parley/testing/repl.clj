(ns parley.testing.repl
  "What the tests of evaluating servers share: servers that log into an atom, clients that say and read
  what they like, and a canary that strangers try to change."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [is]]
   [parley.impl.evaluating-server :as evaluating-server]
   [parley.repl :as repl]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.missing :as missing])
  (:import
   (java.io Closeable File IOException)
   (java.nio.file Files LinkOption Path)
   (java.nio.file.attribute PosixFilePermissions)
   (java.time Duration)
   (java.util.concurrent Callable)
   (parley.net SocketStream)
   (parley.testing Await Child TemporaryPaths)))

(set! *warn-on-reflection* true)

(def patience
  "Seconds that any answer may take."
  30)

(defmacro await-that
  "Waits until the body is true."
  [fact & body]
  `(Await/until ~fact (reify Callable (call [_] (boolean (do ~@body))))))

(defn server
  "A repl-server whose log is in an atom, under :lines."
  ^Closeable [& {:as options}]
  (let [lines (atom [])]
    (assoc (repl/repl-server (merge {:log #(swap! lines conj %)} options))
      :lines lines)))

(defn close [s]
  (.close ^Closeable s))

(defn connect ^SocketStream [{:keys [port path]}]
  (doto (if path
          (socket/socket-connect (.toPath (File. ^String path)) nil :timeout patience)
          (socket/socket-connect port "127.0.0.1" :timeout patience))
    (stream/set-read-timeout! patience)))

(defn send-text [s text]
  (stream/write-string text s)
  (stream/force-output s)
  s)

(defn read-until
  "What comes up to the end of `text`."
  [s ^String text]
  (let [got (StringBuilder.)
        ends? #(let [from (- (.length got) (.length text))]
                 (and (<= 0 from) (.contentEquals text (.subSequence got from (.length got)))))]
    (while (not (ends?))
      (.append got (char (stream/read-char s))))
    (str got)))

(defn answer
  "Sends a form and gives what comes up to the next prompt."
  [s form]
  (send-text s (str form "\n"))
  (let [got (read-until s "=> ")]
    (subs got 0 (or (str/last-index-of got "\n") 0))))

(defn session
  "A connection that has its first prompt."
  ^SocketStream [server]
  (doto (connect server)
    (read-until "user=> ")))

(defn rest-of
  "Everything that comes until the end; a reset is an end, too."
  [s]
  (let [got (StringBuilder.)]
    (try
      (loop []
        (when-let [c (stream/read-char s nil nil)]
          (.append got (char c))
          (recur)))
      (catch java.net.SocketTimeoutException e
        (throw e))
      (catch IOException _
        nil))
    (str got)))

(defn session-threads
  "The threads of the sessions that a server has now; virtual ones, too."
  [server]
  (mapv :thread (evaluating-server/clients (:service server))))

(defn over? [threads]
  (not-any? (fn [^Thread t] (.isAlive t)) threads))

(defn temporary-directory ^Path []
  (TemporaryPaths/directory))

(defn reachable-directory
  "A new directory, whose mode alone says whether other users can enter it."
  ^Path []
  (TemporaryPaths/reachableDirectory))

(defn permissions [^Path path]
  (PosixFilePermissions/toString
    (Files/getPosixFilePermissions path (make-array LinkOption 0))))

(defn set-permissions [^Path path text]
  (Files/setPosixFilePermissions path (PosixFilePermissions/fromString text)))

(def missing missing/missing)

(defn- said-up [code]
  (into-array String ["-e" (pr-str (list 'do '(println "the machine is up") code))]))

(defn in-child
  "Evaluates code in a Java machine of its own and gives the machine."
  ^Child [code & options]
  (Child/clojure (vec options) (said-up code)))

(defn in-child-of-sources
  "As `in-child`, with nothing compiled before, so that namespaces can be loaded again."
  ^Child [code & options]
  (Child/clojure (vec options) (Child/sourcePath) (said-up code)))

(def canary
  "What strangers try to change."
  (atom :alive))

(def kill "(reset! parley.testing.repl/canary :dead)")

(def ^:dynamic *guarded?*
  "Whether the attack under way meets its guard."
  true)

(defn holds-soon?
  "Whether the condition becomes true: within a short time if it should not, else within a long one."
  [expected condition]
  (Await/holds (if expected (Duration/ofSeconds patience) (Duration/ofMillis 300)) condition))

(defmacro guarded-by
  "The attack, which is true when it does harm, does none; it does without the guard, that is, while its
  vars have the other values of `absence`, as of with-redefs."
  [absence & attack]
  `(let [attack# (fn [] ~@attack)]
     (is (not (attack#)) "with the guard")
     (is (with-redefs ~absence (binding [*guarded?* false] (attack#))) "without the guard the attack would succeed")))

(defn rebind [{:keys [port path]}]
  (let [again (server :port (or port 0) :path path)]
    (with-open [^Closeable _ again
                s (session again)]
      (is (= "3" (answer s "(+ 1 2)"))))))
