(ns parley.limits-test
  "The limits of a stream as options of the functions that make one, and as getters and setters."
  (:require
   [clojure.test :refer [deftest is testing]]
   [parley.async :as async]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.net InetSocketAddress SocketTimeoutException)
   (java.nio.channels SocketChannel)
   (java.time Duration)
   (parley.net StreamInput$LineTooLongException)))

(set! *warn-on-reflection* true)

(def ^:private limits
  {:read-timeout 1/4 :write-timeout 3 :close-timeout nil :line-limit 5})

(defn- limits-of [s]
  {:read-timeout (stream/read-timeout s)
   :write-timeout (stream/write-timeout s)
   :close-timeout (stream/close-timeout s)
   :line-limit (stream/line-limit s)})

(deftest whatever-makes-a-stream-takes-its-limits
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [port (int (socket/socket-server-port server))
          default (socket/socket-connect port "127.0.0.1")
          connected (socket/socket-connect port "127.0.0.1" limits)
          adopted (socket/socket-stream (SocketChannel/open (InetSocketAddress. "127.0.0.1" port)) limits)
          accepted (socket/socket-accept server limits)
          made (stream/make-stream accepted limits)]
      (socket/with-open-stream [default default
                                connected connected
                                adopted adopted
                                accepted accepted
                                made made]
        (is (= {:read-timeout nil :write-timeout nil :close-timeout 10 :line-limit 16777216} (limits-of default)))
        (doseq [s [connected adopted accepted made]]
          (is (= (assoc limits :read-timeout 0.25) (limits-of s))))))))

(deftest limits-hold
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")
                            a (socket/socket-connect (socket/socket-server-port server) "127.0.0.1" limits)
                            b (socket/socket-accept server)]
    (is (thrown? SocketTimeoutException (stream/read-line a)))
    (stream/write-string "123456" b)
    (stream/force-output b)
    (is (thrown? StreamInput$LineTooLongException (stream/read-line a)))
    (is (nil? (stream/set-line-limit! a 7)))
    (stream/terpri b)
    (stream/force-output b)
    (is (= "123456" (stream/read-line a)))
    (testing "setters take what options take"
      (stream/set-read-timeout! a (Duration/ofMillis 1500))
      (stream/set-write-timeout! a [1 500000])
      (stream/set-close-timeout! a 2)
      (is (= {:read-timeout 1.5 :write-timeout 1.5 :close-timeout 2 :line-limit 7} (limits-of a))))))

(deftest wrong-limits-are-named
  (doseq [[option x] {:read-timeout -1
                      :write-timeout "5"
                      :close-timeout [1]
                      :line-limit 0}]
    (is (thrown-with-msg? IllegalArgumentException (re-pattern (str "^socket-connect: .*" option " is "))
          (socket/socket-connect 1 "127.0.0.1" option x))))
  (socket/with-open-stream [server (socket/socket-server 0 :interface "127.0.0.1")]
    (is (thrown-with-msg? IllegalArgumentException #"^set-line-limit!: the stream is "
          (stream/set-line-limit! server 3)))
    (is (some? (async/connections server limits)) "connections takes them too")))

(deftest a-pair-is-two-connected-streams
  (let [[a b] (stream/stream-pair :element-type :bivalent :read-timeout 20)]
    (socket/with-open-stream [a a
                              b b]
      (stream/write-line "hello" a)
      (stream/write-byte 7 a)
      (stream/force-output a)
      (is (= ["hello" 7] [(stream/read-line b) (stream/read-byte b)]))
      (is (= [20 20] (map stream/read-timeout [a b])))))
  (is (thrown-with-msg? IllegalArgumentException #"^stream-pair: unknown option :timeout" (stream/stream-pair :timeout 1))))
