(ns parley.clisp.interpreter
  "Runs scripts of socket steps in Parley, as interpreter.lisp runs them in CLISP: one answer for
  each step, in the same terms. Errors are answers, [:error category]."
  (:require
   [clojure.string :as str]
   [parley.clisp.arrival :as arrival]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io EOFException)
   (java.nio.charset CharacterCodingException)))

(set! *warn-on-reflection* true)

;; --- what a script has opened -------------------------------------------------------------------

(defn world
  "The state of one script: an atom of :ends, streams by name; :server; :closed and :unbuffered,
  names of ends; :links, the client's and the server's port of every connection; :waiting, names of
  ends not accepted yet; :pairs, names of both ends of those that were; :settled?, that all that
  was sent is known to have arrived."
  []
  (atom {:ends {} :closed #{} :unbuffered #{} :links [] :waiting [] :pairs []}))

(defn forget-everything
  "Closes whatever the script left open."
  [world]
  (let [{:keys [ends server]} @world]
    (run! #(stream/close % :abort true) (vals ends))
    (when server
      (socket/socket-server-close server)))
  nil)

(defn- end
  [world name]
  (or (get-in @world [:ends name])
      (throw (ex-info (str "no such end: " name) {}))))

(defn- server
  [world]
  (:server @world))

(def ^:private sending
  #{:connect :accept :shutdown :force :finish :close :abort})

(def ^:private writing
  #{:write-char :write-string :write-line :write-chars :terpri :fresh-line :write-byte :write-bytes
    :write-integer :write-float})

(defn- may-send?
  "Whether a step may send something; a buffered end only keeps what is written."
  [world [operation name]]
  (or (sending operation)
      (and (writing operation) (contains? (:unbuffered @world) name))))

(defn- settle
  "Waits until what was sent has arrived, if anything was since it was last done."
  [world]
  (when-not (:settled? @world)
    (let [{:keys [ends pairs]} @world]
      (arrival/settle (map #(mapv ends %) pairs)))
    (swap! world assoc :settled? true)))

;; --- values in the terms of answers -------------------------------------------------------------

(defn- yes
  "T and NIL."
  [value]
  (when value true))

(defn- place
  [world place]
  (cond
    (= :s place) (server world)
    (vector? place) [(end world (first place)) (second place)]
    :else (end world place)))

(defn- address
  [world [host port]]
  [host (cond
          (= port (socket/socket-server-port (server world))) :server-port
          (some #(= port (first %)) (:links @world)) :client-port
          :else port)])

(defn- character
  [string]
  (first string))

(defn- shown-character
  [answer]
  (if (char? answer) (str answer) answer))

(defn- exact
  "A floating point number as the ratio it is."
  [number]
  (if (float? number) (rationalize (BigDecimal. (double number))) number))

(defn- wide?
  "Whether the stream's elements have more than eight bits."
  [s]
  (vector? (stream/stream-element-type s)))

(defn- room
  "An array for `size` elements of the stream's element type."
  [s size]
  (if (wide? s) (object-array size) (byte-array size)))

(defn- elements
  "An array of these elements of the stream's element type."
  [s integers]
  (if (wide? s) (object-array integers) (byte-array (map unchecked-byte integers))))

(defn- element
  "An element of such an array as the integer that it is."
  [s n]
  (if (= :unsigned-byte-8 (stream/stream-element-type s)) (bit-and 0xff (long n)) n))

(defn- external-format
  "An external format whose replacement characters are strings in the script."
  [m]
  (update-vals m #(if (and (string? %) (= 1 (count %))) (character %) %)))

(defn- options
  "A map of options as arguments."
  [m]
  (mapcat identity (cond-> m (:external-format m) (update :external-format external-format))))

;; --- steps --------------------------------------------------------------------------------------

(defn- remember-buffering
  [world name {:keys [buffered] :or {buffered true}}]
  (cond-> world (not buffered) (update :unbuffered conj name)))

(defmulti ^:private step
  "Takes one step; the answer."
  (fn [_world [operation]] operation))

(defn- eof-arguments
  [eof]
  (if eof [false eof] []))

;; Servers and connections.

(defmethod step :server
  [world [_ {:keys [interface backlog]}]]
  (swap! world assoc :server (socket/socket-server 0
                                                   :interface (or interface "127.0.0.1")
                                                   :backlog (or backlog 5)))
  :done)

(defmethod step :connect
  [world [_ name opts]]
  (let [port (socket/socket-server-port (server world))
        s (apply socket/socket-connect port "127.0.0.1" (options opts))]
    (swap! world #(-> %
                      (assoc-in [:ends name] s)
                      (remember-buffering name opts)
                      (update :waiting conj name)
                      (update :links conj [(second (socket/socket-stream-local s true)) port])))
    :done))

(defmethod step :connect-to
  [world [_ name port opts]]
  (let [s (apply socket/socket-connect port "127.0.0.1" (options opts))]
    (swap! world assoc-in [:ends name] s)
    :done))

(defmethod step :accept
  [world [_ name opts]]
  (let [s (apply socket/socket-accept (server world) :timeout 5 (options opts))]
    (swap! world #(-> %
                      (assoc-in [:ends name] s)
                      (remember-buffering name opts)
                      (update :pairs into (map (fn [client] [client name]) (take 1 (:waiting %))))
                      (update :waiting (comp vec rest))))
    :done))

(defmethod step :accept-within
  [world [_ seconds]]
  (stream/close (socket/socket-accept (server world) :timeout seconds)))

(defmethod step :server-host [world _] (socket/socket-server-host (server world)))
(defmethod step :server-port [world _] (pos? (socket/socket-server-port (server world))))
(defmethod step :server-status
  [world _]
  (settle world)
  (socket/socket-status (server world) 0))
(defmethod step :wait [world [_ seconds]] (socket/socket-wait (server world) seconds))
(defmethod step :server-close
  [world _]
  (let [answer (socket/socket-server-close (server world))]
    (swap! world update :closed conj :s)
    answer))
(defmethod step :host [world [_ name]] (socket/socket-stream-host (end world name)))
(defmethod step :port
  [world [_ name]]
  (= (socket/socket-stream-port (end world name)) (socket/socket-server-port (server world))))
(defmethod step :peer
  [world [_ name numeric?]]
  (address world (socket/socket-stream-peer (end world name) numeric?)))
(defmethod step :local
  [world [_ name numeric?]]
  (address world (socket/socket-stream-local (end world name) numeric?)))
(defmethod step :shutdown
  [world [_ name direction]]
  (socket/socket-stream-shutdown (end world name) direction))

(defmethod step :server-options
  [world [_ & opts]]
  (apply socket/socket-options (server world) opts))
(defmethod step :options
  [world [_ name & opts]]
  (mapv exact (apply socket/socket-options (end world name) opts)))

;; Status.

(defmethod step :status
  [world [_ name direction]]
  (settle world)
  (socket/socket-status (if direction [(end world name) direction] (end world name)) 0))
(defmethod step :statuses
  [world [_ places]]
  (settle world)
  (socket/socket-status-values (mapv #(place world %) places) 0))
(defmethod step :await-status
  [world [_ name direction seconds]]
  (settle world)
  (socket/socket-status [(end world name) direction] seconds))

;; Characters.

(defmethod step :read-char
  [world [_ name eof]]
  (shown-character (apply stream/read-char (end world name) (eof-arguments eof))))
(defmethod step :peek-char
  [world [_ name eof]]
  (shown-character (apply stream/peek-char nil (end world name) (eof-arguments eof))))
(defmethod step :peek-past-space
  [world [_ name]]
  (shown-character (stream/peek-char true (end world name))))
(defmethod step :peek-for
  [world [_ name string]]
  (shown-character (stream/peek-char (character string) (end world name))))
(defmethod step :unread-char
  [world [_ name string]]
  (stream/unread-char (character string) (end world name)))
(defmethod step :read-char-no-hang
  [world [_ name eof]]
  (settle world)
  (shown-character (apply stream/read-char-no-hang (end world name) (eof-arguments eof))))
(defmethod step :read-line
  [world [_ name eof]]
  (apply stream/read-line-values (end world name) (eof-arguments eof)))
(defmethod step :read-chars
  [world [_ name size start stop]]
  (let [chars (char-array size)
        start (or start 0)
        index (stream/read-char-sequence chars (end world name) :start start :end (or stop size))]
    [index (String. chars (int start) (int (- index (long start))))]))
(defmethod step :listen
  [world [_ name]]
  (settle world)
  (yes (stream/listen (end world name))))
(defmethod step :will-hang
  [world [_ name]]
  (settle world)
  (yes (stream/read-char-will-hang? (end world name))))
(defmethod step :clear-input [world [_ name]] (stream/clear-input (end world name)))
(defmethod step :write-char
  [world [_ name string]]
  (shown-character (stream/write-char (character string) (end world name))))
(defmethod step :write-string
  [world [_ name string & bounds]]
  (apply stream/write-string string (end world name) bounds))
(defmethod step :write-line [world [_ name string]] (stream/write-line string (end world name)))
(defmethod step :write-chars
  [world [_ name string & bounds]]
  (apply stream/write-char-sequence string (end world name) bounds))
(defmethod step :terpri [world [_ name]] (stream/terpri (end world name)))
(defmethod step :fresh-line [world [_ name]] (stream/fresh-line (end world name)))

;; Bytes.

(defmethod step :read-byte
  [world [_ name eof]]
  (apply stream/read-byte (end world name) (eof-arguments eof)))
(defmethod step :read-byte-no-hang
  [world [_ name eof]]
  (settle world)
  (apply stream/read-byte-no-hang (end world name) (eof-arguments eof)))
(defmethod step :lookahead
  [world [_ name]]
  (settle world)
  (stream/read-byte-lookahead (end world name)))
(defmethod step :byte-will-hang
  [world [_ name]]
  (settle world)
  (yes (stream/read-byte-will-hang? (end world name))))
(defmethod step :read-bytes
  [world [_ name size & {:keys [start] :or {start 0} :as opts}]]
  (settle world)
  (let [s (end world name)
        array (room s size)
        index (apply stream/read-byte-sequence array s (options opts))]
    [index (mapv #(element s %) (take (- (long index) (long start)) (drop start array)))]))
(defmethod step :write-byte [world [_ name byte]] (stream/write-byte byte (end world name)))
(defmethod step :write-bytes
  [world [_ name integers & opts]]
  (let [s (end world name)]
    (second (apply stream/write-byte-sequence-values (elements s integers) s opts))))
(defmethod step :read-integer
  [world [_ name type endianness eof]]
  (apply stream/read-integer (end world name) type endianness (eof-arguments eof)))
(defmethod step :write-integer
  [world [_ name integer type endianness]]
  (stream/write-integer integer (end world name) type endianness))
(defmethod step :read-float
  [world [_ name type endianness eof]]
  (exact (apply stream/read-float (end world name) type endianness (eof-arguments eof))))
(defmethod step :write-float
  [world [_ name number type endianness]]
  (exact (stream/write-float (if (= :single-float type) (float number) number)
                             (end world name)
                             type
                             endianness)))

;; Both.

(defmethod step :force [world [_ name]] (stream/force-output (end world name)))
(defmethod step :finish [world [_ name]] (stream/finish-output (end world name)))
(defmethod step :clear-output [world [_ name]] (stream/clear-output (end world name)))
(defmethod step :element-type [world [_ name]] (stream/stream-element-type (end world name)))
(defmethod step :set-element-type
  [world [_ name type]]
  (stream/set-stream-element-type! (end world name) type)
  :done)
(defmethod step :set-external-format
  [world [_ name format]]
  (stream/set-stream-external-format! (end world name) (external-format format))
  :done)
(defmethod step :open? [world [_ name]] (yes (stream/open-stream? (end world name))))
(defmethod step :input? [world [_ name]] (yes (stream/input-stream? (end world name))))
(defmethod step :output? [world [_ name]] (yes (stream/output-stream? (end world name))))
(defmethod step :close
  [world [_ name]]
  (try
    (stream/close (end world name))
    (finally (swap! world update :closed conj name)))
  :done)
(defmethod step :abort
  [world [_ name]]
  (try
    (stream/close (end world name) :abort true)
    (finally (swap! world update :closed conj name)))
  :done)

;; --- errors -------------------------------------------------------------------------------------

(defn- misuse?
  [e]
  (or (instance? IllegalArgumentException e) (instance? IllegalStateException e)))

(defn- category
  [e closed?]
  (cond
    (and closed? (misuse? e)) :closed
    (instance? EOFException e) :eof
    (instance? CharacterCodingException e) :coding
    (misuse? e) :misuse
    :else (or (socket/os-error-code e)
              (throw e))))

(defn- subject
  "The name of the end that the step is about."
  [[operation name]]
  (if (#{:server-status :wait :accept :accept-within} operation) :s name))

(defn answer
  "Takes one step of the script whose state is `world`; what it answers."
  [world a-step]
  (let [closed? (contains? (:closed @world) (subject a-step))]
    (when (may-send? world a-step)
      (swap! world assoc :settled? false))
    (try
      (step world a-step)
      (catch Exception e
        [:error (category e closed?)]))))

(defn ask-within
  "Runs `steps` as one script, in a thread of its own; the vector of their answers. When they are
  not done after `seconds`, the one under way answers :hang and those behind it :not-reached."
  [steps seconds]
  (let [world (world)
        answers (atom [])
        running (Thread. ^Runnable (fn [] (run! #(swap! answers conj (answer world %)) steps))
                         "parley-test-interpreter")
        died (promise)]
    (.setUncaughtExceptionHandler running
                                  (reify Thread$UncaughtExceptionHandler
                                    (uncaughtException [_ _ e] (deliver died e))))
    (doto running (.setDaemon true) (.start) (.join (long (* 1000 seconds))))
    (let [done @answers]
      (try
        (cond
          (realized? died) (throw (ex-info (str "The step " (pr-str (nth steps (count done)))
                                                " ended with an unexpected error, after "
                                                (str/join " " (map pr-str done)))
                                           {:answers done}
                                           @died))
          (= (count done) (count steps)) done
          :else (into (conj done :hang)
                      (repeat (- (count steps) (count done) 1) :not-reached)))
        (finally (forget-everything world)
                 (.join running 5000))))))
