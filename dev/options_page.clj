(ns options-page
  "Makes doc/options.md from the code: the rows of docstrings, and the constants of DescriptorOption.

    clojure -M:dev:test -m options-page

  or, at the REPL of user.clj, (write-options)."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str])
  (:import
   (java.io File)
   (parley.posix DescriptorOption)))

(set! *warn-on-reflection* true)

(defn namespaces
  "The public namespaces, in the order of their names. nREPL is needed only when one of them runs."
  []
  (sort
    (for [^File file (.listFiles (io/file "clj-src/parley"))
          :let [[_ name] (re-matches #"(\w+)\.clj" (.getName file))]
          :when name]
      (symbol (str "parley." (str/replace name "_" "-"))))))

(defn option-keys
  "Returns the keys of the options of a function, as its :arglists name them."
  [v]
  (set (for [arglist (:arglists (meta v))
             argument arglist
             :when (map? argument)
             key (:keys argument)]
         (keyword key))))

(def ^:private row
  "A row: keys, then two spaces and the text, or one if the keys fill the column, or the text on the next line."
  #"^\s{2,4}((?::[\w?!*-]+ ?)+)(?:\s{2,}(\S.*)|([^:\s].*)|)$")

(defn- rows
  "Returns [keys text] for each row of a docstring whose keys are all `known`."
  [docstring known]
  (loop [[line & more] (str/split-lines docstring)
         found []
         open? false]
    (if-not line
      found
      (let [[_ keys text near] (re-matches row line)]
        (cond
          (and keys (every? known (map keyword (re-seq #"[^:\s]+" keys))))
          (recur more (conj found [(str/trim keys) (or text near "")]) true)

          (and open? (re-find #"^\s{6,}\S" line))
          (recur more
            (update-in found [(dec (count found)) 1]
              str (if (re-find #"^\s+:\S+\s{2,}" line) "\n" " ") (str/trim line))
            true)

          :else (recur more found false))))))

(defn- cell [text]
  (-> text str/trim (str/replace "|" "\\|") (str/replace "<" "&lt;") (str/replace "\n" "<br>")))

(def ^:private defaults
  "Ways in which a row states its default."
  [#"([^\s,;(]+),? (?:\(default\)|the default\b)"
   #"default:? (\"[^\"]*\"|\([^)]*\)|[^\s,;:)]+\.(?=\s|$)|nil|:?[^\s,;:)]+(?: (?:seconds|Mi|bytes))?)"])

(defn- default
  "The default that a row states, or nothing."
  [text]
  (or (some #(when-let [[_ found] (re-find % text)]
               (when (re-find #"^(?:[:\"('\d]|nil$|true$|nrepl\.)" found)
                 (str/replace found #"\.$" "")))
            defaults)
    ""))

(defn- section
  "Returns the table of the rows of a docstring under a heading, or nil without rows."
  [heading docstring known]
  (when-let [found (seq (rows (or docstring "") known))]
    (str "### " heading "\n\n| option | type and meaning | default |\n|---|---|---|\n"
      (str/join (for [[keys text] found]
                  (str "| `" keys "` | " (cell text) " | " (cell (default text)) " |\n")))
      "\n")))

(defn- namespace-section [n]
  (require n)
  (let [vars (map val (sort-by key (ns-publics n)))
        shared (section "Of several functions" (:doc (meta (the-ns n))) (into #{} (mapcat option-keys) vars))
        sections (cond->> (keep #(section (:name (meta %)) (:doc (meta %)) (option-keys %)) vars)
                   shared (cons shared))]
    (when (seq sections)
      (str "## " n "\n\n" (str/join sections)))))

(def ^:private kinds
  {"FLAG" "true or nil"
   "NUMBER" "an integer"
   "SECONDS" "seconds, 0 for no limit"
   "LINGER" "nil or seconds"
   "TYPE" "`:stream`, `:dgram` …"
   "ERROR" "nil or an error code"})

(defn- socket-options-section []
  (let [source (slurp "java-src/parley/posix/DescriptorOption.java")]
    (str "## Options of sockets\n\n"
      "For `socket-options` of parley.socket, and `socket-option` and `set-socket-option!` of parley.rawsock. The"
      " defaults are the\nsystem's, except that `:tcp-nodelay` is true for Parley's streams.\n\n"
      "| option | type | meaning |\n|---|---|---|\n"
      (str/join
        (for [^DescriptorOption option (DescriptorOption/values)
              :let [[_ doc] (re-find (re-pattern (str "(?s)/\\*\\* ([^*]*?) \\*/\\s+" (.name option) "\\(")) source)]]
          (str "| `:" (.key option) "` | " (kinds (str (.kind option))) " | " (cell (str doc)) " |\n"))))))

(defn page
  "Returns the text of doc/options.md."
  []
  (str "# Every option\n\n"
    "Made from the code by `options-page` in dev; a test fails when this page is not current. An unknown option"
    " is an error\nthat lists the known ones. Seconds are nil (no limit), 0 (do not wait), a number, a"
    " `[seconds microseconds]` vector or a\n`java.time.Duration`.\n\n"
    (str/join (keep namespace-section (namespaces)))
    (socket-options-section)))

(defn -main
  "Writes doc/options.md."
  []
  (spit "doc/options.md" (page)))
