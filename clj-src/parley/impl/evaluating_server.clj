(ns parley.impl.evaluating-server
  "Sessions on parley.net.Server: which clients of an evaluating server are admitted, and what its owner
  learns of them.

  A client that has connected waits, without a thread, until its gate opens: when it has sent something, or
  its token, or a moment has passed. A gate is a map of
    :timeout  a Duration or nil
    :look     a function of the client that returns, when there is input, :wait, :admit or [:refuse why]
  and nil admits every client. The :late of a service is what happens when the time has passed: :admit,
  :admit-silent for a client that makes room for others until it has sent something, or [event why]."
  {:no-doc true}
  (:require
   [parley.impl.endpoint :as endpoint]
   [parley.impl.guard :as guard]
   [parley.impl.journal :as journal]
   [parley.impl.options :as options]
   [parley.impl.serving :as serving]
   [parley.impl.turn :as turn])
  (:import
   (java.io EOFException IOException UncheckedIOException)
   (java.nio.channels ClosedChannelException)
   (java.time Duration)
   (java.util.function Consumer)
   (parley.net Addresses ErrorCode Server Server$Admission Server$Admission$Verdict Server$Connection Server$Event Server$Handler SocketServer SocketStream)))

(set! *warn-on-reflection* true)

;; ---- clients ------------------------------------------------------------------------------------

(defn- new-client [^Server$Connection connection]
  (merge {:id (str (.id connection))
          :connection connection
          :stream (.stream connection)
          :since (.since connection)
          :since-nanos (System/nanoTime)
          :heard (atom (System/nanoTime)) ; of one that waits for its gate
          :spoke (atom true)
          :turn (turn/turn)}
         (endpoint/peer (.stream connection))))

(defn- client [^Server$Connection connection]
  (.attachment connection))

