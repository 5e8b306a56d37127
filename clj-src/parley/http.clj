(ns parley.http
  "A small HTTP client that fetches a text, fetches bytes, or uploads a file: CLISP's example of
  Lisp HTTP clients, for servers of today. dev/examples/http.clj has the example word for word.

  Each function takes a host, a page (path and query), a file, a port (default 80, or 443 with
  :tls), and options:

    :port      the same as the positional port
    :tls       as of parley.socket/socket-connect; default nil, and true with port 443
    :timeout   seconds for the whole call, default 3600; no wait for the server is longer than 60
               seconds; nil: no limit
    :progress  function of a map of :done and :total (nil when unknown), called as bytes are moved
    :version   \"1.1\", the default, or \"1.0\"
    :headers   a map of more header lines, strings to strings

  Each returns a map of :status, :reason, :headers (names in lower case; the values of a repeated one
  joined by commas) and :length, the bytes of the body. A fetched body is written to a file beside
  `file`, which becomes `file` when the body is complete. Redirects are not followed, and nothing is
  cached. The head of a response has at most 256 KiB, and each call needs less than 4 MiB of memory.

  Errors: clojure.lang.ExceptionInfo for a status other than 2xx, with the map above and :kind
  :http-status, :body (the beginning of it) and :location of a redirect. java.io.EOFException when
  the response is cut off. java.net.ProtocolException when it is not HTTP, or its body has a coding
  that was not requested. java.net.SocketTimeoutException. Before anything is sent:
  IllegalArgumentException for arguments, such as a directory as the file, and
  java.nio.file.NoSuchFileException for a file that cannot be read or made. Else as of
  parley.socket/socket-connect and parley.stream."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [parley.impl.input :as input]
   [parley.impl.options :as options])
  (:import
   (java.io EOFException File IOException InputStream InputStreamReader OutputStream Writer)
   (java.net ProtocolException SocketTimeoutException)
   (java.nio.charset Charset StandardCharsets)
   (java.nio.file CopyOption FileSystemException Files NoSuchFileException Path StandardCopyOption)
   (java.nio.file.attribute FileAttribute)
   (java.time Duration)
   (parley.net SocketStream StreamInput$Line StreamInput$LineTooLongException WaitMode)))

(set! *warn-on-reflection* true)

(def ^:private block 65536)
(def ^:private longest-head 262144) ; characters in the heads of a response, those of 1xx included
(def ^:private longest-wait (Duration/ofSeconds 60))
(def ^:private longest-text 1048576) ; bytes of a response that wput returns

;; ---- arguments ----------------------------------------------------------------------------------

