(ns parley.impl.absent
  "Throws when core.async is absent. parley.async loads this namespace first, as the order of names
  has it, so that the error names the missing jar and not a missing file."
  {:no-doc true}
  (:require
   [clojure.java.io :as io]))

(set! *warn-on-reflection* true)

(when-not (or (io/resource "clojure/core/async.clj") (io/resource "clojure/core/async__init.class"))
  (throw (IllegalStateException.
           (str "parley.async: core.async is not on the class path; add org.clojure/core.async to the dependencies of "
             "your project, {:mvn/version \"1.6.681\"} or later, since Parley does not bring it to users of its jar"))))
