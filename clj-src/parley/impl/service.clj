(ns parley.impl.service
  "What servers that evaluate code have in common: one thread that accepts and lets in, a thread for each
  client that was let in, limits, and an end that frees the endpoint at once and leaves nobody behind.

  Who has connected waits, without a thread, in the acceptor's status set until its gate opens: when it
  has sent something, or its token, or a moment has passed. A gate is a map of
    :timeout  a Duration or nil
    :look     a function of the client that says, when there is input, :wait, :admit or [:refuse why]
    :late     what to do when the time is up: :admit, :admit-silent for a client that makes room for others
              until it has sent something, or [event why]
  and nil lets everybody in."
  {:no-doc true}
  (:require
   [parley.impl.endpoint :as endpoint]
   [parley.impl.guard :as guard]
   [parley.impl.journal :as journal]
   [parley.impl.options :as options]
   [parley.impl.thread :as thread])
  (:import
   (java.io IOException UncheckedIOException)
   (java.nio.channels ClosedChannelException)
   (java.time Duration Instant)
   (java.util.concurrent ConcurrentHashMap)
   (java.util.concurrent.atomic AtomicLong)
   (java.util.concurrent.locks LockSupport)
   (java.util.function BiConsumer)
   (parley.net Direction SocketServer SocketStream StatusSet StreamOptions)
   (parley.net.wait BackOff)))

(set! *warn-on-reflection* true)

;; ---- clients ------------------------------------------------------------------------------------

(defn- about
  "What the audit hook is told of a client."
  [{:keys [id peer address user]}]
  (cond-> {:session id
           :peer peer}
    address (assoc :address address)
    user (assoc :user (str user))))

(defn- forget [{:keys [^ConcurrentHashMap clients]} client]
  (.remove clients (:id client)))

(defn- refuse
  "Ends a client that was not let in; nothing is sent."
  [{:keys [journal]
    :as service} client event why]
  (forget service client)
  (journal/event journal event (assoc (about client) :reason why))
  (journal/warn journal event "closed a connection of " (journal/peer-text (:peer client)) ": " why)
  (guard/drain (:stream client)))

(defn hostile
  "Ends a client whose first bytes tell that it is no user of this server; nothing is sent."
  [service client what]
  (refuse service client :guarded
    (str what ": it is not for this port, and nothing of it was evaluated")))

(defn- end-quietly
  "Ends a client's output, takes what it has sent more, within bounds, and closes its stream: closing with
  input unread would reset the connection, and the client would lose output that it has not read yet. That
  the client is gone is no news."
  [client]
  (let [^SocketStream s (:stream client)]
    (try
      (when (and (.isOpen s) (.isOutput s))
        (Thread/interrupted)
        (.shutdown s Direction/OUTPUT)
        (guard/skip-input s))
      (catch IOException _
        nil)
      (catch IllegalStateException _ ; closed meanwhile
        nil)
      (finally
        (try
          (.close s)
          (catch IOException _
            nil)))))) ; what it did not read cannot reach it any more

(defn- lost [{:keys [journal closing]} client e]
  (when-not (or @closing (instance? ClosedChannelException e)) ; closed on this side, which has said why
    (journal/event journal :lost (assoc (about client) :reason (str e)))))

(defn- failed [{:keys [journal]} client e]
  (journal/warn journal ::failed "session " (:id client) " ended: " (journal/peer-text e)))

(defn- run
  "A client's session, in its own thread."
  [{:keys [journal session]
    :as service} client]
  (try
    (session service client)
    (catch IOException e
      (lost service client e))
    (catch UncheckedIOException e
      (lost service client (.getCause e)))
    (catch InterruptedException e
      (when-not @(:closing service)
        (failed service client e)))
    (catch Throwable e
      (failed service client e))
    (finally
      (try
        (end-quietly client)
        (finally
          ;; While the client is still there for whoever closes, or :stop would come first.
          (journal/event journal :disconnect (about client))
          (forget service client)
          (deliver (:done client) true))))))

