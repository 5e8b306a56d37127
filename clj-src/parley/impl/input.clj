(ns parley.impl.input
  "An InputStream made of functions, and a copy of text line by line."
  {:no-doc true}
  (:import
   (java.io InputStream Reader Writer)))

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

(defn copy-lines
  "Copies text, each line ended by a newline; a line need not fit into memory."
  [^Reader in ^Writer out]
  (let [chars (char-array 8192)
        lines (char-array 8192)]
    (loop [last-char 10]
      (let [n (.read in chars)]
        (if (neg? n)
          (when-not (or (= 10 last-char) (= 13 last-char))
            (.write out 10))
          (recur
            (long
              (loop [i 0
                     kept 0
                     last-char last-char]
                (if (= i n)
                  (do (.write out lines 0 kept)
                      last-char)
                  (let [c (long (int (aget chars i)))]
                    (if (and (= 10 c) (= 13 last-char)) ; the return was the line's end
                      (recur (inc i) kept c)
                      (do (aset lines kept (char (if (= 13 c) 10 c)))
                          (recur (inc i) (inc kept) c)))))))))))))
