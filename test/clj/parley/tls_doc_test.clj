(ns parley.tls-doc-test
  "The examples of doc/tls.md do what it says, and so does dev/examples/smtp.clj."
  (:require
   [clojure.string :as str]
   [clojure.test :refer [deftest is]]
   [examples.smtp :as smtp]
   [parley.socket :as socket]
   [parley.stream :as stream]
   [parley.tls :as tls])
  (:import
   (java.io Closeable)
   (java.net ProtocolException)
   (parley.net ErrorCode)
   (parley.testing CertificateAuthority CertificateAuthority$Identity Child Family TemporaryPaths)))

(set! *warn-on-reflection* true)

(def ^:private text (slurp "doc/tls.md"))

(defn- blocks [language]
  (map second (re-seq (re-pattern (str "(?s)```" language "\n(.*?)```")) text)))

(defn- run
  "Evaluates an example; the value of the form before `;=>` must be as it says."
  [code]
  (doseq [[_ code expected] (re-seq #"(?s)(.*?)(?:;=> ([^\n]*)\n|\z)" code)
          :when (not (str/blank? code))]
    (let [value (load-string code)]
      (when expected
        (is (= (read-string expected) value) code)))))

(deftest the-examples-of-the-document-work
  (let [directory (TemporaryPaths/directory)
        script (first (blocks "bash"))
        [_ & examples] (blocks "clojure") ; the first is of the Internet
        here {"\"root.pem\"" (pr-str (str directory "/root.pem"))
              "\"server.pem\"" (pr-str (str directory "/server.pem"))
              "\"server.key\"" (pr-str (str directory "/server.key"))
              "\"alice.pem\"" (pr-str (str directory "/alice.pem"))
              "\"alice.key\"" (pr-str (str directory "/alice.key"))
              "7443" (str (Family/freePort))
              "7444" (str (Family/freePort))
              ":tls {:cert" ":log nil :tls {:cert"}]
    (with-open [c (Child/command (into-array String ["bash" "-ec" (str "cd " directory "\n" script "\necho made")]))]
      (loop [line (.line c)]
        (when-not (= "made" line)
          (is (some? line) "openssl ends well")
          (when line
            (recur (.line c))))))
    (is (= 4 (count examples)))
    (binding [*ns* (create-ns 'parley.tls-doc-test.examples)]
      (refer-clojure)
      (require '[parley.socket :as socket] '[parley.stream :as stream] '[parley.tls :as tls])
      (doseq [example examples
              :let [serve? (str/includes? example "(serve ")]]
        (run (reduce (fn [code [name here]]
                       (if (and serve? (= name ":tls {:cert"))
                         code
                         (str/replace code name here)))
               example here))))))

(deftest the-table-has-every-code
  (let [codes (map #(.lowerCaseName ^ErrorCode %) (filter #(str/starts-with? (str %) "TLS_") (ErrorCode/values)))]
    (doseq [code codes]
      (is (str/includes? text (str "`:" code "`")) code)
      (is (str/includes? (:doc (meta (the-ns 'parley.tls))) (str ":" code)) code))))

;; ---- SMTP ---------------------------------------------------------------------------------------

(def ^:private ^CertificateAuthority$Identity root (CertificateAuthority/root "root"))
(def ^:private ^CertificateAuthority$Identity own
  (CertificateAuthority/issue root (into-array String ["localhost"])))

(defn- mail-server
  "Plays a server of SMTP for one client: what it was told after STARTTLS."
  [server greeting]
  (future
    (with-open [^Closeable s (socket/socket-accept server :timeout 20 :read-timeout 20 :external-format :dos)]
      (let [say (fn [& lines]
                  (run! #(stream/write-line % s) lines)
                  (stream/force-output s))
            data (fn []
                   (loop [lines []]
                     (let [line (stream/read-line s)]
                       (if (= "." line) lines (recur (conj lines line))))))]
        (say "220 mail.example ESMTP")
        (loop [told []]
          (let [line (stream/read-line s :eof nil)
                told (conj told line)]
            (cond
              (nil? line) told
              (str/starts-with? line "EHLO") (do (apply say greeting) (recur told))
              (= line "STARTTLS") (do (say "220 go ahead")
                                      (tls/start-tls! s {:cert (.certificates own)
                                                         :key (.keyText own)})
                                      (recur []))
              (= line "DATA") (do (say "354 send it")
                                  (let [told (into told (data))]
                                    (say "250 taken")
                                    (recur told)))
              (= line "QUIT") (do (say "221 bye") told)
              :else (do (say "250 ok") (recur told)))))))))

(deftest a-mail-is-sent-under-tls-or-not-at-all
  (with-open [server (socket/socket-server 0 :interface "127.0.0.1")]
    (let [mail {:host "localhost"
                :port (socket/socket-server-port server)
                :tls {:ca (.certificates root)}
                :from "me@example.org"
                :to ["you@example.org" "them@example.org"]
                :text "Subject: x\n\n.hidden\nend"}
          told (mail-server server ["250-mail.example" "250-SIZE 1000" "250 STARTTLS"])]
      (is (nil? (smtp/send-mail mail)))
      (is (= ["MAIL FROM:<me@example.org>" "RCPT TO:<you@example.org>" "RCPT TO:<them@example.org>" "DATA"
              "Subject: x" "" "..hidden" "end" "QUIT"]
            (rest @told)))
      (let [told (mail-server server ["250 mail.example"])]
        (is (thrown-with-msg? ProtocolException #"has no STARTTLS; nothing was sent" (smtp/send-mail mail)))
        (is (= 2 (count @told)) "EHLO, and the end"))
      (is (thrown-with-msg? IllegalArgumentException #"is no address"
            (smtp/send-mail (assoc mail :to ["x@y>\r\nDATA"])))))))
