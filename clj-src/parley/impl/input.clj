(ns parley.impl.input
  "An InputStream made of functions."
  {:no-doc true}
  (:import
   (java.io InputStream)))

(set! *warn-on-reflection* true)

(defn input-stream
  "Returns an InputStream. `fill` is a function of a byte array, an offset and a positive length that
  returns how many bytes it put there, -1 at the end; `available` and `close` are functions of no
  arguments."
  ^InputStream [fill {:keys [available close] :or {available (constantly 0)
                                                   close (fn [])}}]
  (let [fill-part (fn [into offset length]
                    (int (if (zero? (int length)) 0 (fill into offset length))))]
    (proxy [InputStream] []
      (read
        ([] (let [one (byte-array 1)]
              (int (if (neg? (int (fill one 0 1))) -1 (bit-and 0xff (aget one 0))))))
        ([into] (fill-part into 0 (alength ^bytes into)))
        ([into offset length] (fill-part into offset length)))
      (available [] (int (available)))
      (close [] (close)))))
