(ns parley.async-examples-test
  "The programs of dev/examples that use channels do what they say, and leave nothing open."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is use-fixtures]]
   [examples.chat :as chat]
   [examples.clean-stop :as clean-stop]
   [examples.proxy :as proxy]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io Closeable IOException)
   (parley.net SocketStream)
   (parley.testing Await Leaks Task Threads)))

(set! *warn-on-reflection* true)

(def ^:private patience 20)

(defn- client ^SocketStream [port]
  (doto (socket/socket-connect port "127.0.0.1" :timeout patience)
    (.readTimeout (java.time.Duration/ofSeconds patience))))

(defn- say [s line]
  (stream/write-line line s)
  (stream/finish-output s))

(defn- nothing-left-open
  [f]
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (.close (client (.port server))))
  (let [before (Leaks/snapshot)]
    (f)
    (is (nil? (.assertBack before)))))

(use-fixtures :each nothing-left-open)

(deftest each-example-has-fewer-than-sixty-lines
  (doseq [file ["chat" "proxy" "clean_stop"]]
    (is (< (count (str/split-lines (slurp (io/resource (str "examples/" file ".clj"))))) 60) file)))

(deftest in-the-chat-all-others-read-what-one-says
  (with-open [^Closeable c (chat/start 0)]
    (with-open [anna (client (:port c))]
      (say anna "Anna")
      (Await/until "Anna is known" #(= 1 (count @(:clients c))))
      (with-open [bert (client (:port c))]
        (say bert "Bert")
        (is (= "* Bert joins" (stream/read-line anna)))
        (say anna "hello")
        (is (= "Anna: hello"
               (first (drop-while #(= "* Anna joins" %) (repeatedly #(stream/read-line bert)))))))
      (is (= "* Bert leaves" (stream/read-line anna)))
      (Await/until "Bert is forgotten" #(= 1 (count @(:clients c))))
      (chat/stop c)
      (is (= :gone (try (stream/read-line anna nil :gone) (catch IOException _ :gone)))))))

(defn- summing-server
  "Answers, once a client has ended its output, with the number of characters that it sent."
  [server]
  (.start Threads/PLATFORM "summing"
    (fn []
      (with-open [s (socket/socket-accept server :timeout patience)]
        (let [n (alength (.readAllBytes (.inputStream s)))]
          (say s (str n " characters")))))))

(deftest the-proxy-passes-half-closes-on
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [summing (summing-server server)
          p (proxy/start 0 "127.0.0.1" (.port server))]
      (with-open [s (client (:port p))]
        (dotimes [_ 100] (stream/write-string (apply str (repeat 10000 \x)) s))
        (socket/socket-stream-shutdown s :output)
        (is (= "1000000 characters" (stream/read-line s)))
        (is (nil? (stream/read-line s nil nil))))
      (.await ^Task summing)
      (proxy/stop p))))

(deftest the-proxy-hangs-up-when-the-server-is-down
  (let [port (with-open [server (socket/socket-server 0 :interface "127.0.0.1")] (.port server))
        p (proxy/start 0 "127.0.0.1" port)]
    (with-open [s (client (:port p))]
      (is (= :gone (try (stream/read-line s nil :gone) (catch IOException _ :gone)))))
    (proxy/stop p)))

(defn- await-taken
  "Waits until the requests of n clients are under way."
  [s n]
  (Await/until "the requests were taken" #(= n (long @(:unfinished s)))))

(deftest a-server-stops-cleanly
  (let [s (clean-stop/start 0 10)]
    (with-open [idle (client (:port s))
                busy (client (:port s))]
      (say idle "0")
      (is (= "done" (stream/read-line idle)))
      (say busy "300")
      (await-taken s 1)
      (is (true? (clean-stop/stop s)))
      (is (nil? (stream/read-line idle nil nil)))
      (is (= "done" (stream/read-line busy)))
      (is (nil? (stream/read-line busy nil nil)))
      (is (thrown? IOException (client (:port s)))))))

(deftest a-server-that-stops-does-not-wait-for-ever
  (let [s (clean-stop/start 0 0.05)]
    (with-open [busy (client (:port s))]
      (say busy "60000")
      (await-taken s 1)
      (is (false? (clean-stop/stop s)))
      (is (= :gone (try (stream/read-line busy nil :gone) (catch IOException _ :gone)))))))
