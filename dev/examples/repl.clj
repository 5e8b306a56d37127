(ns examples.repl
  "Example 32.13 of the chapter \"Socket Streams\" of CLISP's implementation notes: a Lisp
  read-eval-print loop server, nearly word for word. For daily use there is parley.repl."
  (:require
   [parley.socket :refer [socket-accept socket-server socket-server-close socket-server-host socket-server-port socket-status socket-stream-local socket-stream-peer with-open-stream]]
   [parley.stream :refer [finish-output read-char-no-hang socket-reader socket-writer terpri]]))

(set! *warn-on-reflection* true)

(defn repl-server
  "Here is a simple lisp read-eval-print loop server that waits for a remote connection and evaluates
  forms read from it. Limited to local connections, as the chapter advises."
  ([] (repl-server (socket-server 0 :interface "127.0.0.1")))
  ([server]
   (printf "Waiting for a connection on %s:%d%n"
     (pr-str (socket-server-host server)) (socket-server-port server))
   (try
     ;; infinite loop, terminate with Control+C
     (while true
       (with-open-stream [socket (socket-accept server)]
         (let [[local-host local-port] (socket-stream-local socket)
               [remote-host remote-port] (socket-stream-peer socket)]
           (printf "Connection: %s:%d -- %s:%d%n"
             (pr-str remote-host) remote-port (pr-str local-host) local-port))
         ;; loop is terminated when the remote host closes the connection
         (loop []
           (when-not (= :eof (socket-status [socket :input]))
             (binding [*out* (socket-writer socket)]
               (print (eval (read (socket-reader socket)))))
             ;; flush everything left in socket
             (while (read-char-no-hang socket nil nil))
             (terpri socket)
             (finish-output socket)
             (recur)))))
     ;; make sure server is closed
     (finally
       (socket-server-close server)))))
