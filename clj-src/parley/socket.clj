(ns parley.socket
  "Socket servers, socket streams and their status: CLISP's SOCKET package. parley.stream reads and
  writes.

  Seconds are nil (waits for ever), 0 (polls), a non-negative integer, ratio or double, a [seconds
  microseconds] vector, or a java.time.Duration. Two arguments are seconds and microseconds. A
  timeout covers the whole call.

  Errors of the operating system are java.io.IOExceptions, see os-error-code. Misuse is an
  IllegalArgumentException or an IllegalStateException that names the expected value. A blocked call
  ends promptly when another thread closes the object (java.nio.channels.AsynchronousCloseException)
  and when its thread is interrupted (java.io.InterruptedIOException). After an interrupt the flag
  stays set, the object stays open, and nothing is lost."
  (:require
   [clojure.core.protocols :as protocols]
   [clojure.string :as str]
   [parley.impl.address :as address]
   [parley.impl.object :as object]
   [parley.impl.options :as options]
   [parley.impl.print :as print]
   [parley.impl.rawsock :as rawsock]
   [parley.impl.status :as status]
   [parley.impl.tls :as tls]
   [parley.impl.values :as values])
  (:import
   (java.io IOException)
   (java.net InetSocketAddress UnixDomainSocketAddress)
   (java.nio.channels ServerSocketChannel SocketChannel)
   (parley.net ErrorCode ErrorInfo OpenObjects OpenObjects$Entry Parley SocketOptions SocketServer SocketStream StatusSet)
   (parley.posix PosixException ResolverException Sockets)))

(set! *warn-on-reflection* true)

;; ---- servers ------------------------------------------------------------------------------------

(defn version
  "Returns the version of Parley, such as \"0.1.0\"."
  []
  (Parley/version))

(defn socket-server
  "Listens for connections and returns the server, a java.io.Closeable. CLISP SOCKET:SOCKET-SERVER.

  port           nil or 0: the system chooses; 1 to 65535; an endpoint, see below; or a bound
                 java.nio.channels.ServerSocketChannel. The file of a Unix-domain server is removed
                 on close
  :interface     nil: all IPv4 interfaces, \"0.0.0.0\"; a host name, an address or an InetAddress;
                 an open socket stream, for its local address; :loopback: 127.0.0.1 and ::1, on one
                 port, as one server (127.0.0.1 alone without IPv6). For local use pass :loopback or
                 \"127.0.0.1\"
  :backlog       number of connections that may wait to be accepted, default 128
  :mode          permissions of a Unix-domain server's file, default \"rw-------\"
  :so-reuseport  true: other processes may listen on the same port, and the system distributes
                 connections among all that set it; default nil

  An endpoint is a port, a java.nio.file.Path, java.io.File or java.net.UnixDomainSocketAddress, a
  java.net.InetSocketAddress, or a map {:host \"127.0.0.1\" :port 7007} or {:path \"/run/x.sock\"}.

  Errors: :eaddrinuse (also a path whose file is no socket or belongs to a running server),
  :eaddrnotavail, :eacces, :eai-noname. A Cleaner closes unreachable servers: never rely on it."
  {:arglists '(^parley.net.SocketServer []
               ^parley.net.SocketServer [port & {:keys [interface backlog mode so-reuseport]}])}
  (^SocketServer [] (socket-server nil))
  (^SocketServer [port & opts]
   (when (keyword? port)
     (throw (options/misuse "socket-server" (str "the port is " (options/show port))
              "a port or another endpoint before any options: (socket-server 7007 :interface \"127.0.0.1\")")))
   (let [opts (options/option-map "socket-server" address/server-options opts)]
     (if (instance? ServerSocketChannel port)
       (if-let [[key] (first opts)]
         (throw (options/misuse "socket-server" (str key " is given besides a channel") "neither, since the channel listens already"))
         (SocketServer/adopt port))
       (SocketServer/listen (address/->server-options "socket-server" port opts))))))

