(ns parley.impl.checksum
  "The checksums that parley.rawsock publishes."
  {:no-doc true}
  (:require
   [parley.impl.options :as options]
   [parley.impl.rawsock :as impl])
  (:import
   (parley.posix Checksums)))

(set! *warn-on-reflection* true)

(defn- checksum [op frame args f]
  (let [frame (impl/buffer op frame)
        [start end] (options/bounds op (alength frame) (options/option-map op #{:start :end} args))]
    (f frame start end)))

(defn ipcsum
  "Computes the checksum of the IP header in an Ethernet frame, stores it in the frame, and returns
  it, most significant byte first (CLISP: least significant first, for ICMP too). CLISP
  RAWSOCK:IPCSUM.

  :start :end  the part of the array that is the frame, by default all; it begins with the 14 bytes
               of the Ethernet header"
  {:arglists '([frame & {:keys [start end]}])}
  [frame & args]
  (checksum "ipcsum" frame args (fn [f start end] (Checksums/ip f (int start) (int end)))))

(defn icmpcsum
  "Computes, stores and returns the checksum of the ICMP message in a frame, as ipcsum does. CLISP
  RAWSOCK:ICMPCSUM.

  :start :end  as of ipcsum"
  {:arglists '([frame & {:keys [start end]}])}
  [frame & args]
  (checksum "icmpcsum" frame args (fn [f start end] (Checksums/icmp f (int start) (int end)))))

(defn tcpcsum
  "Computes, stores and returns the checksum of the TCP segment in a frame, as ipcsum does. CLISP
  RAWSOCK:TCPCSUM.

  :start :end  as of ipcsum"
  {:arglists '([frame & {:keys [start end]}])}
  [frame & args]
  (checksum "tcpcsum" frame args (fn [f start end] (Checksums/tcp f (int start) (int end)))))

(defn udpcsum
  "Computes, stores and returns the checksum of the UDP datagram in a frame, as ipcsum does. CLISP
  RAWSOCK:UDPCSUM.

  :start :end  as of ipcsum"
  {:arglists '([frame & {:keys [start end]}])}
  [frame & args]
  (checksum "udpcsum" frame args (fn [f start end] (Checksums/udp f (int start) (int end)))))
