(ns parley.impl.publish
  "Lets a public namespace have functions whose code is in another file."
  {:no-doc true})

(set! *warn-on-reflection* true)

(defn- definition [sym]
  (let [{:keys [doc arglists tag]} (meta (resolve sym))
        name (with-meta (symbol (name sym)) {:doc doc :arglists (list 'quote arglists) :tag tag})]
    `(do (def ~name ~sym)
         (alter-meta! (var ~name) merge (select-keys (meta (var ~sym)) [:file :line :column])))))

(defmacro vars
  "Defines each of the vars in this namespace, too: the same value, docstring, arguments and source."
  [& syms]
  `(do ~@(map definition syms)))
