(ns parley.status-random-test
  "What socket-status says of any population after any acts is what a blocking probe finds."
  (:require
   [clojure.test :refer [deftest use-fixtures]]
   [clojure.test.check.generators :as gen]
   [clojure.test.check.properties :as prop]
   [clojure.test.check.results :as results]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [leaves-nothing]]
   [parley.testing.random :as random]
   [parley.testing.status-pairs :refer [break! call-with-pairs fill! send! statuses with-pair]])
  (:import
   (java.io IOException)
   (java.nio.channels SelectionKey Selector)
   (java.time Duration)
   (parley.net SocketStream)
   (parley.testing Await)))

(set! *warn-on-reflection* true)

(use-fixtures :each
  (leaves-nothing #(with-pair [ours theirs]
                     (socket/socket-status [ours theirs] 0))))

;; ---- any population, any acts --------------------------------------------------------------------

(def ^:private act
  "Something that one of the two ends of a connection does."
  (gen/frequency
    [[6 (gen/fmap #(vector :send %)
          (gen/elements [[97] [97 98 99] [0xe2 0x82] [0xac] [13] [10] [97 13 10] [0xff]]))]
     [2 (gen/return [:end])]
     [1 (gen/return [:reset])]
     [1 (gen/return [:gone])]
     [2 (gen/return [:fill])]
     [3 (gen/return [:read])]
     [2 (gen/return [:peek])]
     [2 (gen/return [:unread])]
     [1 (gen/return [:shut :input])]
     [1 (gen/return [:shut :output])]
     [1 (gen/return [:type :byte])]
     [1 (gen/return [:type :character])]]))

(def ^:private population
  "For each of some connections: its kind and what happens on it."
  (gen/vector (gen/tuple (gen/elements [:tcp :unix]) (gen/vector act 0 8)) 1 6))

(defn- ignoring-failures
  "What happens on a broken connection may fail; only what status says about it counts."
  [f]
  (try
    (f)
    (catch IOException e e)
    (catch IllegalStateException e e)))

(defn- act! [kind ^SocketStream ours ^SocketStream theirs [what x]]
  (ignoring-failures
    (fn []
      (case what
        :send (apply send! theirs x)
        :end (socket/socket-stream-shutdown theirs :output)
        :reset (if (= :tcp kind) (break! theirs) (.abort theirs))
        :gone (stream/close theirs)
        :fill (fill! ours)
        :read (stream/read-char-no-hang ours false nil)
        :peek (stream/read-char-will-hang? ours)
        :unread (let [c (stream/read-char-no-hang ours false nil)]
                  (when (char? c)
                    (stream/unread-char c ours)))
        :shut (socket/socket-stream-shutdown ours x)
        :type (stream/set-stream-element-type! ours x)))))

(defn- probe-input
  "What a read that may not wait finds."
  [^SocketStream ours]
  (.readTimeout ours Duration/ZERO)
  (try
    (if (= :eof (if (= :character (stream/stream-element-type ours))
                  (stream/read-char ours false :eof)
                  (stream/read-byte ours false :eof)))
      :eof
      :input)
    (catch java.net.SocketTimeoutException _ nil)
    (catch parley.net.ExternalFormat$CodingException _ :input)
    (catch IOException _ :error)))

(defn- probe-output
  "Whether the kernel says that the socket has room; that a byte would still fit does not count."
  [^SocketStream ours]
  (and (stream/output-stream? ours)
       (with-open [selector (Selector/open)]
         (.register (.channel ours) selector SelectionKey/OP_WRITE)
         (pos? (.selectNow selector)))))

(defn- by-the-table [input output?]
  (case input
    nil (when output? :output)
    :input (if output? :io :input)
    :eof (if output? :append :eof)
    :error :error))

(defn- settled
  "The statuses of the streams once they stay the same for five looks."
  [ours]
  (loop [last nil
         same 0]
    (let [now (socket/socket-status ours 0)]
      (cond
        (not= last now) (recur now 0)
        (= same 5) now
        :else (do (Await/pass (Duration/ofMillis 1))
                (recur now (inc same)))))))

(defn- told-and-found
  "[what status says of each by a list, by a set, and what blocking probes find]"
  [population]
  (let [connect (fn connect [specs pairs f]
                  (if-let [[[kind acts] & more] (seq specs)]
                    (call-with-pairs kind 1 {}
                      (fn [[[ours theirs]]]
                        (connect more (conj pairs [kind acts ours theirs]) f)))
                    (f pairs)))]
    (connect population []
      (fn [pairs]
        (let [ours (mapv #(nth % 2) pairs)]
          (with-open [ss ^java.io.Closeable (apply socket/status-set ours)]
            (doseq [[kind acts ours theirs] pairs
                    each acts]
              (act! kind ours theirs each)
              (socket/socket-status ss 0))
            (let [listed (settled ours)
                  alone (mapv #(socket/socket-status % 0) ours)
                  in-set (mapv #(socket/status-of (socket/socket-status ss 0) %) ours)
                  found (mapv (fn [s]
                                (let [output? (probe-output s)]
                                  (by-the-table (probe-input s) output?)))
                          ours)]
              {:list listed :alone alone :set in-set :found found})))))))

(def ^:private as-probed
  "The property; the result of a failure holds what each way answered."
  (prop/for-all [p population]
    (let [all (told-and-found p)]
      (reify results/Result
        (pass? [_] (apply = (vals all)))
        (result-data [_] all)))))

(deftest the-status-is-what-a-blocking-probe-finds
  (random/holds 100 as-probed))

(deftest ^:nightly what-status-says-is-what-a-blocking-probe-finds-again-and-again
  (random/holds 2000 as-probed))
