(ns parley.impl.journal
  "Reports of a server to its owner: lines for people (:log) and events for an audit (:audit). Neither can
  end the server, and no peer can fill the log or forge lines in it."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.lang System$Logger$Level)
   (java.time Instant)
   (parley.net.wait Log$Named)))

(set! *warn-on-reflection* true)

(defn to-stderr
  "Writes a line to the process's standard error."
  [line]
  (.println System/err (str line)))

(def ^:private loggers
  "The names of loggers by the functions whose servers use them."
  {"repl-server" "parley.repl"
   "nrepl-server" "parley.nrepl"})

(defn- to-logger
  "Returns a function that hands a line to the platform's logger of the part that `op` belongs to."
  [op]
  (let [logger (Log$Named/of (get loggers op "parley.server"))]
    (fn [line]
      (.log logger System$Logger$Level/INFO (str line) nil))))

(defn peer-text
  "Text of a peer's, fit for a line: control characters escaped, 200 characters at most."
  [x]
  (let [text (apply str
               (map (fn [c] (if (Character/isISOControl (char c)) (str "\\u" (subs (Integer/toHexString (+ 0x10000 (int c))) 1)) c))
                 (take 200 (str x))))]
    (subs text 0 (min 200 (count text)))))

(defn journal
  "The journal of a server called `name`. `log` is a function of a line, `audit` one of an event."
  [op name {:keys [log audit] :or {log (to-logger op)}}]
  {:name name
   :log (options/function op ":log" log "a function of one argument, or nil")
   :audit (options/function op ":audit" audit "a function of one argument, or nil")
   :last (atom {})})

(defn line
  "Logs a line."
  [{:keys [name log]} & parts]
  (when log
    (let [text (str "parley " name ": " (apply str parts))]
      (try
        (log text)
        (catch Throwable e
          (to-stderr (str text " (and :log failed: " e ")")))))))

(defn- due
  "[now? missed]: whether a line of this kind is due, and how many were left out since the last."
  [times kind]
  (let [now (System/nanoTime)
        [before _] (swap-vals! times
                     (fn [times]
                       (let [{:keys [at missed]} (get times kind)]
                         (if (or (nil? at) (< 1000000000 (- now (long at))))
                           (assoc times kind {:at now
                                              :missed 0})
                           (assoc times kind {:at at
                                              :missed (inc (long missed))})))))
        {:keys [at missed]} (get before kind)]
    [(or (nil? at) (< 1000000000 (- now (long at)))) (or missed 0)]))

(defn warn
  "Logs a line of a kind, at most one of a kind in a second; the next has the number of omitted lines."
  [{times :last
    :as journal} kind & parts]
  (let [[now? missed] (due times kind)]
    (when now?
      (line journal (apply str parts) (when (pos? (long missed)) (str " (" missed " more since the last line)"))))))

(defn event
  "Reports an event to the audit hook: a map of :event, :at, :server and the given keys."
  [{:keys [name audit]
    :as journal} kind about]
  (when audit
    (try
      (audit (assoc about :event kind :at (Instant/now) :server name))
      (catch Throwable e
        (warn journal ::audit ":audit failed: " (peer-text e))))))