(defn- admit [{:keys [journal threads]
               :as service} client]
  (try
    (let [name (str "parley-" (:name service) "-" (:id client))
          thread (thread/unstarted threads name #(run service client))]
      (reset! (:thread client) thread)
      (journal/event journal :connect (about client))
      (.start ^Thread thread))
    (catch Throwable e ; the system has no more threads, or no more memory
      (reset! (:thread client) nil)
      (refuse service client :refused (str "no thread for it: " (.getMessage e))))))

;; ---- accepting ----------------------------------------------------------------------------------

(defn over-limit
  "Why a client is one too many, or nil."
  [{:keys [limits ^ConcurrentHashMap clients]} pending {:keys [address]}]
  (let [{:keys [max-connections max-unauthenticated max-per-address]} limits
        same-address (fn [other] (and address (= address (:address other))))]
    (cond
      (<= (long max-connections) (.size clients))
      (str "there are " max-connections " connections already (:max-connections)")
      (and max-unauthenticated (<= (long max-unauthenticated) (count pending)))
      (str max-unauthenticated " connections have not said anything valid yet (:max-unauthenticated)")
      (and max-per-address (<= (long max-per-address) (count (filter same-address (.values clients)))))
      (str "there are " max-per-address " connections of its address already (:max-per-address)"))))

(defn stranger
  "Why a Unix-domain peer may not connect, or nil."
  [{:keys [owner]} {:keys [user]}]
  (when (and owner (not= owner user))
    (str "the server belongs to " owner)))

(defn- new-client [{:keys [^AtomicLong ids owner]} s]
  (merge {:id (str (.incrementAndGet ids))
          :stream s
          :since (Instant/now)
          :since-nanos (System/nanoTime)
          :spoke (atom true)
          :thread (atom nil)
          :done (promise)}
         (endpoint/peer s (some? owner))))

(defn- silent-longest
  "Returns the client that has been silent longest of those that have not shown yet that they belong here:
  they have not logged in or, where no token is wanted, have not sent anything. nil when there is none."
  [{:keys [^ConcurrentHashMap clients limits]} pending {:keys [address]}]
  (let [{:keys [max-connections max-per-address]} limits
        by-address? (and max-per-address (< (.size clients) (long max-connections)))
        waiting (map (fn [{:keys [client heard]}] [heard client]) (vals pending))
        mute (for [{:keys [spoke thread since-nanos]
                    :as client} (vec (.values clients))
                   :when (and @thread (not @spoke))]
               [since-nanos client])
        candidates (cond->> (concat waiting mute)
                     by-address? (filter (fn [[_ client]] (= address (:address client)))))]
    (when (seq candidates)
      (second (apply min-key (fn [[heard _]] (- (long heard) (System/nanoTime))) candidates)))))

(defn- drop-silent
  "Refuses a silent client in favour of a new one: the pending clients afterwards."
  [service ss pending {:keys [stream]
                       :as client}]
  (when (contains? pending stream)
    (.remove ^StatusSet ss ^SocketStream stream))
  (refuse service client :refused "it has been silent longest, and others want to connect")
  (dissoc pending stream))

(defn- make-room
  "Returns [pending why]: the pending clients after silent ones were dropped for a new client, and why it is
  one too many all the same, or nil."
  [service ss pending client]
  (if-let [why (over-limit service pending client)]
    (if-let [silent (silent-longest service pending client)]
      (let [pending (drop-silent service ss pending silent)]
        [pending (over-limit service pending client)])
      [pending why])
    [pending nil]))

(defn- welcome
  "Lets a new client in, or has it wait, or refuses it: the pending clients, by stream, afterwards."
  [{:keys [gate ^ConcurrentHashMap clients]
    :as service} ss pending s]
  (let [client (new-client service s)
        why (stranger service client)
        [pending why] (if why [pending why] (make-room service ss pending client))]
    (cond
      why (do (refuse service client :refused why) pending)
      gate (let [{:keys [^Duration timeout look]} (gate)]
             (.put clients (:id client) client)
             (.add ^StatusSet ss s Direction/INPUT)
             (assoc pending s {:client client
                               :look look
                               :heard (:since-nanos client)
                               :until (some->> timeout .toNanos (+ (System/nanoTime)))}))
      :else (do (.put clients (:id client) client)
                (admit service client)
                pending))))

(defn- rest-a-while
  "Accepting failed for want of something that others may give back: the server rests, longer each time,
  and one line a second says so. What has connected waits in the system's queue."
  [{:keys [journal server]} ss {:keys [^BackOff back-off]
                                :as state} e]
  (.remove ^StatusSet ss ^SocketServer server)
  (journal/warn journal ::resources "cannot accept now, trying again: " (journal/peer-text (.getMessage ^Throwable e)))
  (assoc state :resume (+ (System/nanoTime) (.toNanos (.next back-off)))))

(defn recover
  "Rests after a failure of whatever kind, even when resting fails, too, as it may while there is no memory: an
  acceptor that ended would never serve again."
  [service ss {:keys [^BackOff back-off]
               :as state} e]
  (try
    (rest-a-while service ss state e)
    (catch Throwable _ ; that is what could not be logged
      (LockSupport/parkNanos (.toNanos (.next back-off)))
      state)))

(defn- accept-all
  "Accepts whoever waits in the system's queue."
  [{:keys [^SocketServer server closing accept-options]
    :as service} ss state]
  (loop [state state]
    (if @closing
      state
      (let [s (try
                (.acceptNow server accept-options)
                (catch IOException e e))]
        (cond
          (nil? s) (do (.reset ^BackOff (:back-off state)) state)
          (instance? SocketStream s)
          (recur (try
                   (update state :pending #(welcome service ss % s))
                   (catch IOException _ ; gone before it could be asked who it is
                     (.abort ^SocketStream s)
                     state)
                   (catch Throwable e
                     (.abort ^SocketStream s)
                     (throw e))))
          (not (.isOpen (.channel server))) state
          :else (recover service ss state s))))))

(defn- decide
  "What a gate said of a pending client is done."
  [service ss state s verdict]
  (if (= :wait verdict)
    (assoc-in state [:pending s :heard] (System/nanoTime))
    (let [client (get-in state [:pending s :client])]
      (.remove ^StatusSet ss ^SocketStream s)
      (case verdict
        :admit (admit service client)
        ;; until it has sent something, it may have to make room
        :admit-silent (do (reset! (:spoke client) false)
                          (admit service client))
        (let [[event why] verdict]
          (refuse service client event why)))
      (update state :pending dissoc s))))

(defn- look-at [service ss state s]
  (let [{:keys [client look]} (get-in state [:pending s])]
    (decide service ss state s
      (try
        (look client)
        (catch IOException e
          [:refused (str "it went away: " (.getMessage e))])
        (catch Throwable e
          [:refused (str "it could not be looked at: " e)])))))

(defn expire
  "Decides about those whose time is up."
  [{:keys [late]
    :as service} ss state]
  (let [now (System/nanoTime)
        late? (fn [[_ {:keys [until]}]] (and until (not (neg? (- now (long until))))))]
    (reduce (fn [state [s _]] (decide service ss state s late))
      state
      (filter late? (:pending state)))))

(defn- resume [{:keys [server]} ss {:keys [resume]
                                    :as state}]
  (if (and resume (not (neg? (- (System/nanoTime) (long resume)))))
    (do (.add ^StatusSet ss ^SocketServer server Direction/INPUT)
        (dissoc state :resume))
    state))

(defn- wait-time
  "How long the acceptor may wait: until the next deadline, nil for ever."
  ^Duration [{:keys [pending resume]}]
  (when-let [times (seq (cond->> (keep :until (vals pending)) resume (cons resume)))]
    (let [now (System/nanoTime)
          next (apply min (map #(- (long %) now) times))]
      (Duration/ofNanos (max 0 (long next))))))

(defn- actionable
  "Waits, and returns the members of which something can be read."
  [^StatusSet ss timeout]
  (let [found (java.util.ArrayList.)]
    (.check ss timeout)
    (.forEachActionable ss (reify BiConsumer (accept [_ object _] (.add found object))))
    (vec found)))

(defn- step [{:keys [server]
              :as service} ss state]
  (->> (reduce (fn [state object]
                 (cond
                   (identical? server object) (accept-all service ss state)
                   (get-in state [:pending object]) (look-at service ss state object)
                   :else state))
         state (actionable ss (wait-time state)))
       (expire service ss)
       (resume service ss)))

(declare close)

(defn- accept-loop [{:keys [^SocketServer server closing]
                     :as service} ss]
  (loop [state {:pending {}
                :back-off (BackOff.)}]
    (cond
      @closing (doseq [{:keys [client]} (vals (:pending state))]
                 (forget service client)
                 (.abort ^SocketStream (:stream client)))
      (not (.isOpen (.channel server))) (do (close service) (recur state)) ; by others, who had the channel
      :else (recur (try
                     (step service ss state)
                     (catch Throwable e
                       (if (or @closing (not (.isOpen (.channel server))))
                         state
                         (recover service ss state e))))))))

(defn- accept-thread ^Thread [{:keys [name server]
                               :as service}]
  (let [ss (doto (StatusSet.) (.add ^SocketServer server Direction/INPUT))]
    (thread/unstarted :platform (str "parley-" name "-accept")
      #(with-open [^StatusSet _ ss]
         (accept-loop service ss)))))

;; ---- the rehearsal -------------------------------------------------------------------------------

(defn- rehearse
  "Accepts, refuses, rests and logs once, on a server of its own: a class that is first needed while the
  process has no descriptors or no memory cannot be loaded then, and never will be."
  []
  (with-open [server (SocketServer/listen (options/->server-options "repl-server" 0 {:interface "127.0.0.1"}))
              ss (StatusSet.)]
    (let [service {:server server
                   :name "rehearsal"
                   :journal {:name "rehearsal"
                             :log (fn [_])
                             :audit (fn [_])
                             :last (atom {})}
                   :accept-options (options/->stream-options "repl-server" {:element-type :bivalent})
                   :closing (atom false)
                   :clients (ConcurrentHashMap.)
                   :ids (AtomicLong.)
                   :limits {:max-connections 0}}
          state {:pending {}
                 :back-off (BackOff.)}]
      (.add ss server Direction/INPUT)
      (with-open [_ (SocketStream/connect "127.0.0.1" (.port server) ^StreamOptions (:accept-options service))]
        (.check ss (Duration/ofSeconds 10))
        (accept-all service ss state))
      (rest-a-while service ss state (OutOfMemoryError. "a rehearsal")))))

(def ^:private rehearsal
  (delay (try
           (rehearse)
           true
           (catch IOException _ ; there is no loopback here: the first clients will have all that loaded
             false))))

;; ---- starting and ending ------------------------------------------------------------------------

(defn start
  "Starts to accept on `:server`, a SocketServer, which becomes the service's own.
    :name            in the names of threads
    :journal         see parley.impl.journal
    :accept-options  the StreamOptions of clients
    :gate            a function that gives a gate for one client, or nil
    :late            [event why] or :admit, for clients whose gate has not opened in time
    :session         a function of service and client, called in the client's thread
    :threads         :virtual or :platform
    :limits          :max-connections, :max-unauthenticated, :max-per-address
    :drain           a Duration: how long close waits for evaluations
    :own             a function of no arguments that returns the id of the client that the calling thread
                     evaluates for, if that is not the client's own thread; or nil
    :on-close        a function called just before the endpoint is free"
  [options]
  @rehearsal
  (let [service (assoc options
                  :owner (endpoint/server-user (:server options))
                  :clients (ConcurrentHashMap.)
                  :ids (AtomicLong.)
                  :closing (atom false)
                  :unbound (promise)
                  :acceptor (atom nil))
        thread (accept-thread service)]
    (reset! (:acceptor service) thread)
    (.start thread)
    service))

(defn clients
  "The clients that have been let in."
  [{:keys [^ConcurrentHashMap clients]}]
  (filter (fn [client] @(:thread client)) (vec (.values clients))))

(defn- end-input
  "Has a client's session read the end: it goes once its evaluation is done, at once when it has none."
  [client]
  (try
    (.shutdown ^SocketStream (:stream client) Direction/INPUT)
    (catch IOException _ nil) ; the client is gone
    (catch IllegalStateException _ nil))) ; the session has closed its stream already

(defn- await-all
  "Waits until sessions have ended, or `limit` has passed: those that have not."
  [clients ^Duration limit]
  (let [end (+ (System/nanoTime) (.toNanos limit))]
    (doall
      (remove (fn [client]
                (deref (:done client) (max 0 (quot (- end (System/nanoTime)) 1000000)) false))
        clients))))

(defn end-clients
  "Ends all sessions: when their evaluation is done, or the time to drain is over."
  [{:keys [journal drain own]
    :as service}]
  (let [all (clients service)
        own-id (when own (own))
        own? (fn [{:keys [id thread]}] (or (= own-id id) (identical? (Thread/currentThread) @thread)))
        others (remove own? all)]
    (run! end-input all)
    (let [late (await-all others drain)]
      (doseq [client late]
        (.abort ^SocketStream (:stream client))
        (.interrupt ^Thread @(:thread client)))
      (doseq [client (await-all late (Duration/ofSeconds 1))]
        (journal/line journal "session " (:id client) " still evaluates; its connection is closed, and it was "
          "interrupted, but code that does not look cannot be stopped")))))

(defn- unbind [{:keys [server unbound on-close]}]
  (try
    (on-close)
    (finally
      (try
        (.close ^SocketServer server)
        (finally
          (deliver unbound true))))))

(defn- join-acceptor [{:keys [acceptor]}]
  (let [^Thread thread @acceptor]
    (when-not (identical? thread (Thread/currentThread))
      (.join thread 2000))))

(defn close
  "Ends a service: its endpoint at once, then its clients: who waits for input at once, who evaluates when
  done or when the time to drain is over, by interrupt. From within a session, that session ends after the
  evaluation that closes. Returns nil; again, when the endpoint is free."
  [{:keys [closing unbound journal]
    :as service}]
  (if (compare-and-set! closing false true)
    (try
      (unbind service)
      (finally
        (join-acceptor service)
        (end-clients service)
        (journal/event journal :stop {})))
    (deref unbound))
  nil)

(defn interrupt
  "Interrupts the thread of a client: true when there is one of that id, else nil."
  [{:keys [^ConcurrentHashMap clients]} id]
  (when-let [client (.get clients (str id))]
    (when-let [thread @(:thread client)]
      (.interrupt ^Thread thread)
      true)))
