;;;; Runs scripts of socket steps in CLISP, for comparison with Parley.
;;;;
;;;;   clisp -C -q -q -norc -E UTF-8 interpreter.lisp
;;;;
;;;; Standard input: one list of steps a line, each step (operation argument*). A text argument is
;;;; (:text code*), options are a property list. Standard output: one line for each step, "> " and
;;;; its answer in EDN, as soon as it is known. An error is an answer as well, a vector [:error
;;;; category]. What a list of steps opened stays open for the next one, until (:reset).

(setq custom:*suppress-check-redefinition* t)
(setf (stream-external-format *standard-output*)
      (ext:make-encoding :charset charset:utf-8 :line-terminator :unix))

;;; What a script has opened, by name.

(defvar *ends* (make-hash-table) "The streams of the script: :A, :B ...")
(defvar *descriptors* (make-hash-table) "Their descriptors, by the same names.")
(defvar *closed* '() "The names of ends that were closed.")
(defvar *unbuffered* '() "The names of ends that send at once what is written.")
(defvar *server* nil "The script's server.")
(defvar *links* '() "The client port of every connection made.")
(defvar *waiting* '() "The names of ends whose connection was not accepted yet, the latest first.")
(defvar *pairs* '() "The names of the two ends of every connection that was accepted.")

(defun end (name)
  (or (gethash name *ends*) (error "no such end: ~S" name)))

(defun forget-everything ()
  (maphash (lambda (name stream)
             (declare (ignore name))
             (ignore-errors (close stream :abort t)))
           *ends*)
  (when *server* (ignore-errors (socket:socket-server-close *server*)))
  (clrhash *ends*)
  (clrhash *descriptors*)
  (setq *server* nil *closed* '() *unbuffered* '() *links* '() *waiting* '() *pairs* '()))

;;; Arguments.

(defun text (argument)
  (map 'string #'code-char (rest argument)))

(defun character-of (argument)
  (code-char (second argument)))

(defun byte-type (type)
  "The Lisp type of (:unsigned-byte 16), :unsigned-byte-8, :character ..."
  (cond ((consp type) (list (intern (symbol-name (first type)) :cl) (second type)))
        ((eq type :character) 'character)
        ((eq type :signed-byte-8) '(signed-byte 8))
        (t '(unsigned-byte 8))))

(defun charset (name)
  (symbol-value
   (or (find-symbol (cond ((string= name "UTF-16BE") "UNICODE-16-BIG-ENDIAN")
                          ((string= name "UTF-16LE") "UNICODE-16-LITTLE-ENDIAN")
                          (t name))
                    :charset)
       (error "no such charset: ~A" name))))

(defun action (argument)
  (if (consp argument) (character-of argument) argument))

(defun external-format (options)
  (ext:make-encoding
   :charset (charset (text (getf options :charset '(:text 85 84 70 45 56))))
   :line-terminator (getf options :line-terminator :unix)
   :input-error-action (action (getf options :input-error-action :error))
   :output-error-action (action (getf options :output-error-action :error))))

(defun remember-buffering (name options)
  (unless (getf options :buffered t) (push name *unbuffered*)))

(defun stream-options (options)
  (list :element-type (byte-type (getf options :element-type :character))
        :external-format (external-format (getf options :external-format))
        :buffered (getf options :buffered t)))

(defun bounds (options)
  "Options of the bulk operations, fit for APPLY."
  (loop for (key value) on options by #'cddr
        unless (eq key :size) collect key and collect value))

;;; Everything that was sent has arrived: the kernel counts for both ends of a connection, and
;;; tells by getsockopt(2), option TCP_INFO (see struct tcp_info in linux/tcp.h).

(ffi:def-call-out c-getsockopt
  (:name "getsockopt")
  (:arguments (descriptor ffi:int) (level ffi:int) (option ffi:int)
              (value (ffi:c-ptr (ffi:c-array ffi:uint8 216)) :out)
              (size (ffi:c-ptr ffi:uint32) :in-out))
  (:return-type ffi:int) (:language :stdc) (:library :default))

(ffi:def-call-out c-setsockopt
  (:name "setsockopt")
  (:arguments (descriptor ffi:int) (level ffi:int) (option ffi:int)
              (value (ffi:c-ptr ffi:int)) (size ffi:uint32))
  (:return-type ffi:int) (:language :stdc) (:library :default))

(defun new-end (name stream)
  "Remembers an end, and switches Nagle's algorithm off for it, TCP_NODELAY, which Parley does too."
  (setf (gethash name *ends*) stream
        (gethash name *descriptors*) (ext:stream-handles stream))
  (c-setsockopt (gethash name *descriptors*) 6 1 1 4))

(define-condition unsettled (error) ())

(defun tcp-info (name)
  "The state of an end's connection, and how many bytes it has not sent, sent (each
once, whatever was sent again) and received."
  (multiple-value-bind (result info) (c-getsockopt (gethash name *descriptors*) 6 11 216)
    (unless (eql result 0) (error 'unsettled))
    (flet ((field (at size)
             (loop for i from 0 below size sum (ash (aref info (+ at i)) (* 8 i)))))
      (list (field 0 1) (field 144 4) (- (field 200 8) (field 208 8)) (field 128 8)))))

(defun arrived-p (from to)
  "Whether what one end sent, and the end of it, has come to the other."
  (let ((sender (and (open-stream-p (end from)) (tcp-info from)))
        (receiver (and (open-stream-p (end to)) (tcp-info to))))
    (or (null receiver)
        (and (or (null sender)
                 (and (zerop (second sender)) (<= (third sender) (fourth receiver))))
             ;; 1 ESTABLISHED, 4 FIN_WAIT1 and 5 FIN_WAIT2 know of no end of what they receive.
             (or (and sender (member (first sender) '(1 8)))
                 (not (member (first receiver) '(1 4 5))))))))

(defvar *settled* t "Nothing was sent since it was last known that everything has arrived.")

(defun settle ()
  (unless *settled*
    (loop with deadline = (+ (get-internal-real-time) (* 5 internal-time-units-per-second))
          until (loop for (a . b) in *pairs*
                      always (and (arrived-p a b) (arrived-p b a)))
          do (when (> (get-internal-real-time) deadline)
               (error 'unsettled))))
  (setq *settled* t))

;;; Answers.

(defstruct category name)

(defun print-code (code)
  (cond ((= code 34) (write-string "\\\""))
        ((= code 92) (write-string "\\\\"))
        ((<= 32 code 126) (write-char (code-char code)))
        ((< code #x10000) (format t "\\u~4,'0X" code))
        (t (let ((rest (- code #x10000)))
             (format t "\\u~4,'0X\\u~4,'0X" (+ #xD800 (ash rest -10))
                     (+ #xDC00 (logand rest 1023)))))))

(defun print-answer (value)
  (typecase value
    (null (write-string "nil"))
    ((eql t) (write-string "true"))
    (keyword (format t ":~(~A~)" value))
    (integer (format t "~D" value))
    (rational (format t "~D/~D" (numerator value) (denominator value)))
    (float (print-answer (rational value)))
    (character (print-answer (string value)))
    (string (write-char #\")
            (map nil (lambda (c) (print-code (char-code c))) value)
            (write-char #\"))
    (sequence (write-char #\[)
              (let ((first t))
                (map nil (lambda (element)
                           (unless first (write-char #\Space))
                           (setq first nil)
                           (print-answer element))
                     value))
              (write-char #\]))
    (category (format t "[:error :~(~A~)]" (category-name value)))
    (t (format t ":strange"))))

(defun os-error-name (text)
  "The name between the parentheses of OS-ERROR(EPIPE): ..."
  (let ((open (position #\( text)) (close (position #\) text)))
    (if (and open close) (subseq text (1+ open) close) "os-error")))

(defun type-name (condition) (symbol-name (type-of condition)))

(defun category-of (condition closed)
  (make-category
   :name (cond ((typep condition 'unsettled) "unsettled")
               (closed "closed")
               ((typep condition 'end-of-file) "eof")
                ((search "OS-" (symbol-name (type-of condition)))
                (os-error-name (princ-to-string condition)))
              ((search "CHARSET" (type-name condition)) "coding")
               (t "misuse"))))

;;; Steps.

(defvar *operations* (make-hash-table))

(defmacro define-step (name arguments &body body)
  `(setf (gethash ,name *operations*) (lambda ,arguments ,@body)))

(defmacro define-sending-step (name arguments &body body)
  "A step that may send something."
  `(setf (gethash ,name *operations*)
         (lambda ,arguments
           (setq *settled* nil)
           ,@body)))

(defmacro define-writing-step (name (end &rest arguments) &body body)
  "A step that sends what it writes when the end is not buffered."
  `(setf (gethash ,name *operations*)
         (lambda (,end ,@arguments)
           (when (member ,end *unbuffered*) (setq *settled* nil))
           ,@body)))

(defmacro define-observation (name arguments &body body)
  "A step whose answer depends on what has arrived."
  `(setf (gethash ,name *operations*)
         (lambda ,arguments
           (settle)
           ,@body)))

(defun eof-arguments (eof)
  (if eof (list nil eof) '()))

(define-step :reset () (forget-everything) :done)

;; Servers and connections.

(define-step :server (&optional options)
  (let ((interface (getf options :interface)))
    (setq *server* (socket:socket-server 0
                                         :interface (if interface (text interface) "127.0.0.1")
                                         :backlog (getf options :backlog 5))))
  :done)

(define-sending-step :connect (name &optional options)
  (let ((stream (apply #'socket:socket-connect (socket:socket-server-port *server*) "127.0.0.1"
                       (stream-options options))))
    (new-end name stream)
    (remember-buffering name options)
    (push name *waiting*)
    (push (nth-value 1 (socket:socket-stream-local stream t)) *links*)
    :done))

(define-sending-step :connect-to (name port &optional options)
  (new-end name (apply #'socket:socket-connect port "127.0.0.1" (stream-options options)))
  :done)

(define-sending-step :accept (name &optional options)
  (new-end name (apply #'socket:socket-accept *server* :timeout 5 (stream-options options)))
  (remember-buffering name options)
  (when *waiting*
    (push (cons (car (last *waiting*)) name) *pairs*)
    (setq *waiting* (butlast *waiting*)))
  :done)

(define-step :accept-within (seconds)
  (close (socket:socket-accept *server* :timeout seconds)))

(define-step :listening-port () (socket:socket-server-port *server*))
(define-step :server-host () (socket:socket-server-host *server*))
(define-step :server-port () (plusp (socket:socket-server-port *server*)))
(define-observation :server-status () (values (socket:socket-status *server* 0)))
(define-step :wait (seconds) (socket:socket-wait *server* seconds))
(define-step :server-close ()
  (setf (gethash :s *ends*) *server*)
  (let ((answer (socket:socket-server-close *server*)))
    (pushnew :s *closed*)
    answer))
(define-step :server-options (&rest options)
  (coerce (multiple-value-list (apply #'socket:socket-options *server* options)) 'vector))

(define-step :host (name) (socket:socket-stream-host (end name)))
(define-step :port (name)
  (= (socket:socket-stream-port (end name)) (socket:socket-server-port *server*)))

(defun address (host port)
  (list host (cond ((= port (socket:socket-server-port *server*)) :server-port)
                   ((member port *links*) :client-port)
                   (t port))))

(define-step :peer (name &optional numeric)
  (multiple-value-call #'address (socket:socket-stream-peer (end name) numeric)))
(define-step :local (name &optional numeric)
  (multiple-value-call #'address (socket:socket-stream-local (end name) numeric)))
(define-sending-step :shutdown (name direction)
  (socket:socket-stream-shutdown (end name) direction))
(define-step :options (name &rest options)
  (coerce (multiple-value-list (apply #'socket:socket-options (end name) options)) 'vector))

;; Status.

(define-observation :status (name &optional direction)
  (values (socket:socket-status (if direction (cons (end name) direction) (end name)) 0)))

(defun place (place)
  (cond ((eq place :s) *server*)
        ((consp place) (cons (end (first place)) (second place)))
        (t (end place))))

(define-observation :statuses (places)
  (multiple-value-list (socket:socket-status (mapcar #'place places) 0)))

(define-observation :await-status (name direction seconds)
  (values (socket:socket-status (cons (end name) direction) seconds)))

;; Characters.

(define-step :read-char (name &optional eof)
  (apply #'read-char (end name) (eof-arguments eof)))
(define-step :peek-char (name &optional eof)
  (apply #'peek-char nil (end name) (eof-arguments eof)))
(define-step :peek-past-space (name) (peek-char t (end name)))
(define-step :peek-for (name character) (peek-char (character-of character) (end name)))
(define-step :unread-char (name character) (unread-char (character-of character) (end name)))
(define-observation :read-char-no-hang (name &optional eof)
  (apply #'read-char-no-hang (end name) (eof-arguments eof)))
(define-step :read-line (name &optional eof)
  (multiple-value-list (apply #'read-line (end name) (eof-arguments eof))))
(define-step :read-chars (name size &optional (start 0) (stop size))
  (let* ((string (make-string size))
         (index (ext:read-char-sequence string (end name) :start start :end stop)))
    (list index (subseq string (min start index) index))))
(define-observation :listen (name) (listen (end name)))
(define-observation :will-hang (name) (ext:read-char-will-hang-p (end name)))
(define-step :clear-input (name) (clear-input (end name)))

(define-writing-step :write-char (name character) (write-char (character-of character) (end name)))
(define-writing-step :write-string (name string &rest bounds)
  (apply #'write-string (text string) (end name) bounds))
(define-writing-step :write-line (name string) (write-line (text string) (end name)))
(define-writing-step :write-chars (name string &rest bounds)
  (apply #'ext:write-char-sequence (text string) (end name) bounds))
(define-writing-step :terpri (name) (terpri (end name)))
(define-writing-step :fresh-line (name) (fresh-line (end name)))

;; Bytes.

(define-step :read-byte (name &optional eof)
  (apply #'read-byte (end name) (eof-arguments eof)))
(define-observation :read-byte-no-hang (name &optional eof)
  (apply #'ext:read-byte-no-hang (end name) (eof-arguments eof)))
(define-observation :lookahead (name) (ext:read-byte-lookahead (end name)))
(define-observation :byte-will-hang (name) (ext:read-byte-will-hang-p (end name)))
(define-observation :read-bytes (name size &rest options)
  (let* ((type (stream-element-type (end name)))
         (bytes (make-array size :element-type (if (eq type 'character) '(unsigned-byte 8) type)))
         (index (apply #'ext:read-byte-sequence bytes (end name) options)))
    (list index (subseq bytes (getf options :start 0) index))))
(define-writing-step :write-byte (name byte) (write-byte byte (end name)))
(define-writing-step :write-bytes (name bytes &rest options)
  (nth-value 1 (apply #'ext:write-byte-sequence (coerce bytes 'vector) (end name) options)))
(define-step :read-integer (name type endianness &optional eof)
  (apply #'ext:read-integer (end name) (byte-type type) endianness (eof-arguments eof)))
(define-writing-step :write-integer (name integer type endianness)
  (ext:write-integer integer (end name) (byte-type type) endianness))

(defun float-type (type) (if (eq type :single-float) 'single-float 'double-float))

(define-step :read-float (name type endianness &optional eof)
  (apply #'ext:read-float (end name) (float-type type) endianness (eof-arguments eof)))
(define-writing-step :write-float (name ratio type endianness)
  (ext:write-float (coerce ratio (float-type type)) (end name) (float-type type) endianness))

;; Both.

(define-sending-step :force (name) (force-output (end name)))
(define-sending-step :finish (name) (finish-output (end name)))
(define-step :clear-output (name) (clear-output (end name)))
(define-step :element-type (name)
  (let ((type (stream-element-type (end name))))
    (cond ((eq type 'character) :character)
          ((equal type '(unsigned-byte 8)) :unsigned-byte-8)
          ((equal type '(signed-byte 8)) :signed-byte-8)
          (t (list (intern (symbol-name (first type)) :keyword) (second type))))))
(define-step :set-element-type (name type)
  (setf (stream-element-type (end name)) (byte-type type))
  :done)
(define-step :set-external-format (name options)
  (setf (stream-external-format (end name)) (external-format options))
  :done)
(define-step :open? (name) (open-stream-p (end name)))
(define-step :input? (name) (input-stream-p (end name)))
(define-step :output? (name) (output-stream-p (end name)))
(define-sending-step :close (name)
  (unwind-protect (close (end name)) (pushnew name *closed*))
  :done)
(define-sending-step :abort (name)
  (unwind-protect (close (end name) :abort t) (pushnew name *closed*))
  :done)

;;; The loop.

(defun subject (step)
  "The name of the end that the step is about."
  (if (member (first step) '(:server-status :wait :accept :accept-within)) :s (second step)))

(defun answer (step)
  (let ((closed (member (subject step) *closed*)))
    (handler-case (apply (or (gethash (first step) *operations*)
                             (error "no such step: ~S" (first step)))
                         (rest step))
      (error (condition) (category-of condition closed)))))

(let ((*read-eval* nil))
  (loop for steps = (read *standard-input* nil :end)
        until (eq steps :end)
        do (dolist (step steps)
             (let ((answer (answer step)))
               (write-string "> ")
               (print-answer answer)
               (terpri)
               (finish-output)))))
(forget-everything)
