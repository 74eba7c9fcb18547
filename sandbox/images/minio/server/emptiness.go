package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path"
	"strings"
)

// deletedBucket is the bucket that a request deletes, or empty.
func deletedBucket(r *http.Request) string {
	bucket := strings.Trim(r.URL.Path, "/")
	if r.Method != http.MethodDelete || strings.Contains(bucket, "/") {
		return ""
	}
	for name := range r.URL.Query() { // ?policy and the like delete a setting
		if !strings.HasPrefix(name, "X-Amz-") && name != "x-id" {
			return ""
		}
	}
	return bucket
}

// holdsVersions tells whether any version of any object is left in a folder of the filer. SeaweedFS
// deletes a bucket in which only old versions are left, MinIO does not.
func (f *Front) holdsVersions(ctx context.Context, folder string) (bool, error) {
	last := ""
	for {
		var page struct {
			Entries []struct {
				FullPath string
				Mode     uint32
			}
			ShouldDisplayLoadMore bool
			LastFileName          string
		}
		query := url.Values{"limit": {"1000"}, "lastFileName": {last}}
		err := f.get(ctx, loopback(0), filerPort,
			(&url.URL{Path: folder + "/", RawQuery: query.Encode()}).String(), &page)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("what the bucket holds: %w", err)
		}
		for _, entry := range page.Entries {
			if path.Base(entry.FullPath) == ".uploads" && path.Dir(entry.FullPath) == folder {
				continue // parts of uploads that were never completed
			}
			if os.FileMode(entry.Mode)&os.ModeDir == 0 {
				return true, nil
			}
			if found, err := f.holdsVersions(ctx, entry.FullPath); found || err != nil {
				return found, err
			}
		}
		if !page.ShouldDisplayLoadMore {
			return false, nil
		}
		last = page.LastFileName
	}
}
