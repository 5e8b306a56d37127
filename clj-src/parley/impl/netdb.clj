(ns parley.impl.netdb
  "Names, protocols, networks and interfaces of the C library, as Clojure's values."
  {:no-doc true}
  (:require
   [parley.impl.options :as options]
   [parley.impl.rawsock :as rawsock]
   [parley.impl.sockaddr :as sockaddr])
  (:import
   (java.util Collection LinkedHashSet)
   (parley.posix Interfaces Interfaces$Entry Protocols Protocols$Network Protocols$Protocol Resolver Resolver$Found Resolver$Named Resolver$Question)))

(set! *warn-on-reflection* true)

(defn- chosen-flags [op flags opts]
  (LinkedHashSet. ^Collection
    (into [] (comp (filter #(options/flag op % (get opts %))) (map name)) flags)))

(defn- designated
  "Calls the function that suits a designator: `all` for nil, `named` for a string, `numbered` for an
  integer."
  [op what expected designator {:keys [all named numbered]}]
  (cond
    (nil? designator) (all)
    (string? designator) (named designator)
    (int? designator) (numbered designator)
    :else (throw (options/misuse op (str what " is " (options/show designator)) expected))))

;; ---- protocols and networks ---------------------------------------------------------------------

(defn- protocol-map [^Protocols$Protocol p]
  (when p
    {:name (.name p) :aliases (vec (.aliases p)) :proto (long (.number p))}))

(defn protocol
  "Returns the protocol of a name or a number, or all for nil."
  [designator]
  (designated "protocol" "the protocol" "a name, a number or nil" designator
    {:all #(mapv protocol-map (Protocols/protocols))
     :named #(protocol-map (Protocols/protocol ^String %))
     :numbered #(protocol-map (Protocols/protocol (int (rawsock/c-int "protocol" "the protocol" %))))}))

(defn- network-map [^Protocols$Network n]
  (when n
    {:name (.name n) :aliases (vec (.aliases n)) :type (sockaddr/name-value (.family n))
     :net (Integer/toUnsignedLong (.number n))}))

(defn network
  "Returns the network of a name, or of a number and a family, or all for nil."
  [designator family]
  (designated "network" "the network" "a name, a number or nil" designator
    {:all #(mapv network-map (Protocols/networks))
     :named #(network-map (Protocols/network ^String %))
     :numbered #(network-map (Protocols/network (unchecked-int %) (sockaddr/domain-name "network" family)))}))

;; ---- names --------------------------------------------------------------------------------------

(def address-flags
  "The flags of getaddrinfo."
  [:passive :canonname :numerichost :numericserv :v4mapped :all :addrconfig])

(def ^:private name-flags [:nofqdn :numerichost :namereqd :numericserv :dgram])

(defn- question ^Resolver$Question [op {:keys [node service family socktype]
                                        :as opts}]
  (doseq [[k x] {:node node :service service}]
    (when-not (or (nil? x) (string? x))
      (throw (options/misuse op (str k " is " (options/show x)) "a string or nil"))))
  (Resolver$Question. node service
    (when family (sockaddr/domain-name op family))
    (when socktype (rawsock/type-name op socktype))
    (int (rawsock/protocol-number op (:protocol opts) protocol))
    (chosen-flags op address-flags opts)))

(defn addresses
  "Returns what getaddrinfo finds."
  [op args]
  (let [known (into #{:node :service :family :socktype :protocol} address-flags)]
    (mapv (fn [^Resolver$Found found]
            {:flags (long (.flags found))
             :family (sockaddr/name-value (.family found))
             :type (sockaddr/name-value (.type found))
             :protocol (long (.protocol found))
             :address (.address found)
             :name (.name found)})
      (Resolver/addresses (question op (options/option-map op known args))))))

(defn names
  "Returns [host service], as getnameinfo finds them."
  [op address args]
  (let [opts (options/option-map op (set name-flags) args)
        ^Resolver$Named named (Resolver/name (sockaddr/sockaddr op address) (chosen-flags op name-flags opts))]
    [(.host named) (.service named)]))

;; ---- interfaces ---------------------------------------------------------------------------------

(defn interface
  "Returns the index of an interface's name, the name of its index, or a map of all for nil."
  [designator]
  (let [all (into (sorted-map) (map (fn [[i n]] [(long i) n])) (Interfaces/nameIndex))]
    (designated "if-name-index" "the interface" "a name, an index or nil" designator
      {:all (constantly all)
       :named (fn [designator] (some (fn [[i n]] (when (= n designator) i)) all))
       :numbered (fn [designator] (get all (long designator)))})))

(defn- check-flags [op {:keys [flags-or flags-and]}]
  (let [known (into #{} (map keyword) (Interfaces/knownFlags))]
    (doseq [[k flags] {:flags-or flags-or :flags-and flags-and}]
      (when-not (or (nil? flags) (coll? flags))
        (throw (options/misuse op (str k " is " (options/show flags)) "a collection of flags"))))
    (doseq [flag (concat flags-or flags-and)]
      (options/choose op "a flag" (zipmap known known) flag))))

(defn interfaces
  "Returns the addresses of the interfaces that have the flags asked for."
  [op args]
  (let [{:keys [flags-or flags-and]
         :as opts} (options/option-map op #{:flags-or :flags-and} args)]
    (check-flags op opts)
    (into []
      (comp
        (map (fn [^Interfaces$Entry e]
               {:name (.name e)
                :flags (into #{} (map keyword) (.flags e))
                :address (.address e)
                :netmask (.netmask e)
                :destination (.destination e)}))
        (filter (fn [{:keys [flags]}]
                  (and (every? flags flags-and)
                       (or (empty? flags-or) (some flags flags-or))))))
      (Interfaces/all))))
