package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"
)

const addressFile = "/dev/shm/minio-address" // what --address said, for mc

func rememberAddress(address string) error {
	return os.WriteFile(addressFile, []byte(address), 0o644)
}

// mc answers the two commands that serve as health checks.
func mc(args []string) error {
	route := ""
	switch {
	case len(args) == 2 && args[0] == "ready" && args[1] == "local":
		route = "/minio/health/cluster"
	case slices.Contains(args, "ping") && len(args) > 1 && args[len(args)-1] == "local":
		route = "/minio/health/live"
	default:
		return fmt.Errorf("mc %s: SeaweedFS stands in for MinIO here, without its admin API; this "+
			"mc knows `ready local` and `ping --count 1 local`. Use another S3 client for buckets "+
			"and objects", strings.Join(args, " "))
	}
	address, err := os.ReadFile(addressFile)
	if err != nil {
		return fmt.Errorf("the server has not started: %w", err)
	}
	host, port, err := net.SplitHostPort(string(address))
	if err != nil {
		return err
	}
	if host == "" {
		host = "127.0.0.1"
	}
	client := http.Client{Timeout: 5 * time.Second}
	response, err := client.Get("http://" + net.JoinHostPort(host, port) + route)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the server is not ready: %s", response.Status)
	}
	fmt.Println("The server is ready")
	return nil
}
