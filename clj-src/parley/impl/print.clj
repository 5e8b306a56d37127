(ns parley.impl.print
  "How Parley's objects look at a REPL: print-method shows their state, datafy takes them apart."
  {:no-doc true}
  (:require
   [clojure.core.protocols :as protocols]
   [parley.impl.options :as options]
   [parley.impl.values :as values])
  (:import
   (java.io Writer)
   (java.net SocketAddress)
   (parley.net Pollable SocketServer SocketStream StatusSet)))

(set! *warn-on-reflection* true)

(defn- print-as-string [x ^Writer w]
  (.write w (str x)))

(defmethod print-method Pollable [x w] (print-as-string x w))
(defmethod print-method StatusSet [x w] (print-as-string x w))

(defn address
  "Returns an address as datafy shows it, nil of nil."
  [^SocketAddress a]
  (some-> a str))

(extend-protocol protocols/Datafiable
  SocketServer
  (datafy [server]
    {:kind :socket-server
     :host (.host server)
     :port (.port server)
     :local (address (.localAddress server))
     :open? (.isOpen server)})
  SocketStream
  (datafy [stream]
    {:kind :socket-stream
     :host (.host stream)
     :port (.port stream)
     :local (address (.localAddress stream))
     :peer (address (.peerAddress stream))
     :proxy (address (.proxyAddress stream))
     :bytes-in (.bytesIn stream)
     :bytes-out (.bytesOut stream)
     :open? (.isOpen stream)
     :input? (.isInput stream)
     :output? (.isOutput stream)
     :element-type (values/element-type->value (.elementType stream))
     :external-format (options/external-format->value (.externalFormat stream))
     :read-timeout (options/duration->seconds (.readTimeout stream))
     :write-timeout (options/duration->seconds (.writeTimeout stream))
     :error (.error stream)})
  StatusSet
  (datafy [ss]
    {:kind :status-set
     :size (.size ss)
     :actionable (.actionable ss)
     :open? (.isOpen ss)}))
