(ns parley.testing.channels
  "What the tests of channels share: taking with a limit, and looking at what the reactor watches."
  (:require
   [clojure.core.async :as a])
  (:import
   (parley.net Reactor)
   (parley.testing Await)))

(set! *warn-on-reflection* true)

(def long-enough
  "How many milliseconds to wait for what must come."
  20000)

(defn taken
  "What comes out of a channel, or :nothing when that takes too long."
  ([ch] (taken ch long-enough))
  ([ch millis]
   (let [[value port] (a/alts!! [ch (a/timeout millis)] :priority true)]
     (if (= port ch) value :nothing))))

(defn later
  "A promise-like channel of what a take that waits gets."
  [ch]
  (let [result (a/promise-chan)]
    (a/take! ch #(a/put! result (if (nil? %) :closed %)))
    result))

(defn watches
  "How many objects the reactor watches."
  []
  (.watches (Reactor/shared)))

(defn await-watches
  "Waits until the reactor watches so many."
  [n]
  (Await/until (str "the reactor watches " n) #(= n (watches))))
