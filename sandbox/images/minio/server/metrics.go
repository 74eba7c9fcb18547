package main

import (
	_ "embed"
	"net/http"
)

const metricsPath = "/minio/metrics/v3"

// What a real MinIO answered, on one node and on a node of four.
var (
	//go:embed metrics/single.txt
	metricsOfOne string
	//go:embed metrics/4node.txt
	metricsOfFour string
)

// replayMetrics answers with recorded metrics, so that what reads them can be tried. They say so
// themselves, and never change: a rate of them is 0.
func replayMetrics(w http.ResponseWriter, nodes int) {
	recorded := metricsOfOne
	if nodes > 1 {
		recorded = metricsOfFour
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	w.Write([]byte(recorded))
}
