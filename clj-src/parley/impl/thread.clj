(ns parley.impl.thread
  "Threads of servers."
  {:no-doc true}
  (:import
   (java.lang.reflect Method)))

(set! *warn-on-reflection* true)

(def ^:private virtual-since
  "JDK 21 has virtual threads too, but there a reader blocked inside a monitor, as every
  LineNumberingPushbackReader is, occupies one of the few threads that carry them."
  24)

(defn- platform-thread ^Thread [^String name ^Runnable task]
  (doto (Thread. task name)
    (.setDaemon true)))

(def ^:private virtual-thread
  "A function of name and task, or nil where the JDK has none. By reflection: the baseline is JDK 17."
  (when (<= (long virtual-since) (.feature (Runtime/version)))
    (let [no-classes (make-array Class 0)
          builder (Class/forName "java.lang.Thread$Builder")
          of-virtual (.getMethod Thread "ofVirtual" no-classes)
          named (.getMethod builder "name" (into-array Class [String]))
          unstarted (.getMethod builder "unstarted" (into-array Class [Runnable]))
          call (fn [^Method m on & args] (.invoke m on (object-array args)))]
      (fn [name task]
        (call unstarted (call named (call of-virtual nil) name) task)))))

(defn unstarted
  "Returns a thread of a kind, :virtual where the JDK's are fit for it, or :platform; a daemon."
  ^Thread [kind name task]
  (if (and virtual-thread (= :virtual kind))
    (virtual-thread name task)
    (platform-thread name task)))
