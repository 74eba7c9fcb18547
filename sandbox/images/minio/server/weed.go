package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	masterPort, filerPort, volumePort, s3Port = 9333, 8888, 8080, 8333

	grpcOffset     = 10000
	chunksInFlight = "32"                             // MiB of uploads that a volume server holds in memory
	neverTouched   = 230 << 20                        // bytes of buffers that the filer allocates ahead
	identitiesFile = "/dev/shm/minio-identities.json" // in memory: it holds the root password
)

// Weed is the SeaweedFS processes of this node.
type Weed struct {
	processes []*exec.Cmd
	stopping  sync.WaitGroup
}

// startWeed starts SeaweedFS: master, filer, volume server and S3 on the first node, volume server
// and S3 on the others. `fail` is told of a process that ends.
func startWeed(s Settings, self int, fail func(error)) (*Weed, error) {
	if err := writeIdentities(s); err != nil {
		return nil, err
	}
	drives := strings.Join(s.Nodes[self].Drives, ",")
	// The limit counts volumes, not bytes: every bucket has volumes of its own.
	limits := strings.Repeat(",1000", len(s.Nodes[self].Drives))[1:]
	address, master := loopback(self), loopback(0)+":"+strconv.Itoa(masterPort)
	common := []string{"-ip=" + address, "-ip.bind=" + address}
	s3 := func(prefix string) (flags []string) {
		for _, flag := range []string{
			"port=" + strconv.Itoa(s3Port), "config=" + identitiesFile,
			"allowedOrigins=" + s.CORSOrigins, "iam.readOnly=false", "autoCreateBucket=false",
			"allowDeleteBucketNotEmpty=false", "port.iceberg=0", "port.lance=0",
			"readerCacheSizeMB=64", // without a limit one large download takes all memory
		} {
			flags = append(flags, "-"+prefix+flag)
		}
		return flags
	}
	w := &Weed{}
	if self == 0 {
		replication := "000"
		if len(s.Nodes) > 1 {
			replication = "001" // on another node of the same rack
		}
		state := metadata(s.Nodes[0])
		flags := append([]string{"server", "-filer", "-s3", "-dir=" + drives,
			"-volume.max=" + limits, "-volume.preStopSeconds=0",
			"-volume.concurrentUploadLimitMB=" + chunksInFlight, "-master.electionTimeout=1s",
			"-master.dir=" + state,
			"-master.telemetry=false", "-master.volumeSizeLimitMB=1024",
			"-master.defaultReplication=" + replication}, common...)
		return w, w.start(append(flags, s3("s3.")...), state, fail)
	}
	volume := append([]string{"volume", "-master=" + master, "-dir=" + drives, "-max=" + limits,
		"-preStopSeconds=0", "-concurrentUploadLimitMB=" + chunksInFlight}, common...)
	gateway := append([]string{"s3", "-filer=" + loopback(0) + ":" + strconv.Itoa(filerPort)},
		common...)
	return w, errors.Join(
		w.start(volume, metadata(s.Nodes[self]), fail),
		w.start(append(gateway, s3("")...), metadata(s.Nodes[self]), fail))
}

func writeIdentities(s Settings) error {
	root := map[string]any{
		"name":        s.User,
		"credentials": []any{map[string]string{"accessKey": s.User, "secretKey": s.Password}},
		"actions":     []string{"Admin", "Read", "Write", "List", "Tagging"},
	}
	content, err := json.Marshal(map[string]any{"identities": []any{root}})
	if err != nil {
		return err
	}
	return os.WriteFile(identitiesFile, content, 0o600)
}

func (w *Weed) start(args []string, folder string, fail func(error)) error {
	command := exec.Command("weed", append([]string{"-logtostderr=true"}, args...)...)
	command.Dir = folder
	// A bucket starts with one volume; more come as it fills.
	command.Env = append(os.Environ(), "WEED_MASTER_VOLUME_GROWTH_COPY_1=1",
		"WEED_MASTER_VOLUME_GROWTH_COPY_2=1", memoryLimit())
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C reaches it through stop
	output, err := command.StderrPipe()
	if err != nil {
		return err
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("SeaweedFS: %w", err)
	}
	w.processes = append(w.processes, command)
	w.stopping.Go(func() {
		logProblems(output)
		fail(fmt.Errorf("SeaweedFS' %s ended: %v", args[0], command.Wait()))
	})
	return nil
}

// logProblems passes on what is not merely information: glog's lines begin with their level.
func logProblems(output io.Reader) {
	reader := bufio.NewReader(output)
	for {
		line, err := reader.ReadString('\n')
		if line != "" && line[0] != 'I' {
			io.WriteString(os.Stderr, line)
		}
		if err != nil {
			return
		}
	}
}

// stop asks all processes to end, and ends them a second later. The first node's filer would take
// 15 s, for nothing that is needed: SeaweedFS hands every write to the system before it says so.
func (w *Weed) stop() {
	for _, process := range w.processes {
		process.Process.Signal(syscall.SIGTERM)
	}
	kill := time.AfterFunc(time.Second, func() {
		for _, process := range w.processes {
			process.Process.Kill()
		}
	})
	defer kill.Stop()
	w.stopping.Wait()
}

// memoryLimit makes Go's collector keep below the container's limit, with room for what it does not
// count: the page cache of what is being written above all.
func memoryLimit() string {
	for _, path := range []string{"/sys/fs/cgroup/memory.max",
		"/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		content, err := os.ReadFile(filepath.Clean(path))
		if err != nil {
			continue
		}
		limit, err := strconv.ParseInt(strings.TrimSpace(string(content)), 10, 64)
		if err == nil && limit < 1<<50 {
			return fmt.Sprintf("GOMEMLIMIT=%d", limit*4/10+neverTouched)
		}
	}
	return "GOMEMLIMIT=off"
}
