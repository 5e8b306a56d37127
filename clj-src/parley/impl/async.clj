(ns parley.impl.async
  "Intakes and outlets of the core as channels of core.async: the protocols of its channels on one
  side, requests on the other. Of the implementation of core.async this uses what a channel needs
  (protocols, box) and the executor that go blocks run on, so that no user code runs on the reactor."
  {:no-doc true}
  (:require
   [clojure.core.async :as async]
   [clojure.core.async.impl.channels :as channels]
   [clojure.core.async.impl.dispatch]
   [clojure.core.async.impl.protocols :as impl]
   [clojure.core.protocols :as protocols])
  (:import
   (clojure.lang IMeta)
   (java.io Writer)
   (java.util.concurrent Executor)
   (java.util.concurrent.locks Lock)
   (java.util.function Consumer)
   (parley.net Intake Intake$Request Outlet)
   (parley.net.wait BatchingExecutor)))

(set! *warn-on-reflection* true)

(def ^:private execute
  "A function of a task for the threads of go blocks. core.async before 1.8 has no dispatch/exec."
  (if-let [exec (resolve 'clojure.core.async.impl.dispatch/exec)]
    #(exec % :core-async-dispatch)
    @(resolve 'clojure.core.async.impl.dispatch/run)))

(defonce ^{:doc "Where waiting takes and puts are served: threads of core.async."} executor
  (delay (BatchingExecutor. (reify Executor
                              (execute [_ task] (execute task))))))

(deftype HandlerRequest [handler convert]
  Intake$Request
  (isActive [_] (boolean (impl/active? handler)))
  ;; Only a branch of alts! shares its lock, and its fate, with others.
  (mayLapse [_] (not (zero? (long (impl/lock-id handler)))))
  (mayWait [_] (boolean (impl/blockable? handler)))
  (lock [_] (.lock ^Lock handler))
  (unlock [_] (.unlock ^Lock handler))
  (commit [_]
    (let [callback (impl/commit handler)]
      (reify Consumer
        (accept [_ value] (callback (convert value)))))))

(defn- boxed
  "Returns the result of take! and put!: nil when the handler waits."
  [convert value]
  (when-not (identical? Intake/PENDING value)
    (channels/box (convert value))))

;; A channel is known by its metadata, not by its class: a reload makes new classes, and channels made
;; before it are channels all the same.

(defn intake
  "Returns the Intake of a channel that was made here, nil of anything else."
  ^Intake [x]
  (when (instance? IMeta x)
    (::intake (meta x))))

(defn outlet
  "Returns the Outlet of a channel that was made here, nil of anything else."
  ^Outlet [x]
  (when (instance? IMeta x)
    (::outlet (meta x))))

(defn flushed
  "Returns a channel that closes when an outlet is closed and flushed, and yields first why something was lost."
  [^Outlet outlet]
  (let [done (async/promise-chan)]
    (.whenFlushed outlet
      (reify Consumer
        (accept [_ reason]
          (when reason
            (async/put! done reason))
          (async/close! done))))
    done))

(deftype IntakeChannel [^Intake intake convert]
  impl/ReadPort
  (take! [_ handler] (boxed convert (.take intake ^Request (HandlerRequest. handler convert))))
  impl/Channel
  (close! [_] (.close intake))
  (closed? [_] (.isClosed intake))
  IMeta
  (meta [_] {::intake intake})
  protocols/Datafiable
  (datafy [_] {:kind :intake
               :of (str intake)
               :closed? (.isClosed intake)
               :error (.cause intake)})
  Object
  (toString [_] (str intake)))

(deftype OutletChannel [^Outlet outlet convert]
  impl/WritePort
  (put! [_ value handler]
    (when (nil? value)
      (throw (IllegalArgumentException. "sink: the value is nil, which no channel takes")))
    (boxed boolean (.put outlet (convert value) ^Request (HandlerRequest. handler boolean))))
  impl/Channel
  (close! [_] (.close outlet))
  (closed? [_] (.isClosed outlet))
  IMeta
  (meta [_] {::outlet outlet})
  protocols/Datafiable
  (datafy [_] {:kind :outlet
               :of (str outlet)
               :closed? (.isClosed outlet)
               :error (.cause outlet)})
  Object
  (toString [_] (str outlet)))

(defmethod print-method IntakeChannel [x ^Writer w] (.write w (str x)))
(defmethod print-method OutletChannel [x ^Writer w] (.write w (str x)))
