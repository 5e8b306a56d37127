;;;; Evaluates the CLISP column of doc/clisp.md.
;;;;
;;;;   clisp -C -q -q -norc -E UTF-8 examples.lisp
;;;;
;;;; Standard input: one form a line. Standard output: a line for each, "> " and its values as CLISP
;;;; prints them, with ", " between; or "! " and the condition.

(setq custom:*suppress-check-redefinition* t)
(setf (stream-external-format *standard-output*)
      (ext:make-encoding :charset charset:utf-8 :line-terminator :unix))

(let ((*print-pretty* nil))
  (loop for form = (read *standard-input* nil :end)
        until (eq form :end)
        do (handler-case
               (let ((values (multiple-value-list (eval form))))
                 (format t "> ~{~S~^, ~}~%" values))
             (error (condition)
               (format t "! ~A~%" (substitute #\Space #\Newline (princ-to-string condition)))))
           (finish-output)))
