(ns parley.http
  "A small HTTP client: fetch a text, fetch bytes, upload a file. CLISP's example of Lisp HTTP clients, made
  to work with the servers of today. The example word for word is dev/examples/http.clj.

  Each function takes a host, a page (the path, with its query), a file, and after those a port (default
  80) and options:

    :port      the same as the positional one
    :timeout   seconds for connecting, and for each wait for the server, default 60; nil: for ever
    :progress  a function of a map with :done and :total (nil when the server does not tell), called as
               bytes come or go
    :version   \"1.1\", the default, or \"1.0\"
    :headers   a map of more header lines, strings to strings

  and returns a map of :status, :reason, :headers (names in lower case; repeated ones joined by \", \") and
  :length, the bytes of the body. What is fetched goes to a file beside `file` and becomes `file` when all
  of it has come. No TLS; nothing is followed, cached or kept.

  Errors: clojure.lang.ExceptionInfo for a status other than 2xx, its data being the map above with
  :kind :http-status, :body (the beginning of it) and :location of a redirect; java.io.EOFException when
  the answer is cut off; java.net.ProtocolException when it is not HTTP; before anything is sent,
  IllegalArgumentException for arguments, a directory as the file among them, and
  java.nio.file.NoSuchFileException for a file that cannot be read or made; else as parley.socket/socket-connect
  and parley.stream say."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [parley.impl.options :as options]
   [parley.socket :as socket]
   [parley.stream :as stream])
  (:import
   (java.io EOFException File IOException InputStream InputStreamReader OutputStream)
   (java.net ProtocolException)
   (java.nio.charset Charset IllegalCharsetNameException StandardCharsets UnsupportedCharsetException)
   (java.nio.file CopyOption Files NoSuchFileException Path StandardCopyOption)
   (java.nio.file.attribute FileAttribute)
   (parley.net SocketStream)))

(set! *warn-on-reflection* true)

(def ^:private block 65536)
(def ^:private most-headers 256)

;; ---- arguments ----------------------------------------------------------------------------------

