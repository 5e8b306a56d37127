(ns parley.impl.call-options
  "The options of one read or one write: its own timeout, and the value that a read returns at the end of
  the file."
  {:no-doc true}
  (:require
   [parley.impl.object :as object]
   [parley.impl.options :as options])
  (:import
   (parley.net StreamInput StreamOutput)))

(set! *warn-on-reflection* true)

;; ---- a timeout for one call ---------------------------------------------------------------------

(defn reading-within
  "Calls f, which reads from s, under the :timeout of `opts` if given."
  [op s opts f]
  (if (contains? opts :timeout)
    (let [^StreamInput in (object/in op s)]
      (with-open [_ (.within in (options/->duration op (:timeout opts)))]
        (f)))
    (f)))

(defn writing-within
  "Calls f, which writes to s, under the :timeout of `opts` if given."
  [op s opts f]
  (if (contains? opts :timeout)
    (let [^StreamOutput out (object/out op s)]
      (with-open [_ (.within out (options/->duration op (:timeout opts)))]
        (f)))
    (f)))

;; ---- arguments ----------------------------------------------------------------------------------

(defmacro plain?
  "True when x is an eof-error? argument; otherwise options begin there."
  [x]
  `(let [x# ~x]
     (or (nil? x#) (true? x#) (false? x#))))

(defn- option?
  "Returns true when options may begin with x."
  [x]
  (or (keyword? x) (map? x)))

(defn reading
  "Calls f with eof-error? and eof-value. `args` are these two, or one or none of them, and then options;
  or only options."
  [op s args f]
  (let [[eof-error? eof-value] args]
    (cond
      (empty? args) (f true nil)

      (plain? eof-error?)
      (reading-within op s (options/option-map op #{:timeout} (drop 2 args)) #(f eof-error? eof-value))

      (option? eof-error?)
      (let [opts (options/option-map op #{:timeout :eof} args)]
        (reading-within op s opts #(f (not (contains? opts :eof)) (:eof opts))))

      :else
      (throw (options/misuse op (str "eof-error? is " (options/show eof-error?))
               "true, false or nil, or in its place options such as :timeout 5 :eof nil")))))

(defmacro reading-2
  "As `reading` of two arguments, of (f s eof-error? eof-value); costs nothing when these are meant."
  [op f s a b]
  `(if (plain? ~a)
     (~f ~s ~a ~b)
     (reading ~op ~s [~a ~b] (fn [e# v#] (~f ~s e# v#)))))

(defn writing
  "Calls f under the options `args` of a write that takes :timeout only."
  [op s args f]
  (writing-within op s (options/option-map op #{:timeout} args) f))

(defn endianness-first
  "Returns [endianness more] of the arguments that follow a type; an endianness that is left out is :little."
  [args]
  (if (or (empty? args) (map? (first args)) (contains? #{:timeout :eof} (first args)))
    [:little args]
    [(first args) (rest args)]))
