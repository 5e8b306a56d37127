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

(defn- namespaces
  "The public namespaces, in the order of their names. nREPL is needed only when one of them runs."
  []
  (sort
    (for [^File file (.listFiles (io/file "clj-src/parley"))
          :let [[_ name] (re-matches #"(\w+)\.clj" (.getName file))]
          :when name]
      (symbol (str "parley." (str/replace name "_" "-"))))))

(defn- rows
  "Returns [keys text] for each row of options in a docstring."
  [docstring]
  (loop [[line & more] (str/split-lines docstring)
         found []
         open? false]
    (if-not line
      found
      (let [[_ _ keys text] (re-matches #"^(\s{2,4})((?::[\w?!*-]+ ?)+)\s{2,}(\S.*)$" line)]
        (cond
          keys (recur more (conj found [(str/trim keys) text]) true)
          (and open? (re-find #"^\s{6,}\S" line))
          (recur more (update-in found [(dec (count found)) 1] str " " (str/trim line)) true)
          :else (recur more found false))))))

(defn- cell [text]
  (-> text (str/replace "|" "\\|") (str/replace "<" "&lt;")))

(def ^:private defaults
  "Ways in which a row states its default."
  [#"([^\s,;(]+),? (?:\(default\)|the default\b)"
   #"default:? (\"[^\"]*\"|\([^)]*\)|[^\s,;:)]+\.(?=\s|$)|nil|:?[^\s,;:)]+(?: (?:seconds|Mi characters|bytes))?)"])

(defn- default
  "The default that a row states, or nothing."
  [text]
  (or (some #(when-let [[_ found] (re-find % text)]
               (when (re-find #"^(?:[:\"('\d]|nil$|true$|nrepl\.)" found)
                 (str/replace found #"\.$" "")))
            defaults)
    ""))

(defn- takes-options? [v]
  (some #(some (fn [argument] (or (map? argument) (contains? '#{opts options} argument))) %) (:arglists (meta v))))

(defn- function-section [v]
  (when-let [found (when (takes-options? v) (seq (rows (:doc (meta v) ""))))]
    (str "### " (:name (meta v)) "\n\n| option | type and meaning | default |\n|---|---|---|\n"
      (str/join (for [[keys text] found]
                  (str "| `" keys "` | " (cell text) " | " (cell (default text)) " |\n")))
      "\n")))

(defn- namespace-section [n]
  (require n)
  (let [sections (keep function-section (map val (sort-by key (ns-publics n))))]
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
