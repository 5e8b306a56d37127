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
  "A row: keys, then two spaces and the text, or one if a long key fills the column, or the text on the next line."
  #"^\s{2,4}((?::[\w?!*-]+ ?)+)(?:\s{2,}(\S.*)|(?<=\S{15,20} )([a-z].*)|)$")

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
  (-> text str/trim (str/replace "|" "\\|") (str/replace "*" "\\*") (str/replace "<" "&lt;") (str/replace "\n" "<br>")))

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

(def ^:private types
  "Type of the value -> the options that take it."
  {"seconds" [:timeout :read-timeout :write-timeout :close-timeout :handshake-timeout :idle-timeout :login-timeout
              :drain :grace]
   "true or nil" [:abort :addrconfig :all :allow-remote :bind-err :canonname :dgram :eor :force :head :interactive
                  :namereqd :no-hang :nofqdn :numerichost :numericserv :oob :passive :peek :so-reuseport :tls? :v4mapped
                  :verify-host :waitall]
   "integer" [:ack-port :backlog :end :handle :length-bytes :line-limit :max-buffered :max-connections :max-depth
              :max-digits :max-elements :max-key :max-line :max-message :max-per-address :max-size
              :max-unauthenticated :port :size :start]
   "string or keyword" [:bind]
   "string" [:host :mode :name :node :server-name :service :tls-keys-str :token :version]
   "string, address, stream or keyword" [:interface]
   "path" [:path :port-file :socket :tls-keys-file :token-file]
   "keyword" [:as :client-auth :direction :endianness :family :role :socktype :threads :type :when-closed :wire]
   "keyword or integer" [:level :protocol]
   "keyword or vector" [:element-type]
   "collection of keywords" [:flags-and :flags-or]
   "keyword, charset or map" [:external-format]
   "true, nil or keyword" [:buffered]
   "true, nil or strings" [:proxy-protocol]
   "function" [:audit :consume-exception :enabled-in :greeting-fn :handler :log :on-error :progress :transport-fn]
   "function, var or symbol" [:accept]
   "map" [:bindings :headers :readers :sni]
   "vector" [:alpn :args :ciphers :protocols]
   "true, map, context or options" [:tls]
   "file or PEM" [:ca :cert :key]
   "file or KeyStore" [:keystore]
   "string or char array" [:key-password :keystore-password]
   "SSLContext" [:context]
   "any value" [:eof]})

(def ^:private type-of
  (into {[:serve :port] "integer, endpoint or channel"
         [:repl-server :port] "integer or endpoint"
         [:nrepl-server :port] "integer or endpoint"}
    (for [[type options] types, option options]
      [option type])))

(defn- types-of
  "Returns the types of the options in a row, each once. A row that refers to another function has those of it."
  [heading keys text]
  (let [options (map #(keyword (subs % 1)) (str/split keys #" "))]
    (if (and (next options) (re-find #"\bas of (?!nREPL)" text))
      "as there"
      (str/join "; "
        (distinct (for [option options]
                    (or (type-of [(keyword heading) option])
                        (type-of option)
                        (throw (ex-info (str "options-page has no type of " option) {})))))))))

(defn- since
  "The release that brought an option. A row of a later one has it: since 0.2.0."
  [text]
  (or (second (re-find #"since (\d+\.\d+\.\d+)" text)) "0.1.0"))

(defn- section
  "Returns the table of the rows of a docstring under a heading, or nil without rows."
  [heading docstring known]
  (when-let [found (seq (rows (or docstring "") known))]
    (str "### " heading "\n\n| option | type | meaning | default | since |\n|---|---|---|---|---|\n"
      (str/join (for [[keys text] found]
                  (str "| `" keys "` | " (str/join " | " [(types-of heading keys text) (cell text) (cell (default text)) (since text)])
                    " |\n")))
      "\n")))

(defn documented-keys
  "Returns the keys that have rows in the docstring of a function, or of a namespace that has these functions."
  ([v] (documented-keys v {nil v}))
  ([documented functions]
   (set (for [[keys _] (rows (or (:doc (meta (if (symbol? documented) (the-ns documented) documented))) "")
                         (into #{} (mapcat option-keys) (vals functions)))
              key (str/split keys #" ")]
          (keyword (subs key 1))))))

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
    " is an error\nthat lists the known ones.\n\n"
    "*Seconds* are nil (no limit), 0 (do not wait), a number, a `[seconds microseconds]` vector or a"
    " `java.time.Duration`.\nA *path* is a string, a `File` or a `Path`. For *true or nil*, false is"
    " the same as nil. Where no default is given,\nnothing applies until the option is set.\n\n"
    (str/join (keep namespace-section (namespaces)))
    (socket-options-section)))

(defn -main
  "Writes doc/options.md."
  []
  (spit "doc/options.md" (page)))
