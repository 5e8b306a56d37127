(ns parley.async-end-test
  "How channels end: flushed tells when a sink has written everything, channel-error knows the channels of
  every generation of the library."
  (:require
   [clojure.core.async :as async]
   [clojure.test :refer [deftest is testing]]
   [parley.async :as parley]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.repl :refer [in-child-of-sources]])
  (:import
   (java.io Closeable IOException)))

(set! *warn-on-reflection* true)

(def ^:private patience 10000)

(defn- taken
  "Returns what a channel yields: a value, nil at its end, :nothing when it yields nothing in time."
  [ch]
  (async/alt!! ch ([v] v)
    (async/timeout patience) :nothing))

(defn- nothing-yet? [ch]
  (async/alt!! ch false
    (async/timeout 200) true))

(defn- with-pair [f]
  (with-open [^Closeable server (socket/socket-server 0 :interface "127.0.0.1")
              ours (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" :element-type :bivalent)
              theirs (socket/socket-accept server :timeout 10 :element-type :bivalent)]
    (stream/set-read-timeout! theirs 10)
    (f ours theirs)))

(def ^:private plenty
  "Bytes that no system takes at once."
  16000000)

(defn- read-all
  "Returns how many bytes come until the end, or `n` of them."
  [s n]
  (let [bytes (byte-array 65536)]
    (loop [got 0]
      (let [i (long (stream/read-byte-sequence bytes s :interactive true))]
        (if (or (zero? i) (<= (long n) (+ got i)))
          (+ got i)
          (recur (+ got i)))))))

(deftest flushed-closes-when-everything-was-handed-over
  (doseq [ending [nil :shutdown :close]]
    (testing ending
      (with-pair
        (fn [ours theirs]
          (let [ch (parley/sink ours :bytes :when-closed ending)
                flushed (parley/flushed ch)]
            (is (true? (async/>!! ch (byte-array plenty))))
            (is (nothing-yet? flushed) "the sink is open")
            (async/close! ch)
            (is (nothing-yet? flushed) "the peer reads nothing")
            (is (= plenty (read-all theirs plenty)))
            (is (nil? (taken flushed)))
            (is (= (= :close ending) (not (stream/open-stream? ours))))
            (is (nil? (taken (parley/flushed ch))) "asked later")))))))

(deftest flushed-of-a-sink-that-has-nothing-to-write-closes-at-once
  (with-pair
    (fn [ours _]
      (let [ch (parley/sink ours :line)]
        (async/close! ch)
        (is (nil? (taken (parley/flushed ch))))))))

(deftest flushed-yields-why-something-was-lost
  (testing "a peer that is gone"
    (with-pair
      (fn [ours theirs]
        (let [ch (parley/sink ours :bytes)]
          (is (true? (async/>!! ch (byte-array plenty))))
          (async/close! ch)
          (stream/close theirs :abort true)
          (is (instance? IOException (taken (parley/flushed ch))))))))
  (testing "a stream that was closed meanwhile"
    (with-pair
      (fn [ours _]
        (let [ch (parley/sink ours :bytes)]
          (is (true? (async/>!! ch (byte-array plenty))))
          (async/close! ch)
          (stream/close ours :abort true)
          (is (instance? Throwable (taken (parley/flushed ch)))))))))

(deftest flushed-is-of-sinks
  (with-pair
    (fn [ours _]
      (doseq [x [nil (async/chan) (parley/elements ours :line) ours]]
        (is (thrown-with-msg? IllegalArgumentException #"^flushed: the channel is .*, expected one that sink returned"
              (parley/flushed x)))))))

(deftest ^:nightly channels-of-every-generation-are-known
  (with-open [child (in-child-of-sources
                      '(do
                         (require '[parley.async :as parley] '[parley.socket :as socket])
                         (let [server (socket/socket-server 0 :interface "127.0.0.1")
                               c (socket/socket-connect (.port server) "127.0.0.1")
                               old (parley/elements c :line)
                               known (fn []
                                       (let [known? (resolve 'parley.async/channel-error)]
                                         (map #(try (nil? (known? %)) (catch IllegalArgumentException _ :unknown))
                                           [old ((resolve 'parley.async/elements) c :line)
                                            ((resolve 'parley.async/sink) c :line)])))]
                           (println "before" (known))
                           (require 'parley.async :reload)
                           (println "reload" (known))
                           (require 'parley.impl.async 'parley.async :reload)
                           (println "both" (known))
                           (require 'parley.async :reload-all)
                           (println "all" (known))
                           (System/exit 0))))]
    (doseq [generation ["before" "reload" "both" "all"]]
      (is (= "(true true true)" (.answer child generation)) generation))))