(def ^:private known #{:port :tls :timeout :progress :version :headers})

(defn- check-text [op what ^String text ok expected]
  (when-not (and (string? text) (re-matches ok text))
    (throw (options/misuse op (str what " is " (options/show text)) expected))))

(defn- arguments
  "Returns the map of what a function was called with, checked. `known` are the keys of its options."
  [op known host page file more]
  (let [[port opts] (if (and (seq more) (or (nil? (first more)) (int? (first more))))
                      [(first more) (rest more)]
                      [nil more])
        {:keys [version headers progress]
         :as all} (merge {:timeout 3600
                          :version "1.1"}
                    (options/option-map op known opts))
        port (or port (:port all) (if (:tls all) 443 80))]
    (check-text op "the host" host #"[^\s/\p{Cntrl}]+" "a host name or an address, without a scheme or a path")
    (check-text op "the page" page #"/[\x21-\x7e]*"
      "a path that begins with / and is ASCII without spaces (write %20)")
    (options/choose op ":version" {"1.1" :keep
                                   "1.0" :keep} version)
    (options/function op ":progress" progress "a function of a map")
    (when-not (or (nil? headers) (map? headers))
      (throw (options/misuse op (str ":headers is " (options/show headers)) "a map of strings to strings")))
    (doseq [[k v] headers]
      (check-text op "a header's name" k #"[\w!#$%&'*+.^`|~-]+" "a string such as \"Accept\"")
      (check-text op (str "the header " k) v #"[\t\x20-\x7e\xa0-\xff]*" "a string of Latin-1 without line ends"))
    (when-not (or (string? file) (instance? File file) (instance? Path file))
      (throw (options/misuse op (str "the file is " (options/show file)) "a path, as a string, a File or a Path")))
    (assoc all
      :op op
      :host host
      :page page
      :file (if (instance? Path file) (.toFile ^Path file) (io/file file))
      :port (options/port op "the port" port "an integer from 0 to 65535")
      :tls (options/->tls op (:tls all (= 443 port)))
      :timeout (options/seconds op ":timeout" (:timeout all))
      :progress (or progress (fn [_])))))

(defn- authority [{:keys [host port tls]}]
  (str (if (str/includes? host ":") (str "[" host "]") host)
    (when-not (= (if tls 443 80) port) (str ":" port))))

(defn- url [{:keys [tls page]
             :as call}]
  (str (if tls "https" "http") "://" (authority call) page))

(defn- explain [call & parts]
  (apply str (:op call) ": " (url call) ": " parts))

;; ---- the request --------------------------------------------------------------------------------

(defn- wait-time
  "Returns how long one wait may last."
  ^Duration [{:keys [^Duration timeout]}]
  (when timeout
    (if (neg? (.compareTo timeout ^Duration longest-wait)) timeout longest-wait)))

(defn- connect ^SocketStream [{:keys [op ^String host port ^Duration timeout tls]
                               :as call}]
  (let [began (System/nanoTime)
        wait (wait-time call)
        s (SocketStream/connect host (int port)
            (options/->stream-options op {:timeout wait
                                          :tls tls
                                          :element-type :bivalent
                                          ;; HTTP requires the :dos line terminator
                                          :external-format {:charset :iso-8859-1
                                                            :line-terminator :dos}
                                          :line-limit block}))]
    (.readTimeout s wait)
    (.writeTimeout s wait)
    (when timeout
      (let [left (.minusNanos timeout (- (System/nanoTime) began))
            left (if (.isNegative left) Duration/ZERO left)]
        (.readDeadline s left)
        (.writeDeadline s left)))
    s))

(defn- timed-out
  "Returns a timeout in the words of the options: the caller knows of no deadline of a stream."
  [{:keys [timeout]
    :as call} cause]
  (doto (SocketTimeoutException.
          (explain call "timed out; :timeout is " (options/duration->seconds timeout) " s for the whole call, and no wait for the server is longer than 60 s"))
    (.addSuppressed cause)))

(defn- of-file
  "Returns a failure as it is when it names the function, as those of the connection do, else with function and file."
  [{:keys [op file]} did ^IOException e]
  (if (str/starts-with? (str (ex-message e)) (str op ": "))
    e
    (doto (IOException. (str op ": the file " file " cannot be " did ": "
                          (or (if (instance? FileSystemException e) (.getReason ^FileSystemException e) (ex-message e))
                              (.getSimpleName (class e)))))
      (.addSuppressed e))))

(defn- with-connection
  "Calls f with a stream to the server, which is closed afterwards."
  [call f]
  (let [s (connect call)]
    (try
      (let [result (f s)]
        (.close s)
        result)
      (catch Throwable e
        (.abort s)
        (throw (condp instance? e
                 SocketTimeoutException (timed-out call e)
                 StreamInput$LineTooLongException (ProtocolException. (explain call "the response has a line of more than " block " characters"))
                 e))))))

(defn- send-head [^SocketStream s {:keys [page version headers]
                                   :as call} method more]
  (.writeLine (.out s) (str method " " page " HTTP/" version))
  (doseq [[k v] (concat {"Host" (authority call)
                         "User-Agent" "parley"
                         "Accept-Encoding" "identity"
                         "Connection" "close"}
                  more headers)]
    (.writeLine (.out s) (str k ": " v)))
  (.newLine (.out s)))

;; ---- the response -------------------------------------------------------------------------------

(defn- not-http [call & parts]
  (ProtocolException. ^String (apply explain call parts)))

(defn- next-line
  "Returns a line of a head. `left` holds how many characters the heads may still have."
  [^SocketStream s call left]
  (let [line (.readLineValues (.in s))]
    (when (and line (str/starts-with? (.text ^StreamInput$Line line) "\u0015\u0003"))
      (throw (not-http call "the server speaks TLS on this port; pass :tls true, or the port of plain HTTP"))) ; an alert
    (when (or (nil? line) (.missingNewline ^StreamInput$Line line))
      (throw (EOFException. (explain call "the server closed the connection within the head of its response"))))
    (when (neg? (long (vswap! left - 2 (count (.text ^StreamInput$Line line)))))
      (throw (not-http call "the head of its response has more than " longest-head " characters")))
    (.text ^StreamInput$Line line)))

(defn- header [call line]
  (let [[_ name value] (or (re-matches #"([^\s:]+):[ \t]*(.*?)[ \t]*" line)
                           (throw (not-http call "the response has a line that is no header: " (options/show line))))]
    [(options/lower-case name) value]))

(defn- read-headers [s call left]
  (loop [headers {}]
    (let [line (next-line s call left)]
      (if (= "" line)
        (update-vals headers #(str/join ", " %))
        (let [[name value] (header call line)]
          (recur (update headers name (fnil conj []) value)))))))

(defn- read-head
  "Returns the final status and its headers, after responses of 1xx."
  [s call]
  (let [left (volatile! longest-head)]
    (loop []
      (let [line (next-line s call left)
            [_ status reason] (or (re-matches #"HTTP/1\.[01] (\d{3})(?: (.*))?" line)
                                  (throw (not-http call "the first line of the response is not HTTP/1: " (options/show line))))
            headers (read-headers s call left)]
        (if (str/starts-with? status "1")
          (recur)
          {:status (parse-long status)
           :reason (or reason "")
           :headers headers})))))

(defn- content-length [call {:keys [headers]}]
  (when-let [text (get headers "content-length")]
    (let [all (distinct (str/split text #", *"))]
      (or (when (and (= 1 (count all)) (re-matches #"\d{1,18}" (first all)))
            (parse-long (first all)))
          (throw (not-http call "the response has a wrong Content-Length: " (options/show text)))))))

(defn- take-bytes
  "Reads up to n bytes: how many came, -1 at the end."
  [^SocketStream s ^bytes into offset n]
  (let [end (.readBytes (.in s) into (int offset) (int (+ (long offset) (long n))) WaitMode/INTERACTIVE)
        got (- end (long offset))]
    (if (zero? got) -1 got)))

(defn- cut [call done total]
  (EOFException. (explain call "the response was cut off after "
                   (if total (str done " of " (options/counted total "byte")) (str (options/counted done "byte") ", before its last chunk")))))

(defn- sized
  "Returns a filler for a body of a known length: a function of array, offset and length that returns the number of
  bytes, -1 at the end."
  [s call total]
  (let [done (volatile! 0)]
    (fn [into offset n]
      (let [left (- (long total) (long @done))]
        (if (zero? left)
          -1
          (let [got (long (take-bytes s into offset (min left (long n))))]
            (when (neg? got)
              (throw (cut call @done total)))
            (vswap! done + got)
            got))))))

(defn- chunk-size [^SocketStream s call]
  (let [line (or (.readLine (.in s)) "")
        [_ digits] (re-matches #"([0-9a-fA-F]{1,15})[ \t]*(?:;.*)?" line)]
    (cond
      digits (Long/parseLong digits 16)
      (= "" line) nil
      :else (throw (not-http call "the response has a line that is no size of a chunk: " (options/show line))))))

(defn- chunked
  "A filler for a body in chunks."
  [^SocketStream s call]
  (let [done (volatile! 0)
        left (volatile! 0)
        over (volatile! false)
        next-chunk (fn []
                     (let [size (or (chunk-size s call) (throw (cut call @done nil)))]
                       (if (zero? (long size))
                         (do (read-headers s call (volatile! longest-head)) (vreset! over true))
                         (vreset! left size))))]
    (fn [into offset n]
      (when (and (zero? (long @left)) (not @over))
        (next-chunk))
      (if @over
        -1
        (let [got (long (take-bytes s into offset (min (long @left) (long n))))]
          (when (neg? got)
            (throw (cut call @done nil)))
          (vswap! done + got)
          (when (zero? (long (vswap! left - got)))
            (when-not (= "" (.readLine (.in s)))
              (throw (cut call @done nil))))
          got)))))

(defn- filler [s call {:keys [status headers]
                       :as head}]
  (let [coding (get headers "transfer-encoding")
        total (content-length call head)]
    (cond
      (contains? #{204 304} status) (constantly -1)
      (= "chunked" (some-> coding options/lower-case)) (chunked s call)
      coding (throw (not-http call "the response has an unknown Transfer-Encoding: " (options/show coding)))
      total (sized s call total)
      :else (fn [into offset n] (take-bytes s into offset n)))))

(defn- body
  "Returns the body of a response as an InputStream that reports its progress."
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
                 got))]
    (input/input-stream fill {})))

;; ---- statuses -----------------------------------------------------------------------------------

(defn- beginning [^InputStream body]
  (String. (.readNBytes body 2000) StandardCharsets/UTF_8))

(defn- refuse-status
  "Throws an error with the response of the server."
  [s call {:keys [status reason headers]
           :as head}]
  (let [location (get headers "location")]
    (throw
      (ex-info (explain call "the server responded " status " " reason
                 (when (and location (<= 300 (long status) 399))
                   (str ", to be found at " location "; redirects are not followed: request it there")))
        (assoc head
          :kind :http-status
          :location location
          :body (try (beginning (body s (assoc call :progress (fn [_])) head))
                     (catch IOException e (str e))))))))

(defn- check-coding
  "Refuses a body in a coding, since none was asked for."
  [call {:keys [headers]}]
  (let [coding (get headers "content-encoding" "identity")]
    (when-not (= "identity" (options/lower-case coding))
      (throw (not-http call "the response has the Content-Encoding " (options/show coding) ", which was not asked for")))))

(defn- response
  "Returns the head of a successful response."
  [s call]
  (let [{:keys [status]
         :as head} (read-head s call)]
    (if (<= 200 (long status) 299)
      (doto head (->> (check-coding call)))
      (refuse-status s call head))))

;; ---- fetching -----------------------------------------------------------------------------------

(defn- temporary
  "A new file beside a file, with the mode that new files of this process have."
  ^Path [^File file]
  (let [target (.toPath (.getAbsoluteFile file))]
    (Files/createFile (.resolveSibling target (str (.getFileName target) "." (random-uuid) ".part"))
      (make-array FileAttribute 0))))

(defn- check-target
  "Throws, before the request, when the file cannot be made."
  [{:keys [op ^File file]}]
  (let [directory (.getParentFile (.getAbsoluteFile file))]
    (when (or (.isDirectory file) (nil? directory))
      (throw (options/misuse op (str "the file " file " is a directory") "the name of a file")))
    (when-not (.isDirectory directory)
      (throw (NoSuchFileException. (str directory) nil (str op ": there is no such directory for the file " file))))))

(defn- write-whole
  "Has `write` write to a file beside the file of the call, which becomes that when it succeeds."
  [{:keys [^File file]
    :as call} write]
  (try
    (let [part (temporary file)]
      (try
        (with-open [out (Files/newOutputStream part (make-array java.nio.file.OpenOption 0))]
          (write out))
        (Files/move part (.toPath (.getAbsoluteFile file))
          (into-array CopyOption [StandardCopyOption/REPLACE_EXISTING]))
        (finally
          (Files/deleteIfExists part))))
    (catch IOException e
      (throw (of-file call "written" e)))))

(defn- fetch
  "Requests a page, calls `copy` with head, body and output, and returns the result."
  [{:keys [file]
    :as call} copy]
  (check-target call)
  (with-connection call
    (fn [^SocketStream s]
      (send-head s call "GET" {})
      (.flush (.out s))
      (let [head (response s call)
            length (volatile! 0)
            progress (:progress call)
            counting (assoc call :progress (fn [{:keys [done]
                                                 :as p}]
                                             (vreset! length done)
                                             (progress p)))]
        (write-whole call #(copy head (body s counting head) %))
        (assoc head :length @length)))))

(defn- charset-of
  "The charset that the server names, UTF-8 when it names none, or none that this JDK has."
  ^Charset [{:keys [headers]}]
  (let [[_ name] (re-find #"(?i)charset=\"?([^\s;\"]+)" (get headers "content-type" ""))]
    (try
      (if name (Charset/forName name) StandardCharsets/UTF_8)
      (catch IllegalArgumentException _ StandardCharsets/UTF_8))))

(defn- write-head [^Writer out {:keys [status reason headers]}]
  (.write out (str "HTTP/1.1 " status " " reason "\n"))
  (doseq [[name value] headers]
    (.write out (str name ": " value "\n")))
  (.write out "\n"))

(defn wget-text
  "Fetches a text and writes it to a file in UTF-8, each line ended by a newline. The namespace
  describes the arguments, the result and the errors.

  :head  true (default): the file begins with the head, as in the chapter's example; nil: it has the
         body only"
  {:arglists '([host page file & {:keys [port tls timeout progress version headers head]}]
               [host page file port & {:keys [tls timeout progress version headers head]}])}
  [host page file & port-and-options]
  (let [{:keys [head]
         :or {head true}
         :as call} (arguments "wget-text" (conj known :head) host page file port-and-options)]
    (fetch call
      (fn [answered ^InputStream body ^OutputStream file]
        (let [out (io/writer file :encoding "UTF-8")]
          (when head
            (write-head out answered))
          (input/copy-lines (InputStreamReader. body (charset-of answered)) out)
          (.flush ^Writer out))))))

(defn wget-binary
  "Fetches bytes and writes them to a file. Returns a map, not the bytes, which may not fit into
  memory. The namespace describes the arguments, the result and the errors."
  {:arglists '([host page file & {:keys [port tls timeout progress version headers]}]
               [host page file port & {:keys [tls timeout progress version headers]}])}
  [host page file & port-and-options]
  (fetch (arguments "wget-binary" known host page file port-and-options)
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

(defn- send-file [^SocketStream s {:keys [^File file progress]} total]
  (with-open [in (io/input-stream file)]
    (let [bytes (byte-array block)]
      (loop [done 0]
        (let [n (.read in bytes)]
          (when (pos? n)
            (.writeBytes (.out s) bytes 0 n WaitMode/FULL)
            (progress {:done (+ done n)
                       :total total})
            (recur (+ done n))))))
    (.flush (.out s))))

(defn- upload
  "Sends the file. A server may respond and close before it has everything; its response has the reason."
  [s call total]
  (try
    (send-file s call total)
    nil
    (catch IOException e
      (of-file call "read" e))))

(defn wput
  "Uploads a file by PUT. The result has the text of the response under :body, at most 1 MiB of it,
  and its bytes under :length. The header Content-Length announces the end of the file, so the
  output is not shut down, which some servers take for an abort. The namespace describes the
  arguments and the errors."
  {:arglists '([host page file & {:keys [port tls timeout progress version headers]}]
               [host page file port & {:keys [tls timeout progress version headers]}])}
  [host page file & port-and-options]
  (let [call (arguments "wput" known host page file port-and-options)
        total (size call)]
    (with-connection call
      (fn [s]
        (send-head s call "PUT" {"Content-Length" (str total)})
        (let [failure (upload s call total)
              head (try
                     (response s call)
                     (catch IOException e
                       (throw (or failure e))))]
          (when failure
            (throw failure))
          (let [text (.readNBytes (body s (assoc call :progress (fn [_])) head) (int longest-text))]
            (assoc head
              :length (alength text)
              :body (String. text StandardCharsets/UTF_8))))))))
