package main

import (
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"strconv"
	"strings"
	"time"
)

// Front is the S3 port: it answers MinIO's own routes, refuses what SeaweedFS would silently take
// for something else, and passes all other requests on unchanged, so that signatures stay valid.
type Front struct {
	settings Settings
	self     int
	s3       *httputil.ReverseProxy
	client   *http.Client
}

func newFront(s Settings, self int) *Front {
	s3 := loopback(self) + ":" + strconv.Itoa(s3Port)
	return &Front{
		settings: s,
		self:     self,
		client:   &http.Client{Timeout: 3 * time.Second},
		s3: &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Scheme, r.Out.URL.Host = "http", s3
				r.Out.URL.RawQuery = r.In.URL.RawQuery // signed: not to be tidied up
				r.Out.Host = r.In.Host
			},
			Transport: &http.Transport{
				DisableCompression:    true, // Accept-Encoding may be signed
				MaxIdleConnsPerHost:   64,
				ExpectContinueTimeout: time.Second,
			},
			ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
				if !errors.Is(err, context.Canceled) {
					refuse(w, http.StatusServiceUnavailable, "ServerNotInitialized",
						"Server not initialized yet, please try again.")
				}
			},
		},
	}
}

// Subresources that the stand-in does not have. SeaweedFS answers some of them with success.
var missing = []string{
	"accelerate", "analytics", "cors", "encryption", "intelligent-tiering", "inventory", "logging",
	"metrics", "notification", "ownershipControls", "publicAccessBlock", "replication",
	"requestPayment", "restore", "select", "torrent", "website",
}

func (f *Front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/minio/health/live":
		w.WriteHeader(http.StatusOK)
	case path == "/minio/health/ready":
		f.answer(w, f.checkS3(r.Context()))
	case path == "/minio/health/cluster" || path == "/minio/health/cluster/read":
		f.answer(w, errors.Join(f.checkS3(r.Context()), f.checkVolumes(r.Context())))
	case path == metricsPath:
		replayMetrics(w, len(f.settings.Nodes))
	case strings.HasPrefix(path, tunnelPath):
		acceptTunnel(w, r, f.settings, f.self)
	case path == "/minio" || strings.HasPrefix(path, "/minio/"):
		refuse(w, http.StatusNotImplemented, "NotImplemented", "SeaweedFS stands in for MinIO "+
			"here and has no "+path+": neither MinIO's admin API (mc admin) nor other metrics than "+
			metricsPath+".")
	default:
		if name := missingSubresource(r); name != "" {
			refuse(w, http.StatusNotImplemented, "NotImplemented",
				"SeaweedFS stands in for MinIO here and has no bucket or object setting ?"+name+".")
			return
		}
		if bucket := deletedBucket(r); bucket != "" {
			switch full, err := f.holdsVersions(r.Context(), "/buckets/"+bucket); {
			case err != nil:
				refuse(w, http.StatusServiceUnavailable, "ServiceUnavailable", err.Error())
				return
			case full:
				refuse(w, http.StatusConflict, "BucketNotEmpty", "The bucket you tried to delete "+
					"is not empty. You must delete all versions in the bucket.")
				return
			}
		}
		f.s3.ServeHTTP(w, r)
	}
}

func missingSubresource(r *http.Request) string {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return "" // nothing can have been set
	}
	query := r.URL.Query()
	for _, name := range missing {
		if query.Has(name) {
			return name
		}
	}
	return ""
}

func (f *Front) answer(w http.ResponseWriter, problem error) {
	if problem != nil {
		http.Error(w, problem.Error(), http.StatusServiceUnavailable)
	}
}

// checkS3 asks this node's S3 server, which starts to answer when it has found its filer.
func (f *Front) checkS3(ctx context.Context) error {
	return f.get(ctx, loopback(f.self), s3Port, "/healthz", nil)
}

// checkVolumes asks the master whether enough nodes store: with two copies of everything, one node
// of three or more may be down.
func (f *Front) checkVolumes(ctx context.Context) error {
	var status struct {
		Topology struct {
			DataCenters []struct {
				Racks []struct{ DataNodes []any }
			}
		}
	}
	if err := f.get(ctx, loopback(0), masterPort, "/dir/status", &status); err != nil {
		return err
	}
	up, needed := 0, len(f.settings.Nodes)
	for _, center := range status.Topology.DataCenters {
		for _, rack := range center.Racks {
			up += len(rack.DataNodes)
		}
	}
	if needed > 2 {
		needed--
	}
	if up < needed {
		return fmt.Errorf("%d of %d nodes store, at least %d must", up, len(f.settings.Nodes), needed)
	}
	return nil
}

func (f *Front) get(ctx context.Context, host string, port int, path string, into any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet,
		fmt.Sprintf("http://%s:%d%s", host, port, path), nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := f.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusNotFound:
		return fmt.Errorf("%s: %w", request.URL, fs.ErrNotExist)
	default:
		return fmt.Errorf("%s: %s", request.URL, response.Status)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(response.Body).Decode(into)
}

// refuse answers with S3's error document.
func refuse(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	xml.NewEncoder(w).Encode(struct {
		XMLName       xml.Name `xml:"Error"`
		Code, Message string
	}{Code: code, Message: message})
}
