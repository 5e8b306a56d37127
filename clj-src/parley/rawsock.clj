(ns parley.rawsock
  "Sockets of the C library: CLISP's RAWSOCK package. For most uses parley.socket is more
  convenient. Use this for datagrams, raw and packet sockets, messages of several buffers, and
  options.

  A handle is an integer, the number of a descriptor. Handles of these functions and of
  stream-handles are remembered: a closed handle is refused with :ebadf, even if the system has
  reused its number. Other handles are accepted if they are sockets, pipes or terminals. Every
  descriptor is closed on exec.

  Buffers are byte arrays; :start and :end name a part and are checked before any call. Addresses
  are sockaddr values, which print as host and port and are compared by content.

  Differences from CLISP: Addresses are immutable, so functions return an address instead of filling
  one, and the argument for it may be left out. Several values are a vector. Sizes of addresses are
  not returned. Calls that wait take :timeout, too (seconds as of parley.socket, nil for ever; by
  default :so-rcvtimeo and :so-sndtimeo) and throw java.net.SocketTimeoutException when nothing was
  moved. They end promptly when the handle is closed (java.nio.channels.AsynchronousCloseException)
  and when the thread is interrupted (java.io.InterruptedIOException; the flag stays set).

  Errors are parley.posix.PosixExceptions with the error number, see parley.socket/os-error-code.
  Works on Linux and macOS; elsewhere an UnsupportedOperationException names what is missing."
  (:refer-clojure :exclude [send])
  (:require
   [parley.impl.checksum :as checksum]
   [parley.impl.netdb :as netdb]
   [parley.impl.options :as options]
   [parley.impl.publish :as publish]
   [parley.impl.rawsock :as impl]
   [parley.impl.sockaddr :as sockaddr])
  (:import
   (java.util List)
   (parley.net DescriptorStreams Direction)
   (parley.posix BlockingIo Datagrams$Part Datagrams$Received Handles SockAddr Sockets Sockets$Accepted)))

(set! *warn-on-reflection* true)

;; ---- addresses ----------------------------------------------------------------------------------