(defn socket-server-close
  "Stops listening and returns nil. Then the same port or path can be bound again. Closing again has
  no effect. CLISP SOCKET:SOCKET-SERVER-CLOSE."
  [server]
  (.close (object/server "socket-server-close" server)))

(defn socket-server-host
  "Returns the address of the server, such as \"0.0.0.0\", or the path of its file. Works after
  close, too. CLISP SOCKET:SOCKET-SERVER-HOST."
  [server]
  (.host (object/server "socket-server-host" server)))

(defn socket-server-port
  "Returns the port of the server, or 0 for a Unix-domain server. Works after close, too. CLISP
  SOCKET:SOCKET-SERVER-PORT."
  [server]
  (long (.port (object/server "socket-server-port" server))))

(defn socket-wait
  "Waits for a connection. Returns true when socket-accept will not block, nil when it times out.
  Without a timeout, or with nil, waits for ever. CLISP SOCKET:SOCKET-WAIT."
  ([server] (socket-wait server nil))
  ([server seconds]
   (let [timeout (options/->duration "socket-wait" seconds)]
     (when (.awaitConnection (object/server "socket-wait" server) timeout) true)))
  ([server seconds microseconds]
   (socket-wait server (options/->duration "socket-wait" seconds microseconds))))

(defn socket-accept
  "Waits for a connection and returns its stream. CLISP SOCKET:SOCKET-ACCEPT.

  :timeout          limits the wait, default nil; then java.net.SocketTimeoutException, :etimedout
  :element-type     :character (default), :unsigned-byte-8 (:byte), :signed-byte-8, [:unsigned-byte
                    n] and [:signed-byte n] for n = 16, 32, 64, or :bivalent
  :external-format  a charset (default :utf-8), :unix (default) :dos :mac, or a map of :charset
                    :line-terminator :input-error-action :output-error-action
  :buffered         true (default), nil, :input or :output
  :read-timeout     limits each read, default nil; see parley.stream/set-read-timeout!
  :write-timeout    limits each write, default nil
  :close-timeout    limits how long close waits to send buffered output, default 10 seconds
  :line-limit       maximum number of characters of a line for read-line, default 16 Mi; never nil,
                    since a peer could fill the memory
  :tls              nil (default), a map with :cert and :key, an SSLContext, or a value of
                    parley.tls/tls-options; see parley.tls. The first operation on the stream does
                    the handshake, so accepting is not delayed. A server reads an equal map once,
                    see parley.tls/reload-certificates!"
  {:arglists '(^parley.net.SocketStream
               [server & {:keys [element-type external-format buffered timeout read-timeout
                                 write-timeout close-timeout line-limit tls]}])}
  ^SocketStream [server & opts]
  (let [server (object/server "socket-accept" server)]
    (.accept server (tls/accept-options "socket-accept" server
                      (options/option-map "socket-accept" options/stream-options opts)))))

;; ---- streams ------------------------------------------------------------------------------------