(defn- others
  "Returns the clients other than one: [admitted waiting]."
  [^Server$Connection connection]
  (let [found (remove #(identical? connection %) (.connections (.server connection)))
        admitted? (fn [^Server$Connection c] (.isAdmitted c))]
    [(keep client (filter admitted? found)) (keep client (remove admitted? found))]))

(defn clients
  "Returns the clients that have been admitted, with the :thread of each."
  [{:keys [server]}]
  (for [^Server$Connection c (.connections ^Server @server)
        :let [thread (.thread c)]
        :when (and thread (client c))]
    (assoc (client c) :thread thread)))

(defn- about
  "Returns what the audit hook learns of a client."
  [^Server$Connection connection]
  (let [{:keys [peer address user]} (client connection)]
    (cond-> {:session (str (.id connection))
             :peer (or peer (Addresses/show (.peer connection)))}
      address (assoc :address address)
      user (assoc :user user))))

(defn- refuse [{:keys [^Server$Connection connection]} event why]
  (.refuse (.server connection) connection (name event) why))

(defn hostile
  "Ends a client whose first bytes show that it is no user of this server; nothing is sent."
  [client what]
  (refuse client :guarded (str what "; it is not for this port, and nothing of it was evaluated")))

;; ---- who is admitted ----------------------------------------------------------------------------

(defn over-limit
  "Returns why a client is one too many, or nil."
  [{:keys [limits]} {:keys [address connection]}]
  (let [{:keys [max-connections max-unauthenticated max-per-address]} limits
        [admitted waiting] (others connection)
        all (concat admitted waiting)
        same-address (fn [other] (and address (= address (:address other))))]
    (cond
      (<= (long max-connections) (count all))
      (str "the limit of connections is reached: " max-connections " (:max-connections)")
      (and max-unauthenticated (<= (long max-unauthenticated) (count waiting)))
      (str "the limit of connections that have not sent anything valid yet is reached: " max-unauthenticated " (:max-unauthenticated)")
      (and max-per-address (<= (long max-per-address) (count (filter same-address all))))
      (str "the limit of connections of its address is reached: " max-per-address " (:max-per-address)"))))

(defn other-user
  "Returns why a Unix-domain peer may not connect, or nil."
  [{:keys [owner]} {:keys [principal]}]
  (when (and owner (not= owner principal))
    (str "the server belongs to " owner)))

(defn- silent-longest
  "Returns the client that has been silent longest of those that have not shown yet that they belong here:
  they have not logged in or, where no token is wanted, have not sent anything. nil when there is none."
  [{:keys [limits]} {:keys [address connection]}]
  (let [{:keys [max-connections max-per-address]} limits
        [admitted waiting] (others connection)
        by-address? (and max-per-address (< (+ (count admitted) (count waiting)) (long max-connections)))
        candidates (cond->> (concat (map (juxt #(deref (:heard %)) identity) waiting)
                              (map (juxt :since-nanos identity) (remove #(deref (:spoke %)) admitted)))
                     by-address? (filter (fn [[_ client]] (= address (:address client)))))]
    (when (seq candidates)
      (second (apply min-key (fn [[heard _]] (- (long heard) (System/nanoTime))) candidates)))))

(defn- make-room
  "Returns why a client is one too many, though a silent one was refused in its favour, or nil."
  [service client]
  (when-let [why (over-limit service client)]
    (if-let [silent (silent-longest service client)]
      (do (refuse silent :refused "it was silent longest, and another client needs its place")
          (over-limit service client))
      why)))

(defn- verdict
  "Returns the Verdict of what a gate has returned."
  ^Server$Admission$Verdict [{:keys [spoke heard]} found timeout]
  (case found
    :admit Server$Admission$Verdict/ADMIT
    ;; until it has sent something, it may have to make room
    :admit-silent (do (reset! spoke false)
                      Server$Admission$Verdict/ADMIT)
    :wait (do (reset! heard (System/nanoTime))
              (Server$Admission$Verdict/waitFor timeout))
    (let [[event why] found]
      (Server$Admission$Verdict/refuse (name event) why))))

(defn- welcome [{:keys [gate]
                 :as service} ^Server$Connection connection]
  (let [client (new-client connection)]
    (.attach connection client)
    (if-let [why (or (other-user service client) (make-room service client))]
      (verdict client [:refused why] nil)
      (let [{:keys [timeout look]} (when gate (gate))]
        (.attach connection (assoc client :look look))
        (verdict client (if look :wait :admit) timeout)))))

(defn late
  "Returns what happens to a client whose gate has not opened in time."
  [{:keys [late]}]
  late)

(defn- admission [service]
  (reify Server$Admission
    (arrived [_ connection]
      (welcome service connection))
    (readable [_ connection]
      (let [{:keys [look]
             :as client} (client connection)]
        (verdict client (look client) nil)))
    (late [_ connection]
      (verdict (client connection) (late service) nil))))

;; ---- sessions -----------------------------------------------------------------------------------

(defn closing?
  "Returns true once the service has begun to close."
  [{:keys [server]}]
  (not (.isOpen ^Server @server)))

(defn text
  "Describes a service in a line, for people."
  ^String [kind {:keys [name ^SocketServer listener]
                 :as service}]
  (str "#<" kind " " name " " (endpoint/show listener) " "
    (if (closing? service) "closed" (options/counted (count (clients service)) "client")) ">"))

(defn own-failure?
  "Returns true when reading has failed for a reason of this process, not because the connection is lost."
  [^SocketStream stream e]
  (and (instance? IOException e)
       (not (instance? EOFException e))
       (.isOpen stream)
       (or (nil? (ErrorCode/of e)) (ErrorCode/isExhaustion e))))

(defn- failed [{:keys [journal]} client e]
  (journal/warn journal ::failed "session " (:id client) " ended: " (journal/peer-text e)))

(defn- lost [{:keys [journal]
              :as service} client e]
  (when-not (or (closing? service)
                (some #(instance? ClosedChannelException %) (cons e (.getSuppressed ^Throwable e)))) ; closed on this side, which has logged the reason
    (journal/event journal :lost (assoc (about (:connection client)) :reason (str e)))
    (when (own-failure? (:stream client) e)
      (failed service client e))))

(defn- run
  "A client's session, in its own thread."
  [{:keys [session]
    :as service} client]
  (try
    (session service client)
    (catch IOException e
      (lost service client e))
    (catch UncheckedIOException e
      (lost service client (.getCause e)))
    (catch InterruptedException e
      (when-not (closing? service)
        (failed service client e)))
    (catch Throwable e
      (failed service client e))))

(defn- record-event
  "Puts an event of the server into the journal."
  [{:keys [journal tls consume-exception]} ^Server$Event event]
  (let [kind (keyword (.kind event))
        connection (.connection event)
        reason (.reason event)]
    (when-let [e (and tls consume-exception (= :refused kind) (some-> connection .stream .error))]
      (consume-exception e))
    (case kind
      (:connect :disconnect) (journal/event journal kind (about connection))
      :stop (journal/event journal :stop {})
      :pause (journal/warn journal ::resources "cannot accept now, trying again: " (journal/peer-text reason))
      :stuck (journal/line journal "session " (.id connection) " still evaluates: it was interrupted and its "
               "connection closed, but Java cannot stop code that ignores an interrupt")
      (let [{:keys [peer]
             :as about} (about connection)]
        (journal/event journal kind (assoc about :reason reason))
        (journal/warn journal kind "closed a connection of " (journal/peer-text peer) ": " reason)))))

;; ---- starting and ending ------------------------------------------------------------------------

(defn start
  "Starts to accept on `:listener`, a SocketServer, which becomes the service's own.
    :name            in the names of threads
    :journal         see parley.impl.journal
    :accept-options  the StreamOptions of clients
    :gate            a function that returns a gate for one client, or nil
    :late            see above
    :session         a function of service and client, called in the client's thread
    :threads         :virtual or :platform
    :limits          :max-connections, :max-unauthenticated, :max-per-address
    :drain           a Duration, or nil: how long close waits for evaluations
    :own             a function of no arguments that returns the id of the client that the calling thread
                     evaluates for, if that is not the client's own thread; or nil
    :tls             TlsOptions, or nil
    :consume-exception  a function called with the exception that ended a handshake of TLS, or nil
    :on-close        a function called just before the endpoint is free"
  [{:keys [^SocketServer listener name accept-options threads drain ^Runnable on-close]
    :as options}]
  (let [server (promise)
        service (assoc options
                  :owner (endpoint/server-user listener)
                  :server server)]
    (deliver server
      (-> (Server/builder (reify Server$Handler
                            (serve [_ connection] (serving/call #(run service %) (client connection)))
                            (handle [_ _])))
          (.name name)
          (.streams accept-options)
          (.virtualThreads (= :virtual threads))
          (.drain ^Duration drain)
          (.admission (admission service))
          (.log (reify Consumer
                  (accept [_ event] (record-event service event))))
          (.onClose on-close)
          (.start listener)))
    service))

(defn- by-id ^Server$Connection [^Server server id]
  (first (filter (fn [^Server$Connection c] (= (str id) (str (.id c)))) (.connections server))))

(defn close
  "Ends a service: its endpoint at once, then its clients: those that wait for input at once, others when
  done or when the time to drain is over, by interrupt. From within a session, that session ends after the
  evaluation that closes. Returns nil; again, when the endpoint is free."
  [{:keys [server own]}]
  (let [^Server server @server]
    (.close server (or (some->> (when own (own)) (by-id server)) (.current server)))))

(defn interrupt
  "Interrupts the thread of a client. Returns true, false when the client is idle, nil when there is none of
  that id."
  [{:keys [server]} id]
  (when-let [connection (by-id @server id)]
    (when-let [thread (.thread connection)]
      (turn/interrupt (:turn (client connection)) thread #(.interrupt connection)))))
