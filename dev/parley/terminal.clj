(ns parley.terminal
  "The REPL of a checkout: at a terminal, JLine edits lines and keeps their history; elsewhere lines come
  from standard input. Ctrl-C ends the call, or the line, and keeps the session. Code that ignores an
  interrupt, such as an endless loop, goes on: a second Ctrl-C ends the process."
  (:require
   [clojure.main :as main]
   [clojure.repl :as repl])
  (:import
   (clojure.lang LineNumberingPushbackReader)
   (java.io Reader)
   (java.nio.file Path)
   (org.jline.reader EndOfFileException LineReader LineReader$Option LineReaderBuilder UserInterruptException)
   (org.jline.terminal Terminal$Signal Terminal$SignalHandler TerminalBuilder)))

(set! *warn-on-reflection* true)

(def ^:private history
  "The file of the history, within the checkout."
  (Path/of "target" (into-array ["repl-history"])))

(defn- line-reader
  "Returns JLine's reader, or nil where there is no terminal."
  ^LineReader []
  (when-let [terminal (try
                        (.build (doto (TerminalBuilder/builder)
                                  (.dumb false)))
                        (catch IllegalStateException _ ; how JLine reports it
                          nil))]
    (-> (LineReaderBuilder/builder)
        (.terminal terminal)
        (.variable LineReader/HISTORY_FILE history)
        (.option LineReader$Option/DISABLE_EVENT_EXPANSION true)
        (.build))))

(defn- lines
  "Returns a Reader of lines that are typed behind the prompt in an atom."
  ^Reader [^LineReader reader prompt]
  (let [line (volatile! "")]
    (proxy [Reader] []
      (read
        ([into offset length]
         (try
           (when (empty? @line)
             (vreset! line (str (.readLine reader ^String @prompt) \newline))
             (reset! prompt "  #_=> "))
           (let [n (min (int length) (count @line))]
             (.getChars ^String @line 0 n into (int offset))
             (vswap! line subs n)
             (int n))
           (catch EndOfFileException _
             (int -1)))))
      (close []))))

(defn- caught [e]
  (when-not (instance? UserInterruptException (last (take-while some? (iterate ex-cause e))))
    (main/repl-caught e)))

(defn- at-terminal
  "Calls f with *in* and the options of clojure.main/repl for a terminal."
  [reader f]
  (let [prompt (atom "")]
    (binding [*in* (LineNumberingPushbackReader. (lines reader prompt))]
      (f {:prompt #(reset! prompt (str (ns-name *ns*) "=> "))
          :eval (fn [form]
                  (reset! prompt "") ; of lines that the form reads
                  (eval form))
          :caught caught}))))

(defn- run
  [{:keys [prompt]
    :as options} init]
  ;; A flag that is left over must not end the next call.
  (let [options (assoc options
                  :init init
                  :prompt #(do (Thread/interrupted) (prompt)))]
    (apply main/repl (mapcat identity options))))

(defn- interrupter
  "Returns a function that interrupts a thread. A thread that has not seen its interrupt two seconds later is
  reported, and the next call ends the process."
  [^Thread thread]
  (let [reported (atom false)]
    (fn []
      (if (and @reported (.isInterrupted thread))
        (System/exit 130)
        (do
          (reset! reported false)
          (println) ; the terminal has shown ^C
          (.interrupt thread)
          (future
            (Thread/sleep 2000)
            (when (and (.isInterrupted thread) (compare-and-set! reported false true))
              (println "The call ignores the interrupt; press Ctrl-C again to end the REPL."))))))))

(defn- on-ctrl-c
  "Has Ctrl-C interrupt the calling thread. JLine has a handler of its own while it reads, and restores
  this one only if the terminal knows it."
  [^LineReader reader]
  (let [thread (Thread/currentThread)
        interrupt (interrupter thread)]
    (if reader
      (.handle (.getTerminal reader) Terminal$Signal/INT
        (reify Terminal$SignalHandler
          (handle [_ _] (interrupt))))
      (repl/set-break-handler! (fn [_]
                                 (println)
                                 (.interrupt thread))))))

(defn start
  "Runs the REPL until its input ends. `init` is called first."
  [init]
  (let [reader (line-reader)]
    (on-ctrl-c reader)
    (if reader
      (at-terminal reader #(run % init))
      (run {:prompt main/repl-prompt} init))))
