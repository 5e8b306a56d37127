(ns parley.clisp.lisp
  "CLISP as another process that interprets scripts (see interpreter.lisp among the resources): it
  is sent lists of steps and answers each step with a value. A CLISP that crashes or hangs is an
  answer too, and is replaced by a fresh one."
  (:require
   [clojure.edn :as edn]
   [clojure.java.io :as io]
   [clojure.string :as str]
   [parley.testing.missing :refer [missing]])
  (:import
   (java.io BufferedReader BufferedWriter File)
   (java.lang ProcessBuilder$Redirect)
   (java.util List)
   (java.util.concurrent LinkedBlockingQueue TimeUnit)))

(set! *warn-on-reflection* true)

(def ^:private executable-name "clisp")

(defn available?
  "Whether there is a `clisp` to run on this machine's PATH."
  []
  (boolean (some #(.canExecute (io/file % executable-name))
                 (str/split (or (System/getenv "PATH") "")
                            (re-pattern (java.util.regex.Pattern/quote File/pathSeparator))))))

(defn wanted?
  "Whether a test that needs CLISP can go on; skips the test where it cannot."
  []
  (or (available?)
      (do (missing "clisp")
          false)))

;; --- Clojure data as Lisp reads it --------------------------------------------------------------

(defn encode
  "The text of `x` in Lisp: vectors are lists, maps property lists, strings (:text code…), floating
  point numbers ratios; keywords, integers, nil and true are themselves."
  [x]
  (cond
    (nil? x) "nil"
    (true? x) "t"
    (keyword? x) (str x)
    (integer? x) (str x)
    (ratio? x) (str x)
    (float? x) (str (rationalize (BigDecimal. (double x))))
    (string? x) (str "(:text"
                     (str/join (map #(str " " %)
                                 (iterator-seq (.iterator (.codePoints ^String x)))))
                     ")")
    (map? x) (encode (vec (mapcat identity x)))
    (sequential? x) (str "(" (str/join " " (map encode x)) ")")
    :else (throw (IllegalArgumentException.
                   (str "encode: cannot be written in Lisp: " (pr-str x))))))

;; --- the process --------------------------------------------------------------------------------

(defn start
  "Starts CLISP on a Lisp file of the resources. The answer is a map, to be given to `tell`, `line`
  and `stop`."
  [resource-name]
  (let [file (File/createTempFile "parley-clisp" ".lisp")]
    (with-open [in (io/input-stream (or (io/resource (str "parley/clisp/" resource-name))
                                        (throw (IllegalArgumentException.
                                                 (str "start: no resource " resource-name)))))]
      (io/copy in file))
    (let [^List command [executable-name "-C" "-q" "-q" "-norc" "-E" "UTF-8" (str file)]
          process (.start (doto (ProcessBuilder. command)
                            (.redirectError ProcessBuilder$Redirect/INHERIT)))
          lines (LinkedBlockingQueue.)]
      (doto (Thread. ^Runnable
                     (fn []
                       (try
                         (with-open [^BufferedReader in (io/reader (.getInputStream process)
                                                                   :encoding "UTF-8")]
                           (run! #(.put lines %) (line-seq in)))
                         ;; What `stop` does to whoever reads: the end of the lines as well.
                         (catch java.io.IOException _ nil)
                         (finally (.put lines ::end))))
                     "parley-test-clisp-output")
        (.setDaemon true)
        (.start))
      {:process process
       :file file
       :lines lines
       :input (io/writer (.getOutputStream process) :encoding "UTF-8")})))

(defn stop
  "Ends the process, at once, and waits until it is gone."
  [{:keys [^Process process ^File file]}]
  (-> process (.destroyForcibly) (.waitFor 10 TimeUnit/SECONDS))
  (.delete file)
  nil)

(defn tell
  "Sends one line."
  [{:keys [^BufferedWriter input]} ^String line]
  (try
    (doto input (.write line) (.newLine) (.flush))
    ;; A process that just crashed does not read; what it printed, and its end, tell.
    (catch java.io.IOException _ nil)))

(defn line
  "The next line that it prints; :crash when it ended instead, :hang when there was none for
  `seconds`."
  [{:keys [^LinkedBlockingQueue lines]} seconds]
  (let [line (.poll lines (long (* 1000 seconds)) TimeUnit/MILLISECONDS)]
    (cond
      (nil? line) :hang
      (= ::end line) :crash
      :else line)))

;; --- an interpreter -----------------------------------------------------------------------------

(defn- answer
  [lisp seconds]
  (loop []
    (let [line (line lisp seconds)]
      (cond
        (keyword? line) line
        (str/starts-with? line "> ") (edn/read-string (subs line 2))
        :else (recur)))))

(defn interpreter
  "An interpreter of scripts: an atom that holds the process, nil before its first use."
  []
  (atom nil))

(defn dispose
  "Ends the interpreter's process."
  [interpreter]
  (swap! interpreter #(when % (stop %)))
  nil)

(defn ask
  "Has the interpreter take `steps`; the vector of its answers, one for each step. After a :crash,
  or a :hang (no answer for `seconds`), the answers are :not-reached and the process is ended; the
  next call has a new one."
  [interpreter steps seconds]
  (let [lisp (swap! interpreter #(or % (start "interpreter.lisp")))]
    (tell lisp (encode steps))
    (loop [answers []]
      (if (= (count answers) (count steps))
        answers
        (let [answer (answer lisp seconds)]
          (if (#{:crash :hang} answer)
            (do (dispose interpreter)
                (into (conj answers answer)
                  (repeat (- (count steps) (count answers) 1) :not-reached)))
            (recur (conj answers answer))))))))
