;; What CLISP's socket-status of a list costs, nothing ready: prints nanoseconds per call.
;; CLISP uses select(2), so that 1,024 descriptors are the end.
(let* ((server (socket:socket-server))
       (port (socket:socket-server-port server))
       (peers nil)
       (list (loop repeat 480
                   collect (let ((s (socket:socket-connect port "127.0.0.1")))
                             (push (socket:socket-accept server) peers)
                             (cons s :input))))
       (took (loop repeat 31
                   collect (let ((start (get-internal-real-time)))
                             (dotimes (i 50) (socket:socket-status list 0))
                             (/ (- (get-internal-real-time) start)
                                50 (/ internal-time-units-per-second 1000000000))))))
  (format t "~D~%" (round (nth 7 (sort took #'<)))))