(defn socket-connect
  "Connects and returns the stream, a java.io.Closeable. CLISP SOCKET:SOCKET-CONNECT.

  port      1 to 65535, or an endpoint as of socket-server
  host      a name, an address or an InetAddress, default \"localhost\"; all addresses of a name are
            tried, v6 and v4 in a race (RFC 8305); nil for an endpoint with a host or a path
  :timeout  limits the whole call, default nil; 0 returns at once, perhaps still connecting: then
            the next operation waits, and socket-status reports the result
  :tls      nil (default), true, an SSLContext, or a map with keys such as :ca; see parley.tls. The
            handshake is a part of connecting
  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
            as of socket-accept

  Errors: :econnrefused, :etimedout, :ehostunreach, :eai-noname (no such host), :eai-again (the name
  server did not respond), :enoent. When all addresses fail, the last failure is thrown, and the
  others are suppressed in it."
  {:arglists '(^parley.net.SocketStream [port]
               ^parley.net.SocketStream
               [port host & {:keys [element-type external-format buffered timeout read-timeout
                                    write-timeout close-timeout line-limit tls]}])}
  (^SocketStream [port] (socket-connect port nil))
  (^SocketStream [port host & opts]
   (let [host (address/->host "socket-connect" "the host" host
                (str "a string with a name or an address, or an InetAddress, before any options: "
                  "(socket-connect 7007 \"localhost\" :timeout 5)"))
         {:keys [path port] :as endpoint} (address/endpoint "socket-connect" port)
         opts (options/->stream-options "socket-connect" (options/option-map "socket-connect" options/stream-options opts))]
     (when (and host (:host endpoint))
       (throw (options/misuse "socket-connect"
                (str "the host is " (options/show host) " besides that of the endpoint " (options/show (:host endpoint)))
                "one of them")))
     (if path
       (SocketStream/connect (UnixDomainSocketAddress/of ^java.nio.file.Path path) opts)
       (SocketStream/connect ^String (or host (:host endpoint) "localhost") (int port) opts)))))

(defn socket-stream
  "Makes a stream of a connected java.nio.channels.SocketChannel, TCP or Unix-domain, such as
  (System/inheritedChannel). The stream owns the channel.

  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
            as of socket-accept
  :timeout  has no effect, since the channel is connected"
  {:arglists '(^parley.net.SocketStream
               [channel & {:keys [element-type external-format buffered timeout read-timeout
                                  write-timeout close-timeout line-limit]}])}
  ^SocketStream [channel & opts]
  (when-not (instance? SocketChannel channel)
    (throw (options/misuse "socket-stream" (str "the channel is " (options/show channel))
             "a connected java.nio.channels.SocketChannel")))
  (SocketStream/adopt channel
    (options/->stream-options "socket-stream"
      (options/option-map "socket-stream" (disj options/stream-options :tls) opts))))

(defn socket-stream-host
  "Returns the host that the creating call was given; for an accepted stream, that of the server.
  CLISP SOCKET:SOCKET-STREAM-HOST."
  [s]
  (.host (object/stream "socket-stream-host" s)))

(defn socket-stream-port
  "Returns the port that the creating call was given; for an accepted stream, that of the server.
  CLISP SOCKET:SOCKET-STREAM-PORT."
  [s]
  (long (.port (object/stream "socket-stream-port" s))))

