(ns parley.impl.files
  "Files with the address and the token of a server, for clients: readable by this user only,
  there as a whole or not at all, and gone before the server is."
  {:no-doc true}
  (:require
   [parley.impl.options :as options])
  (:import
   (java.nio.file CopyOption Files LinkOption NoSuchFileException OpenOption Path StandardCopyOption)
   (java.nio.file.attribute FileAttribute PosixFilePermission PosixFilePermissions UserPrincipal)))

(set! *warn-on-reflection* true)

(def ^:private no-links
  (into-array LinkOption [LinkOption/NOFOLLOW_LINKS]))

(defn owner
  "Returns the user that a file belongs to."
  ^UserPrincipal [^Path path]
  (Files/getOwner path no-links))

(defn this-user
  "Returns the user of this process, as the owner of what it makes: its name need not be known to the system."
  ^UserPrincipal []
  (let [file (Files/createTempFile "parley" nil (make-array FileAttribute 0))]
    (try
      (owner file)
      (finally
        (Files/delete file)))))

;; ---- whom to believe ----------------------------------------------------------------------------

(defn- unsafe [op option ^Path file why]
  (options/misuse op (str option " " file " " why)
    "a file of this user or root, which nobody else can write (nor read, if it holds a token), in such a directory"))

(defn- root? [^Path path]
  (= 0 (Files/getAttribute path "unix:uid" no-links)))

(defn- check-owner [op option ^Path path what]
  (when-not (or (root? path) (= (this-user) (owner path)))
    (throw (unsafe op option path (str what "belongs to " (.getName (owner path)))))))

(defn- check-mode [op option ^Path path forbidden what]
  (let [permissions (set (Files/getPosixFilePermissions path no-links))]
    (when (some permissions forbidden)
      (throw (unsafe op option path (str what "is " (PosixFilePermissions/toString permissions) ": it is open to others"))))))

(def ^:private written-by-others
  [PosixFilePermission/OTHERS_WRITE PosixFilePermission/GROUP_WRITE])

(defn check-directory
  "Throws an error where others can put files of their own in place of a server's: in a directory that
  others can write to, unless it is a sticky one, such as /tmp, in which users can replace only their own files."
  [op option ^Path file]
  (let [directory (.toRealPath (.getParent file) (make-array LinkOption 0))
        mode (int (Files/getAttribute directory "unix:mode" no-links))]
    (when (zero? (bit-and mode 01000))
      (check-mode op option directory [PosixFilePermission/OTHERS_WRITE] "")
      (check-owner op option directory ""))))

(defn check-own
  "Throws an error unless a file is this user's, or root's, and no other user can write it or, when it is
  `secret`, read it."
  [op option ^Path file secret]
  (let [file (.toRealPath file (make-array LinkOption 0))]
    (check-directory op option file)
    (check-owner op option file "")
    (check-mode op option file
      (cond-> written-by-others
        secret (conj PosixFilePermission/OTHERS_READ PosixFilePermission/GROUP_READ))
      "")))

;; ---- writing ------------------------------------------------------------------------------------

(def owner-only
  "The mode of new files."
  (into-array FileAttribute
    [(PosixFilePermissions/asFileAttribute (PosixFilePermissions/fromString "rw-------"))]))

(defn write-one
  "Writes a new file of another name, which then takes the place of `file`, a regular one or none."
  [op [option ^Path file ^String text]]
  (when (and (Files/exists file no-links) (not (Files/isRegularFile file no-links)))
    (throw (options/misuse op (str option " " file " exists and is no regular file") "the name of a file to make")))
  (when-not (Files/isDirectory (.getParent file) (make-array LinkOption 0))
    (throw (options/misuse op (str option " " file " is in a directory that does not exist")
             "a file in a directory that exists")))
  (check-directory op option file)
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
  "Writes files, [option, Path, text] each, and returns a function that deletes them; the end of the Java
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
