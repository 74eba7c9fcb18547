package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Each node has a loopback address by its place in the list, the same on every node: SeaweedFS
// knows nodes by these addresses only, so that a container's own address may change.
const maxNodes = 64

func loopback(node int) string { return fmt.Sprintf("127.0.0.%d", 11+node) }

// findSelf finds this server's place in the list by the addresses that its names resolve to.
func findSelf(ctx context.Context, s Settings) (int, error) {
	if len(s.Nodes) == 1 {
		return 0, nil
	}
	own, err := net.InterfaceAddrs()
	if err != nil {
		return 0, err
	}
	_, port, err := net.SplitHostPort(s.Address)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	// The name server learns this container's name a moment after its start.
	for {
		for node, candidate := range s.Nodes {
			host, nodePort, err := net.SplitHostPort(candidate.Host)
			if err != nil {
				return 0, err
			}
			addresses, _ := net.DefaultResolver.LookupIPAddr(ctx, host)
			for _, address := range addresses {
				mine := slices.ContainsFunc(own, func(a net.Addr) bool {
					network, ok := a.(*net.IPNet)
					return ok && network.IP.Equal(address.IP)
				})
				if mine && nodePort == port {
					return node, nil
				}
			}
		}
		select {
		case <-ctx.Done():
			return 0, errors.New("none of the servers in the arguments is this one: " +
				"check the host names, and that --address has their port")
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// Layout is what a node's drives were first used for.
type Layout struct {
	Erasure bool
	Drives  [][]string // of each node
}

// claimDrives writes the layout to the node's first drive, or refuses one under which objects that
// are already stored would be out of reach.
func claimDrives(s Settings, self int) error {
	layout := Layout{Erasure: s.Erasure}
	for _, node := range s.Nodes {
		layout.Drives = append(layout.Drives, node.Drives)
	}
	for _, drive := range s.Nodes[self].Drives {
		if err := os.MkdirAll(drive, 0o700); err != nil {
			return err
		}
	}
	path := filepath.Join(metadata(s.Nodes[self]), "layout.json")
	content, err := os.ReadFile(path)
	switch {
	case err == nil:
		var before Layout
		if err := json.Unmarshal(content, &before); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if err := before.allows(layout); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if content, err = json.Marshal(layout); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, content, 0o600)
}

func (before Layout) allows(after Layout) error {
	grown := len(after.Drives) > len(before.Drives)
	if !before.Erasure && (grown || after.Erasure) {
		return errors.New("these drives were started as one folder without ellipses: they can " +
			"never join a distributed pool. Start a new cluster and copy the objects")
	}
	if !grown && len(after.Drives) < len(before.Drives) {
		return fmt.Errorf("the cluster had %d nodes and the arguments name %d: the objects on the "+
			"others would be lost. The stand-in cannot decommission a pool",
			len(before.Drives), len(after.Drives))
	}
	for node, drives := range before.Drives {
		if !slices.Equal(drives, after.Drives[node]) {
			return fmt.Errorf("node %d stored on %v and would now store on %v: its objects would "+
				"be lost. Add a pool instead", node+1, drives, after.Drives[node])
		}
	}
	return nil
}

func metadata(node Node) string { return filepath.Join(node.Drives[0], ".sandbox") }
