(ns parley.impl.login
  "Tokens, and how a client proves that it has that of the server. A person sends the token as a line. A
  program proves it by a challenge, which reveals the token to no process, such as one that has taken the
  port of a server that has ended. Lines of ASCII:

    client   parley-hmac-1 <the client's nonce>
    server   parley-hmac-1 <the server's nonce>
    client   parley-hmac-1 <HMAC-SHA-256 of \"client\" and both nonces, the token being the key>
    server   parley-hmac-1 <the same of \"server\">

  Then the session starts. The server sends nothing before the client's first line, and proves the token only
  to a client that has proved it first. The client sends no code before that. A relay that forwards the lines
  of both sides is not detected: that requires encryption. doc/architecture.md compares the alternatives."
  {:no-doc true}
  (:require
   [clojure.string :as str]
   [parley.impl.options :as options])
  (:import
   (java.security MessageDigest SecureRandom)
   (java.util Base64)
   (javax.crypto Mac)
   (javax.crypto.spec SecretKeySpec)))

(set! *warn-on-reflection* true)

(def longest-line
  "Maximum number of characters of a login line."
  256)

(def ^:private token-rule
  "a string of 16 to 256 characters of ASCII without spaces")

(defn check-token
  "Checks a token that a caller chose, and returns its bytes."
  ^bytes [op token]
  (when-not (and (string? token) (re-matches #"[\x21-\x7e]{16,256}" token))
    (throw (options/misuse op (if (string? token)
                                ":token has a wrong length or wrong characters"
                                (str ":token is a " (.getSimpleName (class token))))
             token-rule)))
  (.getBytes ^String token "US-ASCII"))

(defn- in-base64 ^String [^bytes bytes]
  (.encodeToString (.withoutPadding (Base64/getUrlEncoder)) bytes))

(defn new-token
  "Returns 32 random bytes in 43 characters, for a token or a nonce."
  ^String []
  (let [bytes (byte-array 32)]
    (.nextBytes (SecureRandom.) bytes)
    (in-base64 bytes)))

(defn same-token?
  "Compares in constant time."
  [^bytes a ^bytes b]
  (MessageDigest/isEqual a b))

;; ---- the challenge ------------------------------------------------------------------------------

(def ^:private word "parley-hmac-1")

(defn- line-of [what]
  (str word " " what))

(defn- proof
  "Returns the line with which `side`, \"client\" or \"server\", proves the token."
  ^String [^bytes token side client-nonce server-nonce]
  (let [mac (Mac/getInstance "HmacSHA256")]
    (.init mac (SecretKeySpec. token "HmacSHA256"))
    (line-of (in-base64 (.doFinal mac (.getBytes (str/join " " [side client-nonce server-nonce]) "US-ASCII"))))))

(defn- nonce-of [line]
  (second (re-matches #"parley-hmac-1 ([\w-]{43})" line)))

(defn- same-line? [^String a ^String b]
  (same-token? (.getBytes a "ISO-8859-1") (.getBytes b "ISO-8859-1")))

(defn judge
  "Returns a function of a login line's bytes, for a server, that returns {:verdict :admit, :wait, :wrong or
  :end, :say a line or nil}. A wrong proof ends the connection at once, since a program would repeat it."
  [^bytes token]
  (let [challenge (volatile! nil)] ; [client's nonce, server's], until it is answered
    (fn [^bytes line]
      (let [text (String. line "ISO-8859-1")
            nonce (nonce-of text)
            [client server] @challenge]
        (vreset! challenge nil)
        (cond
          client (if (same-line? text (proof token "client" client server))
                   {:verdict :admit
                    :say (proof token "server" client server)}
                   {:verdict :end})
          (same-token? token line) {:verdict :admit}
          nonce (let [mine (new-token)]
                  (vreset! challenge [nonce mine])
                  {:verdict :wait
                   :say (line-of mine)})
          :else {:verdict :wrong})))))

(defn prove
  "Logs a client in. `ask` sends a line and returns the next line, nil at the end of input. Returns nil when
  both sides have proved the token, else the reason of the failure."
  [^bytes token ask]
  (let [mine (new-token)
        reply (ask (line-of mine))
        its (some-> reply nonce-of)]
    (cond
      (nil? reply) "it closed the connection"
      (str/starts-with? reply "\u0015\u0003") "it speaks TLS on this port, pass :tls" ; an alert
      (nil? its) "it does not ask for the token as a server of this library does"
      :else (let [reply (ask (proof token "client" mine its))]
              (cond
                (nil? reply) "it closed the connection: its token differs"
                (not (same-line? reply (proof token "server" mine its))) "it does not have the token itself")))))
