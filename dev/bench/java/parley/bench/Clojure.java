package parley.bench;

import clojure.lang.IFn;
import clojure.lang.RT;
import clojure.lang.Symbol;
import clojure.lang.Var;

/** Finds functions of Parley's namespaces. Calls go through the var's value, as in compiled Clojure. */
final class Clojure {
    private Clojure() {
    }

    static Var var(String namespace, String name) {
        RT.var("clojure.core", "require").invoke(Symbol.intern(namespace));
        return RT.var(namespace, name);
    }

    static IFn function(Var var) {
        return (IFn) var.getRawRoot();
    }
}