(defn socket-stream-peer
  "Returns [host port] of the other end, as the operating system reports it. The host is like
  \"127.0.0.1 (localhost)\", or \"127.0.0.1\" with do-not-resolve?. For a Unix-domain stream
  returns the path (\"\" for an end without a path) and 0. CLISP SOCKET:SOCKET-STREAM-PEER."
  ([s] (socket-stream-peer s false))
  ([s do-not-resolve?]
   (if (object/handle? s)
     (address/raw-host-and-port (rawsock/on [d "socket-stream-peer" s] (Sockets/peerAddress d)) do-not-resolve?)
     (address/host-and-port (.peerAddress (object/stream "socket-stream-peer" s)) do-not-resolve?))))

(defn socket-stream-local
  "Returns [host port] of this end, as socket-stream-peer does of the other end. CLISP
  SOCKET:SOCKET-STREAM-LOCAL."
  ([s] (socket-stream-local s false))
  ([s do-not-resolve?]
   (if (object/handle? s)
     (address/raw-host-and-port (rawsock/on [d "socket-stream-local" s] (Sockets/localAddress d)) do-not-resolve?)
     (address/host-and-port (.localAddress (object/stream "socket-stream-local" s)) do-not-resolve?))))

(defn socket-stream-shutdown
  "Ends a direction, :input, :output or :io, and returns nil. Output is flushed first. Afterwards
  reads return the end of file, writes fail with :epipe, and the other side reads the end of file.
  The stream must still be closed. CLISP SOCKET:SOCKET-STREAM-SHUTDOWN."
  [s direction]
  (let [op "socket-stream-shutdown"
        direction (values/->direction op direction)]
    (if (object/handle? s)
      (rawsock/on [d op s]
        (Sockets/shutdown d (.includesInput direction) (.includesOutput direction)))
      (.shutdown (object/stream op s) direction))))

;; ---- options and handles --------------------------------------------------------------------------

(defn socket-options
  "Reads and sets options of a stream, a server, or a raw socket. Takes keywords, each optionally
  followed by a new value. Returns a vector of the values before the call: (socket-options s
  :so-linger 1 :so-rcvlowat) returns [nil 1]. CLISP SOCKET:SOCKET-OPTIONS.

  true or nil   :so-debug :so-acceptconn :so-broadcast :so-reuseaddr :so-reuseport :so-dontroute
                :so-keepalive :so-oobinline :tcp-nodelay :tcp-quickack :ipv6-v6only
  integers      :so-rcvbuf :so-sndbuf :so-rcvlowat :so-sndlowat :tcp-keepidle :tcp-keepintvl
                :tcp-keepcnt :tcp-user-timeout (milliseconds) :ip-tos :ip-ttl
  :so-linger    nil or seconds
  :so-rcvtimeo  limit of each read, in seconds; 0 or nil for none; rounded to the kernel's ticks. Of
                a server: of accepts without a timeout and, over TCP, of streams accepted afterwards
  :so-sndtimeo  limit of each write, likewise
  :so-type      :stream, :dgram …, read only
  :so-error     nil or an error code, read only; reading clears it, but not a stream's reset

  All values are checked before any is set. When the system refuses a value, those set before it are
  restored. Linux doubles the sizes of buffers. Errors: IllegalArgumentException for an unknown
  option or a wrong value; UnsupportedOperationException, with option and platform, for an option
  that the platform does not have; parley.posix.PosixException for one that this kind of socket does
  not have."
  [s & options]
  (let [op "socket-options"
        target (if (object/handle? s) nil (object/need-pollable op "the socket" s))]
    (rawsock/apply-options op target s (rawsock/option-requests op options))))

(defn stream-handles
  "Returns the descriptor numbers of a stream, [input output], or of a server, [number nil]. A
  stream with one direction has nil for the other. The functions of parley.rawsock accept them
  while the stream is open. CLISP SOCKET:STREAM-HANDLES."
  [s]
  (mapv (fn [^long n] (when-not (neg? n) n))
    (SocketOptions/handles (object/need-pollable "stream-handles" "the stream" s))))

(defmacro with-open-stream
  "Evaluates the body with names bound to streams, servers or other closeable values, and returns its value.
  Then closes them in reverse order. When the body throws, streams are closed with :abort true: pending
  output is dropped and nothing blocks. nil values are skipped. Common Lisp WITH-OPEN-STREAM, with any
  number of bindings."
  [bindings & body]
  (when-not (and (vector? bindings) (even? (count bindings)))
    (throw (options/misuse "with-open-stream" (str "the bindings are " (options/show bindings))
             "a vector of names and expressions")))
  (doseq [name (take-nth 2 bindings)
          :when (not (symbol? name))]
    (throw (options/misuse "with-open-stream" (str "the name is " (options/show name)) "a symbol, the name of what is closed")))
  (if (empty? bindings)
    `(do ~@body)
    (let [[name expr & more] bindings]
      `(let [~name ~expr
             _# (object/check-closeable "with-open-stream" ~name)
             value# (try
                      (with-open-stream ~(vec more) ~@body)
                      (catch Throwable e#
                        (try
                          (object/close ~name true)
                          (catch Throwable second#
                            (.addSuppressed e# second#)))
                        (throw e#)))]
         (object/close ~name false)
         value#))))

;; ---- status -------------------------------------------------------------------------------------

(defn socket-status
  "Returns what can be done right now without blocking. Waits until something can be done, or the
  timeout ends. Without a timeout, or with nil, waits for ever. CLISP SOCKET:SOCKET-STATUS.

  Of a stream, or [stream direction] with :input, :output or :io (the default):

                           input would block   input available   end of file
    output would block     nil                 :input            :eof
    output possible        :output             :io               :append

  :input returns nil :input :eof; :output returns nil :output. Of a server: true when an accept will
  not block, else nil. :error when every operation will fail; see stream-error. Of a non-empty
  sequential of those: a vector of statuses in the same order. Of a status set: the set, updated in
  place.

  In a loop, give a stream as [s :input]. The output of a bare stream is nearly always possible, so
  the check returns at once and the loop spins.

  Errors: IllegalArgumentException, with the element, for nil, an empty list, an object that cannot
  be checked, an unknown direction; IllegalStateException for a closed member."
  ([x] (status/check "socket-status" x nil))
  ([x seconds] (status/check "socket-status" x (options/->duration "socket-status" seconds)))
  ([x seconds microseconds]
   (status/check "socket-status" x (options/->duration "socket-status" seconds microseconds))))

(defn socket-status-values
  "Returns [value n]: the value of socket-status, and the number of objects whose status is not nil.
  CLISP's second value."
  ([x] (socket-status-values x nil))
  ([x seconds]
   (let [op "socket-status-values"
         value (status/check op x (options/->duration op seconds))]
     [value (if-let [core (status/core value)]
              (long (.actionable core))
              (if (vector? value) (long (count (remove nil? value))) (if value 1 0)))]))
  ([x seconds microseconds]
   (socket-status-values x (options/->duration "socket-status-values" seconds microseconds))))

(defn stream-error
  "Returns the java.io.IOException because of which every operation on the stream fails, or nil."
  [s]
  (.error (object/stream "stream-error" s)))

(defn- native-code
  "Returns the name of an error that the C library numbered, such as \"EBADF\", or nil."
  [e]
  (cond
    (instance? PosixException e) (.name ^PosixException e)
    (instance? ResolverException e) (.name ^ResolverException e)))

(defn- need-throwable [op e]
  (when-not (or (nil? e) (instance? Throwable e))
    (throw (options/misuse op (str "the exception is " (options/show e)) "a Throwable, or nil"))))

(defn os-error-code
  "Returns the operating system's code of an exception, or of one of its causes, as a keyword such
  as :econnrefused, :eaddrinuse, :etimedout, :epipe, :econnreset, :emfile, :eai-noname. Returns nil
  for an exception without a code, such as the end of file."
  [^Throwable e]
  (need-throwable "os-error-code" e)
  (if-let [native (some native-code (take 16 (take-while some? (iterate ex-cause e))))]
    (keyword (str/replace (options/lower-case native) "_" "-"))
    (some-> (ErrorCode/of e) .lowerCaseName keyword)))

(defn error-info
  "Returns a map of facts about an exception of this library, also for the end of file and for input
  that cannot be read as asked, or about one of its causes; nil for other exceptions:
    :op          the function that was called, a string
    :code        as of os-error-code
    :local       [host port] of this end, or [path 0]
    :remote      [host port] of the other end
    :bytes-done  bytes that the call moved before it failed
  Unknown keys are left out. clojure.datafy/datafy of the exception has the same keys, and the map as :data."
  [^Throwable e]
  (need-throwable "error-info" e)
  (when-let [info (ErrorInfo/of e)]
    (let [place #(some-> % (address/host-and-port true))
          facts {:op (.operation info)
                 :code (os-error-code e)
                 :local (place (.local info))
                 :remote (place (.remote info))
                 :bytes-done (when-not (neg? (.bytesDone info)) (.bytesDone info))}]
      (into {} (filter (comp some? val)) facts))))

(defn- datafied [e]
  (let [info (error-info e)]
    (cond-> (merge (Throwable->map e) info)
      info (assoc :data info))))

(extend-protocol protocols/Datafiable
  IOException
  (datafy [e] (datafied e))
  IllegalStateException
  (datafy [e] (datafied e)))

;; ---- what is open ------------------------------------------------------------------------------

(defn open-objects
  "Returns a sequence of maps, one for each open stream and server of this process, the oldest
  first:
    :object               the stream or server
    :kind                 :socket-stream or :socket-server
    :local :peer          addresses as strings, \"?\" for an end without a name, or nil; a server has
                          no :peer
    :state                :open, :connecting, :failed (to connect) or :broken
    :since                a java.time.Instant
    :opened-by            the name of the thread that opened it
    :bytes-in :bytes-out  of streams, moved from and to the system
    :waits                the calls that wait for it, maps of :op and :thread
    :opened-at            the stack of the opening call, strings, when traced: see trace-opens!
  The list keeps nothing open. clojure.datafy/datafy of a stream or server has the same keys and
  more. For a person, a line for each:

    (clojure.pprint/print-table [:kind :state :local :peer :bytes-in :bytes-out] (open-objects))"
  []
  (for [^OpenObjects$Entry entry (OpenObjects/list)]
    (print/ordered (assoc (print/details entry) :object (.object entry)))))

(defn trace-opens!
  "Sets whether streams and servers record the stack of the call that opens them, for open-objects,
  datafy and the log of unclosed objects. Each record costs a stack trace. The system property
  parley.net.trace does the same from the start. Returns nil."
  [on?]
  (OpenObjects/trace (options/flag "trace-opens!" "the argument" on?)))

;; ---- status sets --------------------------------------------------------------------------------

(defn- set-core ^StatusSet [op x]
  (or (status/core x)
      (throw (options/misuse op (str "the set is " (options/show x)) "a status set, as status-set returns it"))))

(defn status-set-add!
  "Adds an object to a status set, or changes the direction of a member. The direction is :input, :output or
  :io, the default. Returns the set."
  ([ss object] (status-set-add! ss object :io))
  ([ss object direction]
   (.add (set-core "status-set-add!" ss)
     (object/need-pollable "status-set-add!" "the object" object "; the direction is the argument after it")
     (values/->direction "status-set-add!" direction))
   ss))

(defn status-set-members
  "Returns the members of a status set, whatever their status, as a vector of [object direction], in the order
  in which they were added."
  [ss]
  (status/members (set-core "status-set-members" ss)))

(defn status-set-remove!
  "Removes an object from a status set, whether or not it is a member. Returns the set."
  [ss object]
  (.remove (set-core "status-set-remove!" ss)
    (object/need-pollable "status-set-remove!" "the object" object))
  ss)

(defn status-set
  "Makes a reusable, closeable set of streams, servers and other pollable objects, which
  socket-status checks in place: CLISP's destructively updated list. One thread at a time may use
  it. Members are objects or [object direction], as in a list for socket-status.

  (count ss) is the number of members. seq, reduce and run! visit the actionable members only, as
  [object status]. A closed member is reported once, as :error, and leaves the set. Close the set
  after use; its members stay open."
  ^java.io.Closeable [& members]
  (let [core (StatusSet.)]
    (try
      (dorun
        (map-indexed (fn [i x]
                       (let [[object direction] (status/member "status-set" (str "member " i) x)]
                         (.add core object direction)))
          members))
      (status/view core)
      (catch Throwable e
        (.close core)
        (throw e)))))

(defn status-of
  "Returns the status of a member in the last check: nil, :input, :output, :io, :eof, :append, true
  or :error."
  [ss object]
  (values/status->value
    (.statusOf (set-core "status-of" ss) (object/need-pollable "status-of" "the object" object))))

(defn actionable
  "Returns the number of members that were actionable in the last check."
  [ss]
  (long (.actionable (set-core "actionable" ss))))
