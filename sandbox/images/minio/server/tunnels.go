package main

import (
	"bufio"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"slices"
	"strconv"
	"time"
)

// Nodes talk to each other through the S3 port alone, as MinIO's do. A connection to another
// node's loopback address is accepted here and carried, by an HTTP upgrade that proves knowledge of
// the root password, to the same address and port over there.
const tunnelPath = "/minio/sandbox/tunnel/"

func tunnelToken(s Settings) string {
	mac := hmac.New(sha256.New, []byte(s.Password))
	mac.Write([]byte("tunnel of " + s.User))
	return "Bearer " + hex.EncodeToString(mac.Sum(nil))
}

// nodePorts are the ports of a node that others dial.
func nodePorts(node int) []int {
	ports := []int{volumePort, volumePort + grpcOffset, s3Port, s3Port + grpcOffset}
	if node == 0 {
		ports = append(ports, masterPort, masterPort+grpcOffset, filerPort, filerPort+grpcOffset)
	}
	return ports
}

func openTunnels(s Settings, self int) error {
	for node := range s.Nodes {
		if node == self {
			continue
		}
		for _, port := range nodePorts(node) {
			listener, err := net.Listen("tcp", net.JoinHostPort(loopback(node), strconv.Itoa(port)))
			if err != nil {
				return err
			}
			go carry(listener, s, node, port)
		}
	}
	return nil
}

func carry(listener net.Listener, s Settings, node, port int) {
	for {
		local, err := listener.Accept()
		if err != nil {
			log.Printf("tunnel to node %d: %v", node+1, err)
			return
		}
		go func() {
			defer local.Close()
			remote, reader, err := dialTunnel(s, node, port)
			if err != nil {
				return // SeaweedFS tries again, and the health route tells of it
			}
			join(local, remote, reader)
		}()
	}
}

func dialTunnel(s Settings, node, port int) (net.Conn, io.Reader, error) {
	host := s.Nodes[node].Host
	conn, err := net.DialTimeout("tcp", host, 5*time.Second)
	if err != nil {
		return nil, nil, err
	}
	request, err := http.NewRequest(http.MethodGet,
		fmt.Sprintf("http://%s%s%d", host, tunnelPath, port), nil)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	request.Header.Set("Connection", "Upgrade")
	request.Header.Set("Upgrade", "tcp")
	request.Header.Set("Authorization", tunnelToken(s))
	conn.SetDeadline(time.Now().Add(5 * time.Second))
	reader := bufio.NewReader(conn)
	if err = request.Write(conn); err == nil {
		var response *http.Response
		response, err = http.ReadResponse(reader, request)
		if err == nil && response.StatusCode != http.StatusSwitchingProtocols {
			err = fmt.Errorf("node %d: %s", node+1, response.Status)
		}
	}
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	conn.SetDeadline(time.Time{})
	return conn, reader, nil
}

// acceptTunnel is the other end: it connects to a port of this node's SeaweedFS.
func acceptTunnel(w http.ResponseWriter, r *http.Request, s Settings, self int) {
	port, err := strconv.Atoi(r.URL.Path[len(tunnelPath):])
	authorized := hmac.Equal([]byte(r.Header.Get("Authorization")), []byte(tunnelToken(s)))
	if err != nil || !authorized || !slices.Contains(nodePorts(self), port) {
		http.Error(w, "only nodes of this cluster come in here", http.StatusForbidden)
		return
	}
	local, err := net.Dial("tcp", net.JoinHostPort(loopback(self), strconv.Itoa(port)))
	if err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	defer local.Close()
	remote, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	remote.SetDeadline(time.Time{})
	io.WriteString(remote, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n")
	join(local, remote, buffered)
}

// join copies both ways until one side ends. What was already read from the remote side comes
// from `reader`.
func join(local, remote net.Conn, reader io.Reader) {
	done := make(chan struct{}, 2)
	go func() { io.Copy(local, reader); done <- struct{}{} }()
	go func() { io.Copy(remote, local); done <- struct{}{} }()
	<-done
	local.Close()
	remote.Close()
	<-done
}
