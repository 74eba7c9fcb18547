package main

import (
	"reflect"
	"strings"
	"testing"
)

var credentials = []string{"MINIO_ROOT_USER=admin", "MINIO_ROOT_PASSWORD=long-enough"}

func TestNodesOfArguments(t *testing.T) {
	for source, want := range map[string][]Node{
		"/data":          {{"", []string{"/data"}}},
		"/data/d{1...2}": {{"", []string{"/data/d1", "/data/d2"}}},
		"http://minio-{1...2}:9000/data": {
			{"minio-1:9000", []string{"/data"}}, {"minio-2:9000", []string{"/data"}}},
		"http://10.0.1.{09...10}/d{1...2}": {
			{"10.0.1.09:9000", []string{"/d1", "/d2"}}, {"10.0.1.10:9000", []string{"/d1", "/d2"}}},
	} {
		settings, err := parse([]string{"server", source}, credentials)
		if err != nil {
			t.Errorf("%s: %v", source, err)
		} else if !reflect.DeepEqual(settings.Nodes, want) {
			t.Errorf("%s: got %v, want %v", source, settings.Nodes, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		args, environ []string
		want          string
	}{
		"command":   {[]string{"gateway"}, nil, "only `server`"},
		"flag":      {[]string{"server", "--certs-dir", "x", "/data"}, nil, "--certs-dir"},
		"setting":   {[]string{"server", "/data"}, []string{"MINIO_KMS_SECRET_KEY=x"}, "MINIO_KMS"},
		"mixed":     {[]string{"server", "/data", "/d{1...4}"}, nil, "ellipses"},
		"mixed2":    {[]string{"server", "/d{1...4}", "/data"}, nil, "ellipses"},
		"seventeen": {[]string{"server", "http://m{1...17}:9000/data"}, nil, "17 drives"},
		"one":       {[]string{"server", "/d{1...1}"}, nil, "1 drives"},
		"downward":  {[]string{"server", "/d{4...1}"}, nil, "must go up"},
		"https":     {[]string{"server", "https://m{1...4}:9000/data"}, nil, "http only"},
		"nothing":   {[]string{"server"}, nil, "no drives"},
		"password":  {[]string{"server", "/data"}, []string{"MINIO_ROOT_PASSWORD=short"}, "at least 8"},
	} {
		_, err := parse(test.args, append(append([]string{}, credentials...), test.environ...))
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want a message with %q", name, err, test.want)
		}
	}
}
