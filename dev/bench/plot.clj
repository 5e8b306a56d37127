(ns bench.plot
  "Plots as SVG, in two variants: for a light page and for a dark one."
  (:import
   (java.awt BasicStroke Color)
   (java.io File)
   (org.knowm.xchart VectorGraphicsEncoder VectorGraphicsEncoder$VectorGraphicsFormat XYChart XYChartBuilder XYSeries)
   (org.knowm.xchart.style Styler$LegendPosition XYStyler)))

(set! *warn-on-reflection* true)

(def ^:private variants
  {"light" {:back 0xffffff :ink 0x24292f :grid 0xd8dee4
            :lines [0x0969da 0x8c959f 0x1a7f37 0xbc4c00 0x8250df]}
   "dark" {:back 0x0d1117 :ink 0xe6edf3 :grid 0x30363d
           :lines [0x58a6ff 0x8b949e 0x3fb950 0xf0883e 0xbc8cff]}})

(defn- style! [^XYChart chart {:keys [back ink grid]} log-y?]
  (let [back (Color. (int back))
        ink (Color. (int ink))
        ^XYStyler styler (.getStyler chart)]
    (doto styler
      (.setXAxisLogarithmic true)
      (.setYAxisLogarithmic (boolean log-y?))
      (.setXAxisDecimalPattern "#,###")
      (.setYAxisDecimalPattern (if log-y? "#,##0.##" "#,###"))
      (.setChartBackgroundColor back)
      (.setPlotBackgroundColor back)
      (.setLegendBackgroundColor back)
      (.setLegendBorderColor (Color. (int grid)))
      (.setPlotBorderColor (Color. (int grid)))
      (.setPlotGridLinesColor (Color. (int grid)))
      (.setPlotGridLinesStroke (BasicStroke. 0.5)) ; dashes would be a path each
      (.setChartFontColor ink)
      (.setAxisTickLabelsColor ink)
      (.setAxisTickMarksColor ink)
      (.setLegendPosition Styler$LegendPosition/OutsideS)
      (.setMarkerSize 6))
    (when-not log-y? (.setYAxisMin styler 0.0))))

(defn- chart ^XYChart [{:keys [title x y series log-y?]} {:keys [lines] :as variant}]
  (let [^XYChart chart (-> (XYChartBuilder.)
                         ^XYChartBuilder (.width 760) ^XYChartBuilder (.height 460)
                         ^XYChartBuilder (.title ^String title)
                         (.xAxisTitle x) (.yAxisTitle y) (.build))]
    (style! chart variant log-y?)
    (doseq [[[^String label points] line] (map vector series (cycle lines))]
      (let [^XYSeries s (.addSeries chart label
                          (double-array (map first points)) (double-array (map second points)))
            color (Color. (int line))]
        (.setLineColor s color)
        (.setMarkerColor s color)
        (.setLineStyle s (BasicStroke. 2.0))))
    chart))

(defn write!
  "Writes a plot, `file`-light.svg and `file`-dark.svg. `plot` has :title, the titles of the axes :x and :y, and :series,
  pairs of a label and [x y] points, at least one; the x axis is logarithmic, the y axis with :log-y?, so that points are
  above 0."
  [^File file plot]
  (doseq [[variant colors] variants]
    (VectorGraphicsEncoder/saveVectorGraphic (chart plot colors) (str file "-" variant ".svg")
      VectorGraphicsEncoder$VectorGraphicsFormat/SVG)))
