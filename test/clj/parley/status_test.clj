(ns parley.status-test
  "socket-status of one object, of a list and of a status set: the whole table, for TCP and Unix-domain."
  (:require
   [clojure.datafy :refer [datafy]]
   [clojure.java.io :as io]
   [clojure.test :refer [deftest is use-fixtures]]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.testing.calls :refer [in-thread leaves-nothing]]
   [parley.testing.status-pairs :refer [break! call-with-pairs fill! patience send! server-of statuses with-pair]])
  (:import
   (java.io IOException)
   (java.nio.channels AsynchronousCloseException SelectableChannel SocketChannel)
   (java.time Duration)
   (parley.testing Await Blocked TemporaryPaths)))

(set! *warn-on-reflection* true)

;; ---- two ends ------------------------------------------------------------------------------------

(use-fixtures :each
  (leaves-nothing #(with-pair [ours theirs]
                     (socket/socket-status [ours theirs] 0))))

(defn- say [theirs ^String text]
  (apply send! theirs (.getBytes text "UTF-8")))

(defn- status-is
  "Whether all ways of asking come to agree on the expected status, and then agree again."
  [expected object direction]
  (Await/holds (Duration/ofSeconds patience) #(= [expected] (statuses object direction 0)))
  (and (is (= [expected] (statuses object direction 0)))
       (is (= [expected] (statuses object direction (if (nil? expected) 0 nil))))))

;; ---- the table -----------------------------------------------------------------------------------

(deftest sta-2-input-would-block-and-output-is-possible
  (with-pair [ours _]
    (status-is :output ours :io)
    (status-is nil ours :input)
    (status-is :output ours :output)))

(deftest sta-2-input-available
  (with-pair [ours theirs]
    (say theirs "x")
    (status-is :io ours :io)
    (status-is :input ours :input)
    (status-is :output ours :output)
    (is (= \x (stream/read-char ours)))
    (status-is :output ours :io)))

(deftest sta-2-the-end-of-the-input
  (with-pair [ours theirs]
    (say theirs "x")
    (socket/socket-stream-shutdown theirs :output)
    (status-is :io ours :io)
    (is (= \x (stream/read-char ours)))
    (status-is :append ours :io)
    (status-is :eof ours :input)
    (status-is :output ours :output)))

(deftest sta-2-output-would-block
  (with-pair [ours theirs]
    (fill! ours)
    (status-is nil ours :io)
    (status-is nil ours :output)
    (say theirs "x")
    (status-is :input ours :io)
    (stream/read-char ours)
    (socket/socket-stream-shutdown theirs :output)
    (status-is :eof ours :io)))

(deftest what-this-side-shut-down-contributes-nothing
  (with-pair [ours theirs]
    (say theirs "x")
    (socket/socket-stream-shutdown ours :output)
    (status-is nil ours :output)
    (status-is :input ours :io)
    (socket/socket-stream-shutdown ours :input)
    (status-is :eof ours :input)
    (status-is :eof ours :io))
  (with-pair [ours _]
    (socket/socket-stream-shutdown ours :input)
    (status-is :append ours :io)
    (status-is :eof ours :input)
    (status-is :output ours :output)))

(deftest a-reset-is-an-error-that-stays
  (call-with-pairs :tcp 2 {}
    (fn [[[broken theirs] [fine _]]]
      (break! theirs)
      (status-is :error broken :input)
      (status-is :error broken :io)
      (status-is :error broken :output)
      (is (= [:error :output] (socket/socket-status [broken fine] 0)))
      (is (= [[:error nil] 1] (socket/socket-status-values [broken [fine :input]])))
      (is (= :econnreset (socket/os-error-code (socket/stream-error broken))))
      (is (nil? (socket/stream-error fine))))))

(deftest sta-1-a-server-is-true-while-a-connection-waits
  (doseq [kind [:tcp :unix]]
    (let [directory (TemporaryPaths/directory)
          [server connect] (server-of kind directory)]
      (is (nil? (socket/socket-status server 0)))
      (is (nil? (socket/socket-wait server 0)))
      (is (= [[nil] 0] (socket/socket-status-values [server] 0)))
      (with-open [client ^java.io.Closeable (connect {})]
        (status-is true server :io)
        (status-is true server :input)
        (is (true? (socket/socket-wait server)))
        (is (true? (socket/socket-wait server 1 500000)))
        (is (= [[true :output] 2] (socket/socket-status-values [server client])))
        (.close (socket/socket-accept server))
        (status-is nil server :io))
      (socket/socket-server-close server)
      (run! io/delete-file (reverse (file-seq (.toFile directory)))))))

(deftest a-connection-in-progress-then-refused
  (let [port (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
               (socket/socket-server-port server))]
    (try
      (with-open [s (socket/socket-connect port "127.0.0.1" :timeout 0)]
        (status-is :error s :io)
        (status-is :error s :input)
        (is (= :econnrefused (socket/os-error-code (socket/stream-error s)))))
      (catch IOException e
        (is (= :econnrefused (socket/os-error-code e)) "refused before the call was back")))))

;; ---- elements ------------------------------------------------------------------------------------

(deftest sta-4-part-of-a-character-is-not-input
  (with-pair [ours theirs]
    (send! theirs 0xe2 0x82)
    (is (nil? (socket/socket-status [ours :input] 0.05)))
    (status-is nil ours :input)
    (is (nil? (stream/read-char-no-hang ours)))
    (stream/set-stream-element-type! ours :byte)
    (status-is :input ours :input)
    (stream/set-stream-element-type! ours :character)
    (status-is nil ours :input)
    (send! theirs 0xac)
    (status-is :input ours :input)
    (is (= \€ (stream/read-char ours)))))

(deftest sta-4-part-of-an-integer-is-not-input
  (with-pair [ours theirs :element-type [:unsigned-byte 32]]
    (send! theirs 1 2 3)
    (is (nil? (socket/socket-status [ours :input] 0.05)))
    (send! theirs 4)
    (status-is :input ours :input)
    (is (= 0x04030201 (stream/read-byte ours)))))

(deftest after-a-return-the-stream-has-nothing
  (with-pair [ours theirs]
    (say theirs "a\r")
    (is (= "a" (stream/read-line ours)))
    (status-is nil ours :input)
    (say theirs "\n")
    (is (nil? (socket/socket-status [ours :input] 0.05)) "its other half is no input")
    (say theirs "b")
    (status-is :input ours :input)
    (is (= \b (stream/read-char ours)))))

(deftest sta-3-what-is-in-our-buffer-counts-though-the-socket-is-silent
  (with-pair [ours theirs]
    (say theirs "one\ntwo\nthree")
    (is (= "one" (stream/read-line ours)))
    (status-is :io ours :io)
    (is (= "two" (stream/read-line ours)))
    (status-is :input ours :input)))

(deftest unread-and-peeked-characters-are-input
  (with-pair [ours theirs]
    (say theirs "x")
    (is (= \x (stream/peek-char nil ours)))
    (status-is :io ours :io)
    (is (= \x (stream/read-char ours)))
    (status-is :output ours :io)
    (stream/unread-char \x ours)
    (status-is :io ours :io)
    (is (= \x (stream/read-char ours)))
    (.unread (stream/socket-reader ours) (int \y))
    (status-is :input ours :input)
    (is (= \y (stream/read-char ours)))))

;; ---- lists ---------------------------------------------------------------------------------------

(deftest sta-5-answers-stand-where-the-arguments-stood
  (doseq [kind [:tcp :unix]]
    (call-with-pairs kind 50 {}
      (fn [pairs]
        (let [ours (mapv first pairs)
              ready #{3 4 17 49}]
          (doseq [i ready]
            (say (second (pairs i)) "x"))
          (let [expected (mapv #(when (ready %) :input) (range 50))
                members (map #(vector % :input) ours)]
            (is (Await/holds (Duration/ofSeconds patience)
                  #(= [expected 4] (socket/socket-status-values members 0))))
            (is (= expected (socket/socket-status members)))
            (is (vector? (socket/socket-status members)))
            (is (= (rseq expected) (socket/socket-status (reverse members))))
            (is (= (mapv #(if (ready %) :io :output) (range 50)) (socket/socket-status ours)))))))))

(deftest sta-6-the-same-object-may-stand-in-several-places
  (with-pair [ours theirs]
    (is (= [nil :output :output] (socket/socket-status [[ours :input] [ours :output] ours])))
    (say theirs "x")
    (status-is :io ours :io)
    (is (= [[:input :output :io] 3]
           (socket/socket-status-values [[ours :input] [ours :output] ours])))))

(deftest a-list-that-is-checked-again-is-as-it-is-now
  (with-pair [ours theirs]
    (let [kept [[ours :input] [theirs :input]]
          changing (atom [[ours :input] theirs])
          of-atom #(lazy-seq @changing)
          check (fn [xs] (socket/socket-status xs 0))]
      (is (= [nil nil] (check kept) (check kept)))
      (say theirs "x")
      (status-is :input ours :input)
      (is (= [:input nil] (check kept)))
      (is (= [:input :output] (check (of-atom))))
      (reset! changing [[theirs :input] [ours :input] [ours :output]])
      (is (= [nil :input :output] (check (of-atom))))
      (is (= [:input nil] (check kept)) "another list was checked in between")
      (is (= [:input nil] (check (map #(do (check (conj kept theirs)) %) kept))) "a list that checks a list")
      (is (= \x (stream/read-char ours)))
      (is (= [nil nil] (check kept)))
      (is (thrown? IllegalArgumentException (check [[ours :input] [theirs :sideways]])))
      (is (= [nil nil] (check kept)) "after a mistake")
      (stream/close theirs)
      (dotimes [_ 2]
        (is (thrown? IllegalStateException (check kept)))))))

(deftest sta-6-mistakes-name-the-element
  (with-pair [ours theirs]
    (let [message (fn [x & args]
                    (try
                      (apply socket/socket-status x args)
                      (catch IllegalArgumentException e (.getMessage e))
                      (catch IllegalStateException e (.getMessage e))))]
      (is (re-find #"socket-status: the argument is nil" (message nil 0)))
      (is (re-find #"the argument is \[\]" (message [] 0)))
      (is (re-find #"element 1 is nil" (message [ours nil] 0)))
      (is (re-find #"element 1 is \"x\"" (message (list ours "x") 0)))
      (is (re-find #"direction is :sideways.*:input :io :output" (message [ours :sideways] 0)))
      (is (re-find #"direction of element 1 is :sideways" (message [[ours :input] [ours :sideways]] 0)))
      (is (re-find #"timeout is -1" (message ours -1)))
      (is (re-find #"timeout is -1/3 \(Ratio\)" (message ours -1/3)) "as it was given")
      (is (re-find #"timeout" (message ours Double/NaN)))
      (stream/close theirs)
      (is (re-find #"socket-status: .*closed" (message theirs 0)))
      (is (re-find #"socket-status: .*closed" (message [ours theirs] 0)))
      (is (re-find #"socket-status: .*closed" (message [theirs :input] 0))))))

(deftest sta-7-timeouts
  (with-pair [ours theirs]
    (let [milliseconds (fn [f]
                         (let [start (System/nanoTime)]
                           (f)
                           (quot (- (System/nanoTime) start) 1000000)))]
      (doseq [members [[ours :input] [[ours :input] [ours :input]]]
              [timeout low] [[0 0] [0.1 95] [1/10 95] [[0 100000] 95] [(Duration/ofMillis 100) 95]]]
        (is (<= low (milliseconds #(socket/socket-status members timeout)) (+ low 5000))))
      (is (<= 95 (milliseconds #(socket/socket-status [ours :input] 0 100000)) 5000)))
    (let [[_ waiting] (in-thread #(socket/socket-status-values [[ours :input]]))]
      (say theirs "x")
      (is (= [[:input] 1] (deref waiting 20000 :late))))))

;; ---- other threads -------------------------------------------------------------------------------

(deftest a-check-ends-when-its-object-is-closed-by-another-thread
  (with-pair [ours _]
    (let [[one alone] (in-thread #(socket/socket-status [ours :input]))
          [many listed] (in-thread #(socket/socket-status [[ours :input]]))]
      (Blocked/in ^Thread one "Pollable.status")
      (Blocked/in ^Thread many "StatusSet.check")
      (stream/close ours)
      (is (instance? AsynchronousCloseException (deref alone 20000 :late)))
      (is (= [:error] (deref listed 20000 :late)))))
  (let [server (socket/socket-server 0 :interface "127.0.0.1")
        [thread result] (in-thread #(socket/socket-wait server))]
    (Blocked/in ^Thread thread "Pollable.status")
    (socket/socket-server-close server)
    (is (instance? AsynchronousCloseException (deref result 20000 :late)))))

(deftest an-interrupt-ends-a-check-and-harms-nothing
  (with-pair [ours theirs]
    (doseq [members [[ours :input] [[ours :input]]]]
      (let [flag (promise)
            [thread result] (in-thread #(try
                                          (socket/socket-status members)
                                          (finally (deliver flag (.isInterrupted (Thread/currentThread))))))]
        (Blocked/in ^Thread thread "parley.net.")
        (.interrupt ^Thread thread)
        (is (instance? java.io.InterruptedIOException (deref result 20000 :late)))
        (is (true? @flag))))
    (say theirs "x")
    (status-is :io ours :io)))

(deftest a-blocked-reader-does-not-block-a-check
  (with-pair [ours theirs]
    (let [[reader line] (in-thread #(stream/read-line ours))]
      (Blocked/in ^Thread reader "StreamInput.readLine")
      (is (= [:output] (statuses ours :io 0)))
      (say theirs "half")
      (is (nil? (socket/socket-status [ours :input] 0.05)) "a reader is at it")
      (say theirs "\nmore")
      (is (= "half" (deref line 20000 :late)))
      (status-is :io ours :io))))

;; ---- sets ----------------------------------------------------------------------------------------

(deftest a-status-set-is-counted-reduced-and-asked
  (doseq [kind [:tcp :unix]]
    (call-with-pairs kind 3 {}
      (fn [[[a a'] [b b'] [c _]]]
        (with-open [ss ^java.io.Closeable (socket/status-set [a :input] [b :input])]
          (is (= 2 (count ss)))
          (is (identical? ss (socket/socket-status ss 0)))
          (is (= [ss 0] (socket/socket-status-values ss 0)))
          (is (instance? Long (second (socket/socket-status-values ss 0))))
          (is (instance? Long (second (socket/socket-status-values [[a :input]] 0))))
          (is (nil? (seq ss)))
          (is (= 0 (socket/actionable ss)))
          (is (identical? ss (socket/status-set-add! ss c :output)))
          (is (= 3 (count ss)))
          (is (nil? (socket/status-of ss c)) "added since the last check")
          (say b' "x")
          (Await/until "b has input" #(= 2 (socket/actionable (socket/socket-status ss 0))))
          (is (= {b :input c :output} (into {} ss) (reduce conj {} ss) (into {} (seq ss))))
          (is (= [nil :input :output] (map #(socket/status-of ss %) [a b c])))
          (is (= 1 (reduce (fn [_ _] (reduced 1)) 0 ss)))
          (is (= #{b :input c :output} (set (reduce into ss))) "without an initial value, too")
          (let [seen (atom #{})]
            (run! (fn [[object status]]
                    (swap! seen conj status)
                    (socket/status-set-remove! ss object))
              ss)
            (is (= #{:input :output} @seen))
            (is (= 1 (count ss))))
          (is (thrown? IllegalArgumentException (socket/status-of ss b)))
          (say a' "y")
          (is (= [[a :input]] (seq (socket/socket-status ss patience))))
          (is (= {:kind :status-set :size 1 :actionable 1 :open? true} (dissoc (datafy ss) :members)))
          (is (= "#<status-set of 1, 1 actionable>" (pr-str ss)))
          (stream/close a)
          (is (= [[a :error]] (seq (socket/socket-status ss))) "reported once")
          (is (= 0 (count ss)))
          (is (thrown? IllegalStateException (socket/socket-status ss)) "would never return")
          (.close ss)
          (is (thrown-with-msg? IllegalStateException #"socket-status: the status set is closed"
                (socket/socket-status ss 0)))
          (is (stream/open-stream? b)))))))

(deftest foreign-channels-are-members-too
  (with-pair [ours _]
    (let [directory (TemporaryPaths/directory)
          [server _] (server-of :tcp directory)
          channel (doto (SocketChannel/open
                          (java.net.InetSocketAddress. "127.0.0.1" (int (socket/socket-server-port server))))
                    (.configureBlocking false))
          other (socket/socket-accept server :timeout patience)]
      (is (= :output (socket/socket-status channel 0)))
      (is (= [:output nil] (socket/socket-status [channel [ours :input]])))
      (stream/write-char \x other)
      (stream/force-output other)
      (is (= [:input nil] (socket/socket-status [[channel :input] [ours :input]] patience)))
      (is (not (.isRegistered ^SelectableChannel channel)) "a list leaves nothing registered")
      (with-open [ss ^java.io.Closeable (socket/status-set [channel :input] [ours :input])]
        (is (= [[channel :input]] (seq (socket/socket-status ss patience))))
        (is (= :input (socket/status-of ss channel)))
        (is (= 1 (count (socket/status-set-remove! ss channel)))))
      (.configureBlocking channel true)
      (is (thrown-with-msg? IllegalArgumentException #"blocking mode" (socket/socket-status channel 0)))
      (.close channel)
      (stream/close other)
      (socket/socket-server-close server)
      (io/delete-file (.toFile directory)))))

(deftest a-set-lists-its-members
  (with-pair [a b]
    (with-open [^java.io.Closeable ss (socket/status-set [a :input])]
      (is (identical? ss (socket/status-set-add! ss b)))
      (is (= {a :input b :io} (into {} (socket/status-set-members ss))))
      (is (every? vector? (socket/status-set-members ss)))
      (let [pairs (vec (repeatedly 10 stream/stream-pair))]
        (run! #(socket/status-set-add! ss %) (flatten pairs))
        (is (= (into [[a :input] [b :io]] (map #(vector % :io)) (flatten pairs)) (socket/status-set-members ss)))
        (run! stream/close (flatten pairs))
        (socket/socket-status ss 0))
      (is (= {a :input b :io} (into {} (:members (clojure.datafy/datafy ss)))))
      (socket/status-set-add! ss a :output)
      (socket/status-set-remove! ss b)
      (is (= [[a :output]] (socket/status-set-members ss)))
      (.close ss)
      (is (thrown-with-msg? IllegalStateException #"^status-set-members: .*closed" (socket/status-set-members ss)))
      (is (= {:kind :status-set :open? false} (select-keys (clojure.datafy/datafy ss) [:kind :open? :members])))))
  (is (thrown-with-msg? IllegalArgumentException #"^status-set-members: the set is 5 \(Long\), expected a status set, .*"
        (socket/status-set-members 5))))

(deftest a-set-stays-one-with-any-metadata
  (with-pair [a _]
    (with-open [^java.io.Closeable ss (socket/status-set [a :output])]
      (doseq [other [(with-meta ss {:name "mine"}) (with-meta ss nil) (vary-meta ss assoc :x 1)]]
        (is (identical? other (socket/socket-status other 0)))
        (is (= 1 (socket/actionable other) (count other)))
        (is (= "#<status-set of 1, 1 actionable>" (pr-str other)))))))
