(ns hooks.binding-macros
  "Shows clj-kondo which symbols the macros of Parley's own sources and tests bind."
  (:require
   [clj-kondo.hooks-api :as api]))

(defn- binding-first
  "Rewrites the call (macro [symbol… expression…] body…) to a let that binds the first `n` elements of
  the vector and evaluates the others."
  [n [_ bindings & body]]
  (let [[symbols expressions] (split-at n (:children bindings))]
    {:node (api/list-node (list* (api/token-node 'let)
                                 (api/vector-node [(api/vector-node symbols)
                                                   (api/vector-node expressions)])
                                 body))}))

(defn one [{:keys [node]}]
  (binding-first 1 (:children node)))

(defn two [{:keys [node]}]
  (binding-first 2 (:children node)))

(defn three [{:keys [node]}]
  (binding-first 3 (:children node)))
