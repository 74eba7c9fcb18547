// The command of the image: `minio` runs SeaweedFS behind MinIO's arguments, port and health
// routes; called as `mc` it answers the health checks.
package main

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

func main() {
	log.SetFlags(0)
	var err error
	if filepath.Base(os.Args[0]) == "mc" {
		err = mc(os.Args[1:])
	} else {
		err = minio(os.Args[1:])
	}
	if err != nil {
		log.Fatal("FATAL ", err)
	}
}

func minio(args []string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	settings, err := parse(args, os.Environ())
	if err != nil {
		return err
	}
	self, err := findSelf(ctx, settings)
	if err != nil {
		return err
	}
	if err := claimDrives(settings, self); err != nil {
		return err
	}
	if err := rememberAddress(settings.Address); err != nil {
		return err
	}
	failed := make(chan error, 1)
	fail := func(err error) {
		select {
		case failed <- err:
		default: // the first failure is the one to report
		}
	}
	front := newFront(settings, self)
	serve := func(address string, handler http.Handler) {
		server := &http.Server{Addr: address, Handler: handler, ReadHeaderTimeout: time.Minute}
		fail(fmt.Errorf("%s: %w", address, server.ListenAndServe()))
	}
	go serve(settings.Address, front)
	if settings.ConsoleAddress != "" {
		go serve(settings.ConsoleAddress, http.HandlerFunc(noConsole))
	}
	if err := openTunnels(settings, self); err != nil {
		return err
	}
	weed, err := startWeed(settings, self, fail)
	if err != nil {
		return err
	}
	fmt.Printf("SeaweedFS behind MinIO's arguments: node %d of %d, S3 on %s\n",
		self+1, len(settings.Nodes), settings.Address)
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	weed.stop()
	return err
}

func noConsole(w http.ResponseWriter, _ *http.Request) {
	fmt.Fprintln(w, "This is SeaweedFS standing in for MinIO: there is no web console here. "+
		"Use an S3 client on the API's port.")
}