(defn make-sockaddr
  "Makes and returns an address of a family. CLISP RAWSOCK:MAKE-SOCKADDR.

  (make-sockaddr :inet \"127.0.0.1\" 80)   numeric host and port; :inet6 likewise; nil is any host
  (make-sockaddr :unix \"/run/x\")         a path; an abstract one begins with a zero character
  (make-sockaddr :packet {:protocol 0x0800 :index 2 :address bytes})   Linux; protocol in host order
  (make-sockaddr :inet data)             the bytes after the family, an array or a sequence
  (make-sockaddr :inet 14)               14 zero bytes
  (make-sockaddr :inet)                  zero bytes of the family's usual length"
  (^SockAddr [family]
   (make-sockaddr family (case family :inet 14 :inet6 26 :packet 18 :unix 0 14)))
  (^SockAddr [family data]
   (sockaddr/of-data "make-sockaddr" family data))
  (^SockAddr [family host port]
   (sockaddr/of-host "make-sockaddr" family host port)))

(defn sockaddr-family
  "Returns the family of an address, :inet, :inet6, :unix, :packet, or its number. CLISP
  RAWSOCK:SOCKADDR-FAMILY."
  [address]
  (sockaddr/name-value (.family (sockaddr/sockaddr "sockaddr-family" address))))

(defn sockaddr-data
  "Returns the bytes of an address after its family, in a new array: for :inet the port, the host
  and zeros. CLISP RAWSOCK:SOCKADDR-DATA, whose result shares the address's memory."
  ^bytes [address]
  (.data (sockaddr/sockaddr "sockaddr-data" address)))

(defn sockaddr-host
  "Returns the numeric host of an internet address, else nil."
  [address]
  (.host (sockaddr/sockaddr "sockaddr-host" address)))

(defn sockaddr-port
  "Returns the port of an internet address, else nil."
  [address]
  (let [port (.port (sockaddr/sockaddr "sockaddr-port" address))]
    (when-not (neg? port) (long port))))

(defn sockaddr-path
  "Returns the path of a Unix-domain address, empty for a socket without a name; nil for other
  families."
  [address]
  (.path (sockaddr/sockaddr "sockaddr-path" address)))

(defn convert-address
  "Converts between a numeric internet address and its bytes. CLISP RAWSOCK:CONVERT-ADDRESS.

  (convert-address :inet \"127.0.0.1\")           returns the bytes, in a new array
  (convert-address :inet6 bytes)                returns the text, \"::1\"
  (convert-address :inet 0x7f000001)            returns the text of a number, most significant byte
                                                first (CLISP: least significant first)"
  [family address]
  (sockaddr/convert "convert-address" family address))

(publish/vars sockaddr/htons sockaddr/ntohs sockaddr/htonl sockaddr/ntohl)

;; ---- sockets ------------------------------------------------------------------------------------

(defn socket
  "Makes a socket and returns its handle: socket(2). CLISP RAWSOCK:SOCKET.

  domain    :inet :inet6 :unix :packet (Linux), or the number; nil for :unspec
  type      :stream :dgram :raw :seqpacket :rdm, or the number
  protocol  nil or 0: the default; a number, as of socket(2); :ipproto-icmp …; :eth-p-all … of
            packet sockets, in network order; a name that (protocol) lists

  Raw and packet sockets need root or, on Linux, CAP_NET_RAW, else :eperm."
  ([domain type] (socket domain type nil))
  ([domain type protocol-designator]
   (let [op "socket"]
     (impl/register
       (Sockets/socket (sockaddr/domain-name op domain) (impl/type-name op type)
         (impl/protocol-number op protocol-designator netdb/protocol))))))

(defn socketpair
  "Makes two connected sockets and returns their handles, [a b]: socketpair(2). The domain is :unix on
  nearly all systems. CLISP RAWSOCK:SOCKETPAIR."
  ([domain type] (socketpair domain type nil))
  ([domain type protocol-designator]
   (let [op "socketpair"]
     (impl/register-all
       (Sockets/socketpair (sockaddr/domain-name op domain) (impl/type-name op type)
         (impl/protocol-number op protocol-designator netdb/protocol))))))

(defn sock-close
  "Closes a handle of these functions and returns 0. Wakes threads that wait on it. A second close
  is an error, :ebadf. A stream's handle cannot be closed here: close the stream. CLISP
  RAWSOCK:SOCK-CLOSE."
  [socket]
  (Handles/close (impl/handle-number "sock-close" socket))
  0)

(defn bind
  "Sets the local address of a socket: bind(2). Returns nil. CLISP RAWSOCK:BIND."
  [socket address]
  (let [address (sockaddr/sockaddr "bind" address)]
    (impl/on [d "bind" socket]
      (Sockets/bind d address))))

(defn sock-listen
  "Makes a socket listen, with `backlog` connections that may wait: listen(2). By default the limit
  of the system. Returns nil. CLISP RAWSOCK:SOCK-LISTEN."
  ([socket] (sock-listen socket 4096))
  ([socket backlog]
   (let [backlog (options/int32 "sock-listen" "the backlog" 0 backlog "a number of connections, not negative")]
     (impl/on [d "sock-listen" socket]
       (Sockets/listen d (int backlog))))))

(defn connect
  "Connects a socket, or sets the destination of datagrams: connect(2). Returns nil. CLISP RAWSOCK:CONNECT.

  :timeout  seconds, by default :so-sndtimeo"
  {:arglists '([socket address & {:keys [timeout]}])}
  [socket address & args]
  (let [op "connect"
        nanos (long (impl/timeout-nanos op (options/option-map op #{:timeout} args)))
        address (sockaddr/sockaddr op address)]
    (impl/on [d op socket]
      (when-not (Sockets/connect d address nanos)
        (throw (impl/timed-out (str "connect(" socket ", " address ")") :so-sndtimeo nanos "the server does not respond"))))))

(defn accept
  "Accepts a connection and returns [handle address]: accept(2). CLISP RAWSOCK:ACCEPT, whose address
  argument is ignored.

  :timeout  seconds, by default :so-rcvtimeo"
  {:arglists '([socket & {:keys [timeout]}])}
  [socket & args]
  (let [op "accept"
        nanos (long (impl/timeout-nanos op (options/option-map op #{:timeout} (impl/without-address args))))]
    (impl/on [d op socket]
      (if-let [^Sockets$Accepted accepted (Sockets/accept d nanos)]
        [(impl/register (.socket accepted)) (.peer accepted)]
        (throw (impl/timed-out (str "accept(" socket ")") :so-rcvtimeo nanos "no client has connected"))))))

(defn getsockname
  "Returns the local address of a socket: getsockname(2). CLISP RAWSOCK:GETSOCKNAME, whose address
  argument is ignored."
  (^SockAddr [socket]
   (impl/on [d "getsockname" socket]
     (Sockets/localAddress d)))
  (^SockAddr [socket _address] (getsockname socket)))

(defn getpeername
  "Returns the address of the other side: getpeername(2). CLISP RAWSOCK:GETPEERNAME, whose address
  argument is ignored."
  (^SockAddr [socket]
   (impl/on [d "getpeername" socket]
     (Sockets/peerAddress d)))
  (^SockAddr [socket _address] (getpeername socket)))

(defn sockatmark
  "Returns true when the next byte is the first after urgent data, else nil: sockatmark(3). CLISP
  RAWSOCK:SOCKATMARK."
  [socket]
  (impl/on [d "sockatmark" socket]
    (if (Sockets/atMark d) true nil)))

(defn- connected
  "As open-unix-socket."
  [op path type]
  (impl/type-name op type)
  (let [address (SockAddr/ofPath (sockaddr/path-string op path))
        handle (socket :unix type)]
    (try
      (connect handle address)
      [handle address]
      (catch Throwable e
        (sock-close handle)
        (throw e)))))

(defn open-unix-socket
  "Connects to the Unix-domain server at a path, a string, Path or File, and returns [handle
  address]. The default type is :stream. CLISP RAWSOCK:OPEN-UNIX-SOCKET."
  ([path] (open-unix-socket path :stream))
  ([path type]
   (connected "open-unix-socket" path type)))

(defn open-unix-socket-stream
  "Connects as open-unix-socket does, but returns [stream address], a stream as of
  parley.stream/make-stream. CLISP RAWSOCK:OPEN-UNIX-SOCKET-STREAM.

  :type  of the socket, default :stream
  :element-type :external-format :buffered :read-timeout :write-timeout :close-timeout :line-limit
         of the stream, as of make-stream"
  {:arglists '([path & {:keys [type element-type external-format buffered read-timeout write-timeout
                               close-timeout line-limit]}])}
  [path & args]
  (let [op "open-unix-socket-stream"
        opts (options/option-map op (conj options/unconnected-options :type) args)
        stream-options (options/->stream-options op (dissoc opts :type))
        [handle address] (connected op path (:type opts :stream))]
    (try
      [(DescriptorStreams/of (int handle) Direction/IO stream-options) address]
      (finally
        (sock-close handle)))))

;; ---- receiving and sending ----------------------------------------------------------------------

(defn recv
  "Receives into a buffer and returns the number of bytes, 0 at the end of a stream: recv(2). A
  reset throws :econnreset, each time. CLISP RAWSOCK:RECV.

  :start :end  the part of the buffer to fill, by default all
  :peek        true: leaves the data in the socket
  :oob         true: receives urgent data
  :waitall     true: waits until the part is full
  :timeout     seconds, see the namespace"
  {:arglists '([socket buffer & {:keys [start end peek oob waitall timeout]}])}
  [socket buffer & args]
  (let [op "recv"
        opts (options/option-map op impl/receive-keys args)
        [array start length] (impl/part op buffer opts)
        flags (int (impl/message-flags op opts))
        all (boolean (options/flag op :waitall (:waitall opts)))
        nanos (impl/timeout-nanos op opts)]
    (impl/on [d op socket]
      (long (BlockingIo/receive d ^bytes array (int start) (int length) flags all (long nanos))))))

(defn recvfrom
  "Receives as recv does and returns [n address]: the sender's address, or nil on connected streams:
  recvfrom(2). CLISP RAWSOCK:RECVFROM, whose address argument is ignored. A datagram that does not
  fit is cut; recvmsg reports it.

  :start :end :peek :oob :timeout  as of recv"
  {:arglists '([socket buffer & {:keys [start end peek oob timeout]}])}
  [socket buffer & args]
  (let [op "recvfrom"
        opts (options/option-map op (disj impl/receive-keys :waitall) (impl/without-address args))
        [array start length] (impl/part op buffer opts)
        part (Datagrams$Part. ^bytes array (int start) (int length))
        flags (int (impl/message-flags op opts))
        nanos (impl/timeout-nanos op opts)]
    (impl/on [d op socket]
      (let [received (BlockingIo/receive d [part] 0 flags (long nanos))]
        [(long (.count ^Datagrams$Received received)) (.address ^Datagrams$Received received)]))))

(defn recvmsg
  "Receives a message into several buffers and returns [n message]: recvmsg(2). CLISP
  RAWSOCK:RECVMSG.

  message   a map of :iovec, a vector of byte arrays, filled in order, and :control, the number of
            bytes of control data to receive, or an array of that size
  returned  the same map with :addr, the sender or nil; :flags, a set of :trunc (the message was
            longer than the buffers) :ctrunc :oob :eor; :control, the control data in a new array

  :start :end           the part of :iovec to fill, by default all
  :peek :oob :timeout   as of recv"
  {:arglists '([socket message & {:keys [start end peek oob timeout]}])}
  [socket message & args]
  (let [op "recvmsg"
        opts (options/option-map op (disj impl/receive-keys :waitall) args)
        {:keys [iovec control]} (impl/message-map op message)
        parts (impl/parts op iovec opts)
        size (cond (nil? control) 0 (bytes? control) (alength ^bytes control) :else control)
        flags (int (impl/message-flags op opts))
        nanos (impl/timeout-nanos op opts)]
    (when-not (options/within? 0 65536 size)
      (throw (options/misuse op (str ":control is " (options/show control)) "a byte array or a size up to 65536")))
    (impl/on [d op socket]
      (let [^Datagrams$Received received (BlockingIo/receive d parts (int size) flags (long nanos))]
        [(long (.count received))
         (assoc message
           :addr (.address received)
           :flags (impl/flag-names (.flags received))
           :control (.control received))]))))

(defn send
  "Sends a buffer and returns the number of bytes sent, all unless it times out: send(2). CLISP
  RAWSOCK:SEND.

  :start :end  the part of the buffer, by default all
  :oob         true: sends urgent data
  :eor         true: ends a record
  :timeout     seconds, see the namespace"
  {:arglists '([socket buffer & {:keys [start end oob eor timeout]}])}
  [socket buffer & args]
  (let [op "send"
        opts (options/option-map op impl/send-keys args)
        [array start length] (impl/part op buffer opts)
        flags (int (impl/message-flags op opts))
        nanos (impl/timeout-nanos op opts)]
    (impl/on [d op socket]
      (long (BlockingIo/send d ^bytes array (int start) (int length) flags (long nanos))))))

(defn sendto
  "Sends as send does, to an address: sendto(2). CLISP RAWSOCK:SENDTO.

  :start :end :oob :eor :timeout  as of send"
  {:arglists '([socket buffer address & {:keys [start end oob eor timeout]}])}
  [socket buffer address & args]
  (let [op "sendto"
        opts (options/option-map op impl/send-keys args)
        [array start length] (impl/part op buffer opts)
        ^List parts [(Datagrams$Part. ^bytes array (int start) (int length))]
        address (sockaddr/sockaddr op address)
        flags (int (impl/message-flags op opts))
        nanos (impl/timeout-nanos op opts)]
    (impl/on [d op socket]
      (long (BlockingIo/send d parts address (byte-array 0) flags (long nanos))))))

(defn sendmsg
  "Sends several buffers as one message and returns the number of bytes sent: sendmsg(2). CLISP
  RAWSOCK:SENDMSG.

  message  a map of :iovec, a vector of byte arrays; :addr, the destination, nil on connected
           sockets; :control, a byte array of control data

  :start :end          the part of :iovec to send, by default all
  :oob :eor :timeout   as of send"
  {:arglists '([socket message & {:keys [start end oob eor timeout]}])}
  [socket message & args]
  (let [op "sendmsg"
        opts (options/option-map op impl/send-keys args)
        {:keys [iovec addr control]} (impl/message-map op message)
        parts (impl/parts op iovec opts)
        address (when addr (sockaddr/sockaddr op addr))
        control (bytes (if control (impl/buffer op control) (byte-array 0)))
        flags (int (impl/message-flags op opts))
        nanos (impl/timeout-nanos op opts)]
    (impl/on [d op socket]
      (long (BlockingIo/send d ^List parts ^SockAddr address control flags (long nanos))))))

(defn sock-read
  "Reads from any descriptor and returns the number of bytes, 0 at the end of file: read(2). Waits
  for the first byte only. CLISP RAWSOCK:SOCK-READ.

  buffer       a byte array, or a vector of byte arrays, which are filled in order
  :start :end  the part of the buffer to fill, by default all; of a vector, its arrays
  :timeout     seconds, see the namespace"
  {:arglists '([socket buffer & {:keys [start end timeout]}])}
  [socket buffer & args]
  (let [op "sock-read"
        opts (options/option-map op #{:start :end :timeout} args)
        parts (impl/file-parts op buffer opts)
        nanos (impl/timeout-nanos op opts)]
    (impl/on [d op socket]
      (let [first-read (volatile! true)]
        (impl/moved parts
          (fn [^Datagrams$Part part]
            (if @first-read
              (do (vreset! first-read false)
                  (BlockingIo/read d (.bytes part) (.offset part) (.length part) (long nanos)))
              (max 0 (.read d (.bytes part) (.offset part) (.length part))))))))))

(defn sock-write
  "Writes to any descriptor and returns the number of bytes written: write(2). CLISP RAWSOCK:SOCK-WRITE.

  buffer       a byte array, or a vector of byte arrays, which are written in order
  :start :end  the part of the buffer to write, by default all; of a vector, its arrays
  :timeout     seconds, see the namespace"
  {:arglists '([socket buffer & {:keys [start end timeout]}])}
  [socket buffer & args]
  (let [op "sock-write"
        opts (options/option-map op #{:start :end :timeout} args)
        parts (impl/file-parts op buffer opts)
        nanos (impl/timeout-nanos op opts)]
    (impl/on [d op socket]
      (impl/moved parts
        (fn [^Datagrams$Part part]
          (BlockingIo/write d (.bytes part) (.offset part) (.length part) (long nanos)))))))

;; ---- options ------------------------------------------------------------------------------------

(defn socket-option
  "Returns the value of an option of a socket: getsockopt(2). CLISP RAWSOCK:SOCKET-OPTION.

  option  a keyword of socket-options, :so-rcvbuf :tcp-nodelay …, for :level :sol-socket also
          without the prefix as in CLISP, :rcvbuf; nil for a map of all options of the level, with
          :error for those that this kind of socket does not have; an integer for any option, as
          bytes
  :level  :sol-socket (default), :sol-tcp, :sol-ip, :ipproto-ipv6 …, an integer; with option nil,
          :all for all options
  :size   number of bytes to read for an integer option, default 4

  Flags are true or nil, :linger nil or seconds, :rcvtimeo and :sndtimeo seconds, 0 for no limit,
  :type :stream …, :error nil or an error code."
  {:arglists '([socket option & {:keys [level size]}])}
  [socket option & args]
  (let [op "socket-option"
        {:keys [level size] :or {level :sol-socket size 4}} (options/option-map op #{:level :size} args)]
    (impl/on [d op socket]
      (impl/get-option op d option level size))))

(defn set-socket-option!
  "Sets an option of a socket and returns the value: setsockopt(2). Options, levels and values are
  those of socket-option; for option nil the value is a map of options. CLISP (SETF RAWSOCK:SOCKET-OPTION).

  :level  as of socket-option, default :sol-socket"
  {:arglists '([socket option value & {:keys [level]}])}
  [socket option value & args]
  (let [op "set-socket-option!"
        {:keys [level] :or {level :sol-socket}} (options/option-map op #{:level} args)]
    (impl/on [d op socket]
      (impl/set-option op d option value level))
    value))

;; ---- names, protocols, networks, interfaces -----------------------------------------------------

(defn getaddrinfo
  "Returns the addresses of a host and a service: getaddrinfo(3). The result is a vector of maps of
  :flags (a number), :family, :type, :protocol (a number), :address, and :name, the canonical name
  or nil. CLISP RAWSOCK:GETADDRINFO.

  :node :service                 names or numbers, as strings; at least one is required
  :family :socktype :protocol    restrict the result
  :passive :canonname :numerichost :numericserv :v4mapped :all :addrconfig    true: sets the flag

  Throws parley.posix.ResolverException: EAI_NONAME …"
  {:arglists '([& {:keys [node service family socktype protocol passive canonname numerichost numericserv
                          v4mapped all addrconfig]}])}
  [& args]
  (netdb/addresses "getaddrinfo" args))

(defn getnameinfo
  "Returns the names of an address, [host service]: getnameinfo(3). CLISP RAWSOCK:GETNAMEINFO.

  :nofqdn       true: only the local part of the name
  :numerichost  true: the host in numbers
  :namereqd     true: throws when the host has no name
  :numericserv  true: the port in numbers
  :dgram        true: the name of the datagram service"
  {:arglists '([address & {:keys [nofqdn numerichost namereqd numericserv dgram]}])}
  [address & args]
  (netdb/names "getnameinfo" address args))

(defn protocol
  "Returns a protocol by name or number, a map of :name, :aliases and :proto, or nil. Without an
  argument returns a vector of all. CLISP RAWSOCK:PROTOCOL."
  ([] (protocol nil))
  ([designator] (netdb/protocol designator)))

(defn network
  "Returns a network by name, or by number and address family (default :inet), a map of :name,
  :aliases, :type and :net, or nil. Without an argument returns a vector of all. CLISP
  RAWSOCK:NETWORK."
  ([] (network nil))
  ([designator] (network designator :inet))
  ([designator family] (netdb/network designator family)))

(defn if-name-index
  "Returns the index of a network interface by name, its name by index, or nil for a missing one.
  Without an argument returns a map of index to name. CLISP RAWSOCK:IF-NAME-INDEX."
  ([] (if-name-index nil))
  ([designator] (netdb/interface designator)))

(defn ifaddrs
  "Returns the addresses of the network interfaces: getifaddrs(3). The result is a vector of maps of
  :name, :flags (a set of :up :running :loopback :broadcast …), :address, :netmask and :destination
  (of a broadcast, or the other end); the last three may be nil. CLISP RAWSOCK:IFADDRS.

  :flags-or   returns only those with one of these flags
  :flags-and  returns only those with all of these"
  {:arglists '([& {:keys [flags-or flags-and]}])}
  [& args]
  (netdb/interfaces "ifaddrs" args))

;; ---- checksums ----------------------------------------------------------------------------------

(publish/vars checksum/ipcsum checksum/icmpcsum checksum/tcpcsum checksum/udpcsum)
