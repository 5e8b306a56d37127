(ns parley.impl.login
  "Tokens, and how a client shows that it knows a server's: it sends it as a line, as a person does, or it
  answers a challenge, which tells the token to nobody, also not to who has taken the port of a server
  that is gone. Lines of ASCII:

    client   parley-hmac-1 <the client's nonce>
    server   parley-hmac-1 <the server's nonce>
    client   parley-hmac-1 <HMAC-SHA-256 of \"client\" and both nonces, the token being the key>
    server   parley-hmac-1 <the same of \"server\">

  after which the server serves. It says nothing to who does not ask, and proves that it knows the token
  only to who has proved it first; a client sends no code before that. Who sits between the two and passes
  their lines on is not found out: that takes encryption."
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
  "Characters of a login line at most."
  256)

(def ^:private token-rule
  "a string of 16 to 256 characters of ASCII without spaces")

(defn check-token
  "A token that a caller chose, as bytes."
  ^bytes [op token]
  (when-not (and (string? token) (re-matches #"[\x21-\x7e]{16,256}" token))
    (throw (options/misuse op ":token is not fit for one" token-rule)))
  (.getBytes ^String token "US-ASCII"))

(defn- in-base64 ^String [^bytes bytes]
  (.encodeToString (.withoutPadding (Base64/getUrlEncoder)) bytes))

(defn new-token
  "32 random bytes in 43 characters; a nonce, too."
  ^String []
  (let [bytes (byte-array 32)]
    (.nextBytes (SecureRandom.) bytes)
    (in-base64 bytes)))

(defn same-token?
  "Compares in a time that tells nothing."
  [^bytes a ^bytes b]
  (MessageDigest/isEqual a b))

;; ---- the challenge ------------------------------------------------------------------------------

(def ^:private word "parley-hmac-1")

(defn- said [what]
  (str word " " what))

(defn- proof
  "What `side`, \"client\" or \"server\", says to show that it knows the token."
  ^String [^bytes token side client-nonce server-nonce]
  (let [mac (Mac/getInstance "HmacSHA256")]
    (.init mac (SecretKeySpec. token "HmacSHA256"))
    (said (in-base64 (.doFinal mac (.getBytes (str/join " " [side client-nonce server-nonce]) "US-ASCII"))))))

(defn- nonce-of [line]
  (second (re-matches #"parley-hmac-1 ([\w-]{43})" line)))

(defn- same-line? [^String a ^String b]
  (same-token? (.getBytes a "ISO-8859-1") (.getBytes b "ISO-8859-1")))

(defn judge
  "A function of a login line's bytes, for a server: {:verdict :admit, :wait, :wrong or :end, :say a line or nil}.
  A program that has answered wrongly will not know better: it is told at once, by the end."
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
                   :say (said mine)})
          :else {:verdict :wrong})))))

(defn prove
  "A client's part. `ask` sends a line and gives the one that comes, nil at the end of input: nil when
  both know the token, else what is wrong."
  [^bytes token ask]
  (let [mine (new-token)
        answer (ask (said mine))
        its (some-> answer nonce-of)]
    (cond
      (nil? answer) "it closed the connection"
      (nil? its) "it does not ask for the token as a server of this library does"
      :else (let [answer (ask (proof token "client" mine its))]
              (cond
                (nil? answer) "it closed the connection: its token is another one"
                (not (same-line? answer (proof token "server" mine its))) "it does not know the token itself")))))
