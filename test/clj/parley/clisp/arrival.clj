(ns parley.clisp.arrival
  "Waits until everything that was sent between two streams of this process has arrived, so that
  what a script observes next is certain. The kernel counts for both ends of a connection, and
  tells by getsockopt(2), option TCP_INFO (see struct tcp_info in linux/tcp.h)."
  (:require
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (com.sun.jna Function Memory)
   (com.sun.jna.ptr IntByReference)))

(set! *warn-on-reflection* true)

(def ^:private getsockopt
  (delay (Function/getFunction "c" "getsockopt")))

(def ^:private tcp 6)
(def ^:private tcp-info-option 11)
(def ^:private size 216)

(defn- tcp-info
  [s]
  (let [info (Memory. size)
        arguments (object-array [(int (first (socket/stream-handles s)))
                                 (int tcp)
                                 (int tcp-info-option)
                                 info
                                 (IntByReference. size)])]
    (when-not (zero? (.invokeInt ^Function @getsockopt arguments))
      (throw (AssertionError. (str "arrival: no TCP_INFO of " s))))
    {:state (.getByte info 0)
     :not-sent (.getInt info 144)
     ;; Each byte once, whatever was sent again.
     :sent (- (.getLong info 200) (.getLong info 208))
     :received (.getLong info 128)}))

(defn- arrived?
  "Whether what one end sent, and the end of it, has come to the other."
  [from to]
  (let [sender (when (stream/open-stream? from) (tcp-info from))
        receiver (when (stream/open-stream? to) (tcp-info to))]
    (or (nil? receiver)
        (and (or (nil? sender)
                 (and (zero? (:not-sent sender))
                      (<= (:sent sender) (:received receiver))))
             ;; 1 ESTABLISHED, 4 FIN_WAIT1 and 5 FIN_WAIT2 know of no end of what they receive.
             (or (and sender (#{1 8} (long (:state sender))))
                 (not (#{1 4 5} (long (:state receiver)))))))))

(defn settle
  "Returns when everything sent between the streams of each pair has arrived; an AssertionError
  after five seconds."
  [pairs]
  (let [deadline (+ (System/nanoTime) 5000000000)]
    (while (not (every? (fn [[a b]] (and (arrived? a b) (arrived? b a))) pairs))
      (when (neg? (- deadline (System/nanoTime)))
        (throw (AssertionError. "settle: what was sent did not arrive within 5 seconds")))
      (Thread/onSpinWait))))
