(ns release
  "The last step of `mvn -Prelease verify`: checks what goes to Maven Central and prints its checksums."
  (:require
   [clojure.java.io :as io]
   [clojure.string :as str]
   [clojure.xml :as xml])
  (:import
   (java.io File)
   (java.nio.file Files)
   (java.security MessageDigest)
   (java.util HexFormat)
   (java.util.jar JarFile)))

(set! *warn-on-reflection* true)

(defn- children [element & tags]
  (reduce (fn [elements tag] (filter #(= tag (:tag %)) (mapcat :content elements))) [element] tags))

(defn- text [element & tags]
  (str/trim (apply str (:content (first (apply children element tags))))))

(def ^:private demanded
  "Paths of the elements that Maven Central demands of a pom."
  [[:groupId] [:artifactId] [:version] [:name] [:description] [:url] [:licenses :license :name]
   [:licenses :license :url] [:developers :developer :name] [:scm :connection]
   [:scm :developerConnection] [:scm :url]])

(defn pom-faults
  "Returns what is wrong with a pom for Maven Central, as sentences."
  [pom]
  (concat
    (for [path demanded
          :when (str/blank? (apply text pom path))]
      (str "pom.xml: <" (name (last path)) "> is missing, expected at " (str/join "/" (map name path))))
    (for [dependency (children pom :dependencies :dependency)
          :when (str/ends-with? (text dependency :version) "-SNAPSHOT")]
      (str "pom.xml: " (text dependency :artifactId) " is a snapshot, expected a release"))
    (for [dependency (children pom :dependencies :dependency)
          :when (not (or (= "test" (text dependency :scope)) (= "true" (text dependency :optional))))]
      (str "pom.xml: " (text dependency :artifactId) " is not optional, but Java programs need Parley alone"))))

(def ^:private contents
  "Classifier -> ends of the names of entries that its jar must have."
  {"" ["parley/net/SocketStream.class" "parley/socket.clj" "META-INF/LICENSE"
       "clj-kondo.exports/io.github.parley/parley/config.edn"
       "META-INF/maven/io.github.parley/parley/pom.xml"]
   "-sources" ["parley/net/SocketStream.java" "parley/posix/Sockets.java" "parley/socket.clj" "META-INF/LICENSE"]
   "-javadoc" ["index.html" "parley/net/SocketStream.html" "parley/posix/Sockets.html"]})

(defn- jar-faults [^File file entries]
  (if-not (.isFile file)
    [(str file ": is missing, expected mvn -Prelease verify to make it")]
    (with-open [jar (JarFile. file)]
      (let [names (mapv str (enumeration-seq (.entries jar)))]
        (vec (for [entry entries
                   :when (not-any? #(str/ends-with? % entry) names)]
               (str file ": has no entry " entry)))))))

(defn- checksum [^File file]
  (.formatHex (HexFormat/of)
    (.digest (MessageDigest/getInstance "SHA-256") (Files/readAllBytes (.toPath file)))))

(defn -main
  "Checks the jars in the directory that Maven builds in. Throws an exception that lists every fault."
  [directory]
  (let [pom (xml/parse (io/file "pom.xml"))
        jars (into {}
                   (for [[classifier entries] contents]
                     [(io/file directory (str "parley-" (text pom :version) classifier ".jar")) entries]))
        faults (concat (pom-faults pom) (mapcat (fn [[file entries]] (jar-faults file entries)) jars))]
    (when (seq faults)
      (throw (ex-info (str "not fit for release:\n" (str/join "\n" faults)) {:faults faults})))
    (doseq [^File file (sort (keys jars))]
      (println (checksum file) (.getName file)))))
