(ns bench.tls
  "Clients under TLS: streams of Parley, SSLSocket, and Netty's SslHandler with the engine of the JDK, all of one
  server in a second process. Contenders take turns."
  (:require
   [bench.jmh :as jmh])
  (:import
   (java.io Closeable)
   (java.lang.reflect Constructor Method RecordComponent)))

(set! *warn-on-reflection* true)

(def contenders
  "The names of the contenders."
  ["PARLEY" "JDK" "NETTY"])

(def operations
  "What is measured: the method of parley.bench.Tls, its arguments after the contender, and what it is called on the page."
  [["in" [1000] "receive 64 KiB"]
   ["out" [1000] "send 64 KiB"]
   ["pingPong" [20000] "a byte to and fro"]
   ["handshake" [false 40] "a connection with a full handshake"]
   ["handshake" [true 300] "a connection with a resumed session"]])

(defn- lower-quartile [xs]
  (nth (sort xs) (quot (count xs) 4)))

(defn- call [bench name arguments]
  (let [^Method method (first (filter #(= name (.getName ^Method %)) (.getMethods (class bench))))]
    (.invoke method bench (object-array (map #(if (int? %) (int %) %) arguments)))))

(defn- cost
  "The components of a record of what an operation costs."
  [of]
  (into {} (for [^RecordComponent component (.getRecordComponents (class of))]
             [(keyword (.getName component)) (.invoke (.getAccessor component) of (object-array []))])))

(defn- in-turns
  "Contender -> what `measure` returns for it, of each turn."
  [turns measure]
  (let [all (for [_ (range turns)
                  contender contenders]
              [contender (measure contender)])]
    (update-vals (group-by first (doall all)) #(map second %))))

(defn run
  "Returns, for each operation and contender, :wallNanos, :cpuNanos and :allocated, the lower quartile of the
  turns, and the bytes of an idle connection, one turn of many connections: turns differ by 2 %, but with few
  connections what was pooled before hides a part of the cost."
  [{:keys [turns]} progress]
  (jmh/compile!)
  (with-open [bench ^Closeable (.newInstance ^Constructor (.getConstructor (Class/forName "parley.bench.Tls") (make-array Class 0))
                                 (object-array []))]
    {:operations (vec (for [[method arguments label] operations
                            :let [measure #(cost (call bench method (cons % arguments)))]]
                        (do
                          (progress (str "TLS: " label))
                          (in-turns 3 measure) ; to warm up: with fewer round trips the compiler's progress was measured
                          {:label label
                           :costs (update-vals (in-turns (max 5 (quot (long turns) 3)) measure)
                                    (fn [costs]
                                      (into {} (for [k (keys (first costs))]
                                                 [k (lower-quartile (map k costs))]))))})))
     :idle (do
             (progress "TLS: idle connections")
             (update-vals (in-turns 1 #(call bench "idle" [% 2000])) first))}))
