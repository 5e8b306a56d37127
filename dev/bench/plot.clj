(ns bench.plot
  "A plot of what a check costs, by the number of members, as SVG: both axes logarithmic."
  (:require
   [clojure.string :as str]))

(set! *warn-on-reflection* true)

(def ^:private left 70)
(def ^:private right 560)
(def ^:private top 40)
(def ^:private bottom 400)

(defn- log10 [x]
  (Math/log10 (double x)))

(defn- x-of [members]
  (+ (double left) (* (- (double right) (double left)) (/ (double (log10 members)) 4))))

(defn- y-of
  "From 100 ns at the bottom to 10 ms at the top."
  [ns]
  (- (double bottom) (* (- (double bottom) (double top)) (/ (- (double (log10 (max 100.0 (double ns)))) 2) 5))))

(defn- text [x y anchor s]
  (format "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"%s\">%s</text>" (double x) (double y) anchor s))

(defn- grid []
  (concat
    (for [[members label] [[1 "1"] [10 "10"] [100 "100"] [1000 "1,000"] [10000 "10,000"]]
          :let [x (double (x-of members))]]
      (str (format "<line class=\"grid\" x1=\"%.0f\" y1=\"%d\" x2=\"%.0f\" y2=\"%d\"/>" x top x bottom)
        (text x (+ (long bottom) 18) "middle" label)))
    (for [[ns label] [[100 "0.1 µs"] [1000 "1 µs"] [10000 "10 µs"] [100000 "100 µs"] [1000000 "1 ms"]
                      [10000000 "10 ms"]]
          :let [y (double (y-of ns))]]
      (str (format "<line class=\"grid\" x1=\"%d\" y1=\"%.0f\" x2=\"%d\" y2=\"%.0f\"/>" left y right y)
        (text (- (long left) 8) (+ y 4) "end" label)))))

(def ^:private contenders
  [[:set "status set" "#1f6fb4" ""]
   [:bare "bare Selector" "#7a7a7a" "2 3"]
   [:c-epoll "C epoll_wait" "#3a9a3a" "6 3"]
   [:c-poll "C poll" "#c2452d" "8 3 2 3"]])

(defn- curve [rows k color dash]
  (let [points (for [{:keys [members] :as row} rows
                     :when (row k)]
                 (format "%.1f,%.1f" (double (x-of members)) (double (y-of (row k)))))]
    (when (seq points)
      (str (format "<polyline stroke=\"%s\" stroke-dasharray=\"%s\" points=\"%s\"/>" color dash (str/join " " points))
        (str/join
          (for [point points
                :let [[x y] (str/split point #",")]]
            (format "<circle cx=\"%s\" cy=\"%s\" r=\"2.5\" fill=\"%s\"/>" x y color)))))))

(defn- curves [rows]
  (for [percent [0 1 10]
        [k label color dash] contenders
        :let [some (filter #(= percent (:percent %)) rows)
              line (curve some k color dash)
              {:keys [members] :as end} (last some)]
        :when line]
    (str line
      (when (= k :set)
        (text (+ (double (x-of members)) 8) (+ (double (y-of (end k))) 4) "start" (str label ", " percent " % ready"))))))

(defn- legend []
  (map-indexed
    (fn [i [_ label color dash]]
      (let [y (+ (long top) 14 (* 16 (long i)))]
        (str (format "<line stroke=\"%s\" stroke-width=\"1.5\" stroke-dasharray=\"%s\" x1=\"84\" y1=\"%d\" x2=\"114\" y2=\"%d\"/>"
               color dash y y)
          (text 120 (+ y 4) "start" label))))
    contenders))

(defn write!
  "Writes the plot of `rows`, each with :members, :percent and the nanoseconds of the contenders."
  [file rows]
  (spit file
    (str/join "\n"
      (concat
        ["<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 720 440\" font-family=\"sans-serif\" font-size=\"11\">"
         "<style>polyline{fill:none;stroke-width:1.5} .grid{stroke:#ddd}</style>"
         "<rect width=\"720\" height=\"440\" fill=\"white\"/>"
         (text 70 24 "start" "One check, by members: 0, 1 and 10 % of them ready")]
        (grid) (curves rows) (legend)
        [(text 315 (+ (long bottom) 34) "middle" "members") "</svg>" ""]))))
