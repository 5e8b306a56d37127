(ns parley.impl.files
  "Files in which a server tells clients where it is and what its token is: readable by this user only,
  there as a whole or not at all, and gone before the server is."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.nio.file CopyOption Files LinkOption NoSuchFileException OpenOption Path StandardCopyOption)
   (java.nio.file.attribute FileAttribute PosixFilePermissions)))

(set! *warn-on-reflection* true)

(def ^:private no-links
  (into-array LinkOption [LinkOption/NOFOLLOW_LINKS]))

(def owner-only
  "The mode of new files."
  (into-array FileAttribute
    [(PosixFilePermissions/asFileAttribute (PosixFilePermissions/fromString "rw-------"))]))

(defn write-one
  "Writes a new file of another name, which then takes the place of `file`, a regular one or none."
  [op [option ^Path file ^String text]]
  (when (and (Files/exists file no-links) (not (Files/isRegularFile file no-links)))
    (throw (options/misuse op (str option " " file " is there and is no regular file") "the name of a file to make")))
  (when-not (Files/isDirectory (.getParent file) (make-array LinkOption 0))
    (throw (options/misuse op (str option " " file " is in a directory that is not there")
             "a file in one that is")))
  (let [new (Files/createTempFile (.getParent file) (str (.getFileName file)) ".new" owner-only)]
    (try
      (Files/writeString new text (make-array OpenOption 0))
      (Files/move new file (into-array CopyOption [StandardCopyOption/ATOMIC_MOVE]))
      (finally
        (Files/deleteIfExists new)))))

(defn- delete-one
  "Deletes a file, unless another server has replaced it. Another thread may do the same: a shutdown hook
  that closes the server runs beside that of `at-exit`."
  [[_ ^Path file text]]
  (try
    (when (and (Files/isRegularFile file no-links)
               (= text (Files/readString file)))
      (Files/deleteIfExists file))
    (catch NoSuchFileException _
      nil)))

(defn- at-exit
  "Has the Java machine delete files when it ends: a function that does so now, instead."
  [delete]
  (let [hook (Thread. ^Runnable delete "parley-files")]
    (.addShutdownHook (Runtime/getRuntime) hook)
    (fn []
      (try
        (.removeShutdownHook (Runtime/getRuntime) hook)
        (catch IllegalStateException _ ; it is ending, and the hook runs anyhow
          nil))
      (delete))))

(defn write
  "Writes files, [option, Path, text] each, and gives a function that deletes them; the end of the Java
  machine does, too. When one cannot be written, none is left."
  [op files]
  (let [written (volatile! [])
        delete (fn [] (run! delete-one @written))]
    (try
      (doseq [file files]
        (write-one op file)
        (vswap! written conj file))
      (if (seq files)
        (at-exit delete)
        delete)
      (catch Throwable e
        (delete)
        (throw e)))))