(def ^:private known #{:port :timeout :progress :version :headers :head})

(defn- check-text [op what ^String text ok expected]
  (when-not (and (string? text) (re-matches ok text))
    (throw (options/misuse op (str what " is " (options/show text)) expected))))

(defn- arguments
  "The map of what a function was called with, checked."
  [op host page file more]
  (let [[port opts] (if (and (seq more) (or (nil? (first more)) (int? (first more))))
                      [(first more) (rest more)]
                      [nil more])
        {:keys [version headers progress]
         :as all} (merge {:timeout 60
                          :version "1.1"}
                    (options/option-map op known opts))]
    (check-text op "the host" host #"[^\s/\p{Cntrl}]+" "a host name or an address, without a scheme or a path")
    (check-text op "the page" page #"/[^\s\p{Cntrl}]*" "a path that begins with / and has no spaces (write %20)")
    (options/choose op ":version" {"1.1" :keep
                                   "1.0" :keep} version)
    (when-not (or (nil? progress) (ifn? progress))
      (throw (options/misuse op (str ":progress is " (options/show progress)) "a function of a map")))
    (when-not (or (nil? headers) (map? headers))
      (throw (options/misuse op (str ":headers is " (options/show headers)) "a map of strings to strings")))
    (doseq [[k v] headers]
      (check-text op "a header's name" k #"[\w!#$%&'*+.^`|~-]+" "a token, as a string")
      (check-text op (str "the header " k) v #"[^\p{Cntrl}]*" "a string without line ends"))
    (when-not (or (string? file) (instance? File file) (instance? Path file))
      (throw (options/misuse op (str "the file is " (options/show file)) "a path, as a string, a File or a Path")))
    (assoc all
      :op op
      :host host
      :page page
      :file (if (instance? Path file) (.toFile ^Path file) (io/file file))
      :port (or port (:port all) 80)
      :progress (or progress (fn [_])))))

(defn- url [{:keys [host port page]}]
  (let [host (if (str/includes? host ":") (str "[" host "]") host)]
    (str "http://" host (when-not (= 80 port) (str ":" port)) page)))

(defn- explain [{:keys [op]
                 :as call} & parts]
  (apply str op ": " (url call) ": " parts))

;; ---- the request --------------------------------------------------------------------------------

(defn- connect ^SocketStream [{:keys [host port timeout]}]
  (doto (socket/socket-connect port host
          :timeout timeout
          :element-type :bivalent
          ;; HTTP requires the :dos line terminator
          :external-format {:charset :iso-8859-1
                            :line-terminator :dos}
          :line-limit block)
    (stream/set-read-timeout! timeout)
    (stream/set-write-timeout! timeout)))

(defn- send-head [s {:keys [page version headers]
                     :as call} method more]
  (stream/write-line (str method " " page " HTTP/" version) s)
  (doseq [[k v] (concat {"Host" (second (re-matches #"http://([^/]*).*" (url call)))
                         "User-Agent" "parley"
                         "Accept-Encoding" "identity"
                         "Connection" "close"}
                  more headers)]
    (stream/write-line (str k ": " v) s))
  (stream/terpri s))

;; ---- the answer ---------------------------------------------------------------------------------

(defn- next-line [s call]
  (let [[line cut?] (stream/read-line-values s nil nil)]
    (when (or (nil? line) cut?)
      (throw (EOFException. (explain call "the server closed the connection within the head of its answer"))))
    line))

(defn- header [call line]
  (let [[_ name value] (or (re-matches #"([^\s:]+):[ \t]*(.*?)[ \t]*" line)
                           (throw (ProtocolException. (explain call "not a header: " (options/show line)))))]
    [(str/lower-case name) value]))

(defn- read-headers [s call]
  (loop [headers {}
         left most-headers]
    (let [line (next-line s call)]
      (cond
        (= "" line) headers
        (zero? (long left)) (throw (ProtocolException. (explain call "more than " most-headers " headers")))
        :else (let [[name value] (header call line)]
                (recur (update headers name #(if % (str % ", " value) value)) (dec (long left))))))))

(defn- read-head
  "The final status and its headers; answers of 1xx come before."
  [s call]
  (let [line (next-line s call)
        [_ status reason] (or (re-matches #"HTTP/1\.[01] (\d{3})(?: (.*))?" line)
                              (throw (ProtocolException.
                                       (explain call "not an answer in HTTP/1: " (options/show line)))))
        headers (read-headers s call)]
    (if (str/starts-with? status "1")
      (recur s call)
      {:status (parse-long status)
       :reason (or reason "")
       :headers headers})))

(defn- content-length [call {:keys [headers]}]
  (when-let [text (get headers "content-length")]
    (let [all (distinct (str/split text #", *"))]
      (or (when (and (= 1 (count all)) (re-matches #"\d{1,18}" (first all)))
            (parse-long (first all)))
          (throw (ProtocolException. (explain call "Content-Length: " (options/show text))))))))

(defn- take-bytes
  "Reads up to n bytes: how many came, -1 at the end."
  ^long [s ^bytes into offset n]
  (let [end (long (stream/read-byte-sequence into s :start offset :end (+ (long offset) (long n)) :interactive true))
        got (- end (long offset))]
    (if (zero? got) -1 got)))

(defn- cut [call done total]
  (EOFException. (explain call "the answer was cut off after " done
                   (if total (str " of " total " bytes") " bytes, before its last chunk"))))

(defn- sized
  "A filler for a body of a known length: a function of array, offset and length that gives the number of
  bytes, -1 at the end."
  [s call total]
  (let [done (volatile! 0)]
    (fn [into offset n]
      (let [left (- (long total) (long @done))]
        (if (zero? left)
          -1
          (let [got (take-bytes s into offset (min left (long n)))]
            (when (neg? got)
              (throw (cut call @done total)))
            (vswap! done + got)
            got))))))

(defn- chunk-size [s call]
  (let [line (or (stream/read-line s nil nil) "")
        [_ digits] (re-matches #"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?" line)]
    (cond
      digits (Long/parseLong digits 16)
      (= "" line) nil
      :else (throw (ProtocolException. (explain call "not the size of a chunk: " (options/show line)))))))

(defn- chunked
  "A filler for a body in chunks."
  [s call]
  (let [done (volatile! 0)
        left (volatile! 0)
        over (volatile! false)
        next-chunk (fn []
                     (let [size (or (chunk-size s call) (throw (cut call @done nil)))]
                       (if (zero? (long size))
                         (do (read-headers s call) (vreset! over true))
                         (vreset! left size))))]
    (fn [into offset n]
      (when (and (zero? (long @left)) (not @over))
        (next-chunk))
      (if @over
        -1
        (let [got (take-bytes s into offset (min (long @left) (long n)))]
          (when (neg? got)
            (throw (cut call @done nil)))
          (vswap! done + got)
          (when (zero? (long (vswap! left - got)))
            (when-not (= "" (stream/read-line s nil nil))
              (throw (cut call @done nil))))
          got)))))

(defn- filler [s call {:keys [status headers]
                       :as head}]
  (let [coding (get headers "transfer-encoding")
        total (content-length call head)]
    (cond
      (contains? #{204 304} status) (constantly -1)
      (= "chunked" (some-> coding str/lower-case)) (chunked s call)
      coding (throw (ProtocolException. (explain call "Transfer-Encoding: " (options/show coding))))
      total (sized s call total)
      :else (fn [into offset n] (take-bytes s into offset n)))))

(defn- body
  "The body of an answer as an InputStream that reports its progress."
  ^InputStream [s {:keys [progress]
                   :as call} head]
  (let [fill (filler s call head)
        total (when-not (get-in head [:headers "transfer-encoding"]) (content-length call head))
        done (volatile! 0)
        fill (fn [into offset n]
               (let [got (long (fill into offset n))]
                 (when (pos? got)
                   (progress {:done (vswap! done + got)
                              :total total}))
                 (int got)))]
    (proxy [InputStream] []
      (read
        ([] (let [one (byte-array 1)]
              (int (if (neg? (int (fill one 0 1))) -1 (bit-and 0xff (aget one 0))))))
        ([into] (fill into 0 (alength ^bytes into)))
        ([into offset n] (if (zero? (int n)) (int 0) (fill into offset n)))))))

;; ---- statuses -----------------------------------------------------------------------------------

(defn- beginning [^InputStream body]
  (String. (.readNBytes body 2000) StandardCharsets/UTF_8))

(defn- refuse-status
  "An error that tells what the server said."
  [s call {:keys [status reason headers]
           :as head}]
  (let [location (get headers "location")]
    (throw
      (ex-info (explain call "the server says " status " " reason
                 (when (and location (<= 300 (long status) 399))
                   (str ", to be found at " location "; redirects are not followed: ask there")))
        (assoc head
          :kind :http-status
          :location location
          :body (try (beginning (body s (assoc call :progress (fn [_])) head))
                     (catch IOException e (str e))))))))

(defn- answer
  "The head of a good answer."
  [s call]
  (let [{:keys [status]
         :as head} (read-head s call)]
    (if (<= 200 (long status) 299)
      head
      (refuse-status s call head))))

;; ---- fetching -----------------------------------------------------------------------------------

(defn- temporary
  "A new file beside a file, with the mode that new files of this process have."
  ^Path [^File file]
  (let [target (.toPath (.getAbsoluteFile file))]
    (Files/createFile (.resolveSibling target (str (.getFileName target) "." (random-uuid) ".part"))
      (make-array FileAttribute 0))))

(defn- check-target
  "Refuses, before anything is asked for, where no file can be made."
  [{:keys [op ^File file]}]
  (let [directory (.getParentFile (.getAbsoluteFile file))]
    (when (or (.isDirectory file) (nil? directory))
      (throw (options/misuse op (str "the file " file " is a directory") "the name of a file")))
    (when-not (.isDirectory directory)
      (throw (NoSuchFileException. (str directory) nil (str op ": there is no such directory for the file " file))))))

(defn- write-whole
  "Has `write` write to a file beside `file`, which becomes `file` when that succeeds."
  [^File file write]
  (let [part (temporary file)]
    (try
      (with-open [out (Files/newOutputStream part (make-array java.nio.file.OpenOption 0))]
        (write out))
      (Files/move part (.toPath (.getAbsoluteFile file))
        (into-array CopyOption [StandardCopyOption/REPLACE_EXISTING]))
      (finally
        (Files/deleteIfExists part)))))

(defn- fetch
  "Asks for a page, has `copy` take head, body and output, and gives the result."
  [{:keys [file]
    :as call} copy]
  (check-target call)
  (socket/with-open-stream [s (connect call)]
    (send-head s call "GET" {})
    (stream/finish-output s)
    (let [head (answer s call)
          length (volatile! 0)
          progress (:progress call)
          counting (assoc call :progress (fn [{:keys [done]
                                               :as p}]
                                           (vreset! length done)
                                           (progress p)))]
      (write-whole file #(copy head (body s counting head) %))
      (assoc head :length @length))))

(defn- charset-of
  "The charset that the server names, UTF-8 when it names none, or none that this JDK has."
  ^Charset [{:keys [headers]}]
  (let [[_ name] (re-find #"(?i)charset=\"?([^\s;\"]+)" (get headers "content-type" ""))]
    (try
      (if name (Charset/forName name) StandardCharsets/UTF_8)
      (catch IllegalCharsetNameException _ StandardCharsets/UTF_8)
      (catch UnsupportedCharsetException _ StandardCharsets/UTF_8))))

(defn- copy-lines [^java.io.BufferedReader in ^java.io.Writer out]
  (loop []
    (when-let [line (.readLine in)]
      (.write out line)
      (.write out "\n")
      (recur))))

(defn- write-head [^java.io.Writer out {:keys [status reason headers]}]
  (.write out (str "HTTP/1.1 " status " " reason "\n"))
  (doseq [[name value] headers]
    (.write out (str name ": " value "\n")))
  (.write out "\n"))

(defn wget-text
  "Fetches a text and writes it to a file in UTF-8, each line ended by a newline, as the chapter's example
  does: \"the whole thing - header+data\"; with :head nil, the data only. See the namespace for the
  arguments, the result and the errors."
  [host page file & port-and-options]
  (let [{:keys [head]
         :or {head true}
         :as call} (arguments "wget-text" host page file port-and-options)]
    (fetch call
      (fn [answered ^InputStream body ^OutputStream file]
        (let [out (io/writer file :encoding "UTF-8")]
          (when head
            (write-head out answered))
          (copy-lines (java.io.BufferedReader. (InputStreamReader. body (charset-of answered))) out)
          (.flush ^java.io.Writer out))))))

(defn wget-binary
  "Fetches bytes and writes them to a file. See the namespace for the arguments, the result and the errors."
  [host page file & port-and-options]
  (fetch (arguments "wget-binary" host page file port-and-options)
    (fn [_ ^InputStream body ^OutputStream out]
      (io/copy body out :buffer-size block))))

;; ---- uploading ----------------------------------------------------------------------------------

(defn- size
  "The bytes of the file to upload."
  ^long [{:keys [op ^File file]}]
  (when-not (.exists file)
    (throw (NoSuchFileException. (str file) nil (str op ": there is no such file to upload"))))
  (when (.isDirectory file)
    (throw (options/misuse op (str "the file " file " is a directory") "a file to upload")))
  (Files/size (.toPath file)))

(defn- send-file [s {:keys [^File file progress]} total]
  (with-open [in (io/input-stream file)]
    (let [bytes (byte-array block)]
      (loop [done 0]
        (let [n (.read in bytes)]
          (when (pos? n)
            (stream/write-byte-sequence bytes s :end n)
            (progress {:done (+ done n)
                       :total total})
            (recur (+ done n))))))
    (stream/finish-output s)))

(defn- upload
  "Sends the file. A server may answer before it has all, and close: its answer says why, if it comes."
  [s call total]
  (try
    (send-file s call total)
    nil
    (catch IOException e
      e)))

(defn wput
  "Uploads a file by PUT. The result has the answer's text under :body. See the namespace for the
  arguments and the errors."
  [host page file & port-and-options]
  (let [call (arguments "wput" host page file port-and-options)
        total (size call)]
    (socket/with-open-stream [s (connect call)]
      (send-head s call "PUT" {"Content-Length" (str total)})
      (let [failure (upload s call total)
            head (try
                   (answer s call)
                   (catch IOException e
                     (throw (or failure e))))]
        (when failure
          (throw failure))
        (let [text (.readAllBytes (body s (assoc call :progress (fn [_])) head))]
          (assoc head
            :length (alength text)
            :body (String. text StandardCharsets/UTF_8)))))))
