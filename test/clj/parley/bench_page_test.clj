(ns parley.bench-page-test
  "The page of the benchmark, made of a few invented figures, some of them missing."
  (:require
   [bench.page :as page]
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.test :refer [deftest is]])
  (:import
   (java.nio.file Files)
   (java.nio.file.attribute FileAttribute)))

(set! *warn-on-reflection* true)

(def ^:private conditions
  {:setting "tiny" :jdk "17" :os "Linux" :processors 2 :load-before 0.1 :load-after 0.2})

(defn- operation [contender nanos]
  {:operation "readLine" :contender contender :params {:text "ascii"} :wall-ns nanos :cpu-ns nanos :allocated 0.5 :round 0})

(def ^:private invented
  {"jmh" [(operation :jdk 100.0) (operation :java 50.0)]
   "status" {:single {:input 500.0 :bare 250.0}
             :again {:list 1000.0 :clojure-list 2000.0}
             :rows [{:members 1 :percent 0 :ready 0 :set 600.0 :bare 300.0}
                    {:members 100 :percent 0 :ready 0 :set 700.0 :bare nil}]}
   "channels" {:idle [{:what "stream" :growth [[100 -5] [1000 1500000]] :heap 1500.0 :direct 0.0}
                      {:what "Netty's channel with its pipeline" :growth [[100 200000]] :heap 2000.0 :direct 0.0}
                      {:what "noise" :growth [[100 -200000]] :heap -2000.0 :direct 0.0}]
               :rates [{:connections 9000
                        :contenders [{:what "bare Selector loop" :ratios [[1.0 1.0]] :rate 1000 :cpu 5.0 :client 0.5 :p50 0 :p99 9}
                                     {:what "Netty NIO into channels" :ratios [[0.25 1.0]] :rate nil :cpu nil :p50 nil :p99 nil}
                                     {:what "elements and sink" :ratios [[0.5 2.0]] :rate 500 :cpu 10.0 :p50 3 :p99 9}]}]}
   "tls" {:operations [{:label "send" :costs {"PARLEY" {:wallNanos 3.0} "JDK" {:wallNanos 6.0}}}]
          :idle {"PARLEY" 6000.0 "JDK" nil "NETTY" -1.0}}
   "connections" {:conversation {:parley 2.0e7 :jdk 1.0e7}}
   "serve" {:each {:rss-kib 50.0 :heap-kib -1.0 :threads 1.0}}})

(defn- made
  "The text of the page of the figures, and the series of each plot by its file."
  [figures]
  (let [directory (.toFile (Files/createTempDirectory "parley-page" (make-array FileAttribute 0)))
        figures-directory (io/file directory "figures")
        plots (atom {})]
    (try
      (.mkdirs figures-directory)
      (doseq [[part of] figures]
        (spit (io/file figures-directory (str part ".edn")) (pr-str {:conditions conditions
                                                                     :figures of})))
      (page/write! figures-directory #(swap! plots assoc (.getName (io/file %1)) (:series %2)))
      [(slurp (io/file directory "performance.md")) @plots]
      (finally
        (run! io/delete-file (reverse (file-seq directory)))))))

(deftest the-page-compares-in-words-and-leaves-out-what-was-not-measured
  (let [[text plots] (made invented)]
    (doseq [line ["| read a line of ASCII | `BufferedReader` | Java: **2.00 times** as fast |"
                  "| read a character | `BufferedReader` | not measured |"
                  "| status of the same 480 again, from Clojure | from Java | 0.50 times as fast |"
                  "| … | Netty into channels | **2.00 times** the events a second |"
                  "| memory of an idle accepted stream | Netty's channel with its pipeline | **0.75** of it |"
                  "| noise | – | – |"
                  "| 9000 | Netty NIO into channels | – | **0.25** | – | **1.00** | – | – |"
                  "| open, a line each way, close: `serve` | 20.0 ms | `ServerSocket`, a thread each: 10.0 ms | 2.00 |"
                  "| of heap and direct memory | 6,000 | – | – |"]]
      (is (str/includes? text line)))
    (is (= {"check" [["status set" [[1 0.6] [100 0.7]]] ["Selector.selectNow" [[1 0.3]]]]
            "throughput" [["bare Selector loop" [[9000 1000]]] ["elements and sink" [[9000 500]]]]
            "memory" [["stream" [[1000 (/ 1500000 1048576.0)]]]
                      ["Netty's channel with its pipeline" [[100 (/ 200000 1048576.0)]]]]}
          plots))
    (is (= ["check" "throughput" "memory"] (map second (re-seq #"srcset=\"figures/(\w+)-dark\.svg" text))))))

(deftest a-part-without-figures-is-no-section
  (let [[text plots] (made (select-keys invented ["connections"]))]
    (is (= ["At a glance" "Conversations"] (map second (re-seq #"(?m)^## (.*)$" text))))
    (is (empty? plots))))
