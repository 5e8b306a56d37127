(ns parley.impl.serving
  "Options, events and connections of parley.net.Server as Clojure's data."
  {:no-doc true}
  (:require
   [clojure.pprint :as pprint]
   [parley.impl.address :as address]
   [parley.impl.endpoint :as endpoint]
   [parley.impl.options :as options]
   [parley.impl.print :as print])
  (:import
   (clojure.lang AFunction MultiFn RestFn Var)
   (java.io IOException Writer)
   (java.lang.reflect Method)
   (java.nio.channels ServerSocketChannel)
   (java.util.function BiConsumer Consumer)
   (parley.net Server Server$Connection Server$Event Server$Handler ServerBuilder SocketServer)))

(set! *warn-on-reflection* true)

;; ---- options ------------------------------------------------------------------------------------

(defn call
  "Calls (f x). Then the thread, which serves other connections later, has the bindings of before, whatever f has left."
  [f x]
  (let [before (Var/getThreadBindingFrame)]
    (try
      (f x)
      (finally
        (Var/resetThreadBindingFrame before)))))

(defn handler
  "Returns the Handler that calls a function, or what a var holds then."
  ^Server$Handler [op f]
  (when-not f
    (throw (options/misuse op "the handler is nil" "a function or a var of one argument")))
  (options/function op "the handler" f "a function or a var of one argument")
  (reify Server$Handler
    (handle [_ stream] (call f stream))))

(defn- limit ^long [op options key]
  (let [x (get options key)]
    (if (nil? x) 0 (options/int32 op (str key) 1 x "a positive number, or nil for no limit"))))

(defn- takes-two? [f]
  (let [f (if (var? f) (deref f) f)]
    (cond
      (instance? RestFn f) true
      (instance? AFunction f) (boolean (some (fn [^Method m]
                                               (and (= "invoke" (.getName m)) (= 2 (.getParameterCount m))))
                                         (.getDeclaredMethods (class f))))
      :else false)))

(defn- on-error [op f]
  (when (options/function op ":on-error" f "a function of an exception, or nil")
    (let [two? (takes-two? f)]
      (reify BiConsumer
        (accept [_ e connection]
          (if two?
            (f e (.stream ^Server$Connection connection))
            (f e)))))))

(defn- trusted! [op ^ServerBuilder builder x]
  (cond
    (true? x) (.proxyProtocol builder)
    (and (coll? x) (not (map? x)) (seq x) (every? string? x)) (.proxyProtocol builder (vec x))
    x (throw (options/misuse op (str ":proxy-protocol is " (options/show x))
               "true, nil, or the addresses or networks of trusted proxies, such as [\"10.0.0.0/8\"]"))))

(defn- file-path [op x]
  (or (endpoint/->path x true)
      (throw (options/misuse op (str ":path is " (options/show x)) "a path, as a string, a File or a Path"))))

(defn- listen ^SocketServer [op {:keys [port path]} more]
  (let [where (if (nil? path) (or port 0) (file-path op path))
        host? (some (address/endpoint op where) [:host :path])]
    (SocketServer/listen
      (address/->server-options op where
        (cond-> more
          (not (or host? (:interface more))) (assoc :interface "127.0.0.1"))))))

(defn listener
  "Returns the listening SocketServer of the options of serve."
  ^SocketServer [op {:keys [port path handle]
                     :as options}]
  (when (next (filter some? [port path handle]))
    (throw (options/misuse op "more than one endpoint is given" "one of :port, :path and :handle")))
  (let [more (select-keys options address/server-options)
        listens? (or handle (instance? ServerSocketChannel port))]
    (when (and listens? (seq more))
      (throw (options/misuse op (str (key (first more)) " is given besides " (if handle ":handle" "a channel"))
               "neither, since the socket listens already")))
    (cond
      handle (SocketServer/ofHandle (int (options/int32 op ":handle" 0 handle "an integer handle")))
      listens? (SocketServer/adopt port)
      :else (listen op options more))))

;; ---- connections and events ---------------------------------------------------------------------

(defn connection
  "Returns what is known of a connection."
  [^Server$Connection connection]
  (let [stream (.stream connection)
        proxy (some-> stream .proxyAddress)]
    (print/ordered
      (cond-> (assoc (try
                       (dissoc (endpoint/peer-of (.peer connection) stream) :principal)
                       (catch IOException _ ; it has gone, and the system has forgotten who it was
                         {}))
                :id (.id connection)
                :stream stream
                :since (.since connection)
                :bytes-in (.bytesIn connection)
                :bytes-out (.bytesOut connection))
        proxy (assoc :proxy (print/address proxy))))))

(defn- event-map [^Server$Event event]
  (let [{:keys [id]
         :as about} (some-> (.connection event) connection (select-keys [:id :peer :address :user]))]
    (cond-> {:event (keyword (.kind event))
             :at (.at event)
             :server (.server event)}
      about (merge (-> about (dissoc :id) (assoc :connection id)))
      (.reason event) (assoc :reason (.reason event))
      (.cause event) (assoc :error (.cause event)))))

(defn builder
  "Returns a ServerBuilder with the options of serve, other than the endpoint's."
  ^ServerBuilder [op handler {:keys [idle-timeout proxy-protocol threads name audit]
                              :as options}]
  (let [audit (options/function op ":audit" audit "a function of a map, or nil")
        builder (-> (Server/builder handler)
                    (.streams (options/->stream-options op (select-keys options options/stream-options)))
                    (.maxConnections (limit op options :max-connections))
                    (.maxPerAddress (limit op options :max-per-address))
                    (.idleTimeout (options/seconds op ":idle-timeout" idle-timeout))
                    (.drain (options/seconds op ":drain" (get options :drain 1)))
                    (.onError (on-error op (:on-error options)))
                    (.audit (when audit
                              (reify Consumer
                                (accept [_ event] (audit (event-map event))))))
                    (.virtualThreads (options/choose op ":threads" {nil true
                                                                    :virtual true
                                                                    :platform false} threads)))]
    (trusted! op builder proxy-protocol)
    (options/text op ":name" name)
    (.name builder name)))

(defn interrupt
  "Interrupts the handler of a connection: true when there is one of that id, else nil."
  [^Server server id]
  (when (some (fn [^Server$Connection c] (and (= id (.id c)) (.interrupt c))) (.connections server))
    true))

(defn facts
  "Returns the counts of a server."
  [^Server server]
  (let [stats (.stats server)
        events (into {} (map (fn [[kind n]] [(keyword kind) n])) (.events stats))]
    {:name (.name server)
     :open? (.isOpen server)
     :since (.since server)
     :age (/ (.toMillis (.age server)) 1000.0)
     :connections (.open stats)
     :waiting (.waiting stats)
     :accepted (.accepted stats)
     :refused (apply dissoc events [:connect :disconnect :lost :idle :failed :pause :stuck :stop])
     :events (dissoc events :stop)
     :bytes-in (.bytesIn stats)
     :bytes-out (.bytesOut stats)
     :oldest (/ (.toMillis (.oldest stats)) 1000.0)
     :full? (.full stats)
     :pausing? (.pausing stats)}))

(defn as-text!
  "Has all printers show the records of a class by their toString, which has no secret and fits in a line."
  [class]
  (let [method (fn [x ^Writer w] (.write w (str x)))]
    (doseq [printer [print-method print-dup]]
      (.addMethod ^MultiFn printer class method)))
  (doseq [dispatch [pprint/simple-dispatch pprint/code-dispatch]]
    (.addMethod ^MultiFn dispatch class pr)))
