(ns parley.impl.print
  "Parley's objects at a REPL: print-method shows their state, datafy takes them apart."
  {:no-doc true}
  (:require
   [clojure.core.protocols :as protocols]
   [parley.impl.options :as options]
   [parley.impl.values :as values])
  (:import
   (java.io Writer)
   (java.net SocketAddress)
   (parley.net Addresses OpenObjects OpenObjects$Entry OpenObjects$Wait Pollable SocketServer SocketStream StatusSet)
   (parley.net.tls TlsOptions)))

(set! *warn-on-reflection* true)

(defn- print-as-string [x ^Writer w]
  (.write w (str x)))

(defmethod print-method Pollable [x w] (print-as-string x w))
(defmethod print-method StatusSet [x w] (print-as-string x w))
(defmethod print-method TlsOptions [x w] (print-as-string x w))

(def ^:private order
  "The keys that a person looks for first, in the order in which maps of facts have them."
  [:object :id :kind :name :state :open? :input? :output? :host :port :path :local :peer :proxy :address :user :connections :size
   :actionable :bytes-in :bytes-out])

(defn ordered
  "Returns a map of facts with the most important first. A map of more than eight keys would be printed in no order."
  [facts]
  (apply array-map (mapcat identity (concat (keep #(find facts %) order) (apply dissoc facts order)))))

(defn address
  "Returns an address as datafy shows it, nil of nil."
  [^SocketAddress a]
  (some-> a Addresses/show))

(defn details
  "Returns what is known of an open stream or server, as parley.socket/open-objects describes it."
  [^OpenObjects$Entry entry]
  (let [opened-at (.openedAt entry)]
    (cond-> {:kind (keyword (.kind entry))
             :local (address (.local entry))
             :state (keyword (.state entry))
             :since (.since entry)
             :opened-by (.openedBy entry)
             :waits (mapv (fn [^OpenObjects$Wait w] {:op (.operation w) :thread (.thread w)}) (.waits entry))}
      (instance? SocketStream (.object entry)) (assoc :peer (address (.peer entry))
                                                      :bytes-in (.bytesIn entry)
                                                      :bytes-out (.bytesOut entry))
      opened-at (assoc :opened-at (into []
                                    (comp (map str) (remove #(re-find #"^parley[.](?:net|impl)[.$]" %)))
                                    (.getStackTrace opened-at))))))

(extend-protocol protocols/Datafiable
  SocketServer
  (datafy [server]
    (ordered
      (assoc (details (OpenObjects/of server))
        :host (.host server)
        :port (long (.port server))
        :open? (.isOpen server))))
  SocketStream
  (datafy [stream]
    (ordered
      (assoc (details (OpenObjects/of stream))
        :host (.host stream)
        :port (long (.port stream))
        :proxy (address (.proxyAddress stream))
        :open? (.isOpen stream)
        :input? (.isInput stream)
        :output? (.isOutput stream)
        :element-type (values/element-type->value (.elementType stream))
        :external-format (values/external-format->value (.externalFormat stream))
        :read-timeout (options/duration->seconds (.readTimeout stream))
        :write-timeout (options/duration->seconds (.writeTimeout stream))
        :error (.error stream))))
  StatusSet
  (datafy [ss]
    {:kind :status-set
     :size (.size ss)
     :actionable (.actionable ss)
     :open? (.isOpen ss)}))
