package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Node is one server of the cluster: where the others reach it, and its drives.
type Node struct {
	Host   string // host:port; empty for a server that stands alone
	Drives []string
}

// Settings are what the arguments and the environment say, checked.
type Settings struct {
	Address, ConsoleAddress string
	User, Password          string
	CORSOrigins             string
	Nodes                   []Node // in the order of the arguments, which never changes
	Erasure                 bool   // given with ellipses: MinIO could grow it
}

// Settings of MinIO that the stand-in honours; all others are refused.
var known = []string{
	"MINIO_ROOT_USER", "MINIO_ROOT_PASSWORD", "MINIO_ROOT_USER_FILE", "MINIO_ROOT_PASSWORD_FILE",
	"MINIO_API_CORS_ALLOW_ORIGIN", "MINIO_PROMETHEUS_AUTH_TYPE",
}

func parse(args, environ []string) (Settings, error) {
	s := Settings{Address: ":9000", CORSOrigins: "*"}
	env := map[string]string{}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if strings.HasPrefix(name, "MINIO_") && !slices.Contains(known, name) {
			return s, fmt.Errorf("the stand-in cannot honour %s; it takes %s", name,
				strings.Join(known, ", "))
		}
		env[name] = value
	}
	var err error
	if s.User, err = secret(env, "MINIO_ROOT_USER", 3); err != nil {
		return s, err
	}
	if s.Password, err = secret(env, "MINIO_ROOT_PASSWORD", 8); err != nil {
		return s, err
	}
	if origins := env["MINIO_API_CORS_ALLOW_ORIGIN"]; origins != "" {
		s.CORSOrigins = origins
	}
	if len(args) == 0 || args[0] != "server" {
		return s, fmt.Errorf("only `server` can be run here, not %q", strings.Join(args, " "))
	}
	sources, err := s.flags(args[1:])
	if err != nil {
		return s, err
	}
	return s, s.pools(sources)
}

// secret reads NAME, or the file that NAME_FILE names.
func secret(env map[string]string, name string, length int) (string, error) {
	value := env[name]
	if path := env[name+"_FILE"]; path != "" {
		content, err := os.ReadFile(path)
		if err != nil {
			return "", fmt.Errorf("%s_FILE: %w", name, err)
		}
		value = strings.TrimSpace(string(content))
	}
	if len(value) < length {
		return "", fmt.Errorf("%s or %s_FILE must give at least %d characters", name, name, length)
	}
	return value, nil
}

func (s *Settings) flags(args []string) (sources []string, err error) {
	targets := map[string]*string{"address": &s.Address, "console-address": &s.ConsoleAddress}
	for i := 0; i < len(args); i++ {
		if !strings.HasPrefix(args[i], "-") {
			sources = append(sources, args[i])
			continue
		}
		name, value, inline := strings.Cut(strings.TrimLeft(args[i], "-"), "=")
		target, ok := targets[name]
		if !ok {
			return nil, fmt.Errorf("the stand-in does not know the flag %s; it takes --address "+
				"and --console-address", args[i])
		}
		if !inline {
			if i++; i == len(args) {
				return nil, fmt.Errorf("--%s needs a value such as :9000", name)
			}
			value = args[i]
		}
		if _, _, err := net.SplitHostPort(value); err != nil {
			return nil, fmt.Errorf("--%s %s: %w", name, value, err)
		}
		*target = value
	}
	return sources, nil
}

// pools fills Nodes from the drives' arguments, by MinIO's rules for ellipses.
func (s *Settings) pools(sources []string) error {
	if len(sources) == 0 {
		return errors.New("no drives given: server /data/d{1...4}, for instance")
	}
	s.Erasure = strings.Contains(sources[0], "...")
	if !s.Erasure && len(sources) > 1 {
		return errors.New("all args must have ellipses for pool expansion: /data mixes with none")
	}
	for _, source := range sources {
		endpoints, err := expand(source)
		if err != nil {
			return err
		}
		if strings.Contains(source, "...") != s.Erasure {
			return fmt.Errorf("all args must have ellipses for pool expansion: %s has none", source)
		}
		if s.Erasure && !dividesIntoSets(len(endpoints)) {
			return fmt.Errorf("%s: incorrect number of endpoints: %d drives do not divide into "+
				"sets of 2 to 16", source, len(endpoints))
		}
		for _, endpoint := range endpoints {
			if err := s.addDrive(endpoint); err != nil {
				return err
			}
		}
	}
	if len(s.Nodes) > maxNodes {
		return fmt.Errorf("%d nodes are too many: at most %d", len(s.Nodes), maxNodes)
	}
	return nil
}

func (s *Settings) addDrive(endpoint string) error {
	host, path := "", endpoint
	if strings.Contains(endpoint, "://") {
		parsed, err := url.Parse(endpoint)
		if err != nil {
			return err
		}
		if parsed.Scheme != "http" {
			return fmt.Errorf("%s: the stand-in speaks http only", endpoint)
		}
		if parsed.Port() == "" {
			parsed.Host += ":9000"
		}
		host, path = parsed.Host, parsed.Path
	}
	if !strings.HasPrefix(path, "/") || path == "/" {
		return fmt.Errorf("%s: a drive is an absolute folder such as /data", endpoint)
	}
	for i := range s.Nodes {
		if s.Nodes[i].Host == host {
			s.Nodes[i].Drives = append(s.Nodes[i].Drives, path)
			return nil
		}
	}
	if len(s.Nodes) > 0 && (host == "") != (s.Nodes[0].Host == "") {
		return fmt.Errorf("%s: local drives cannot be mixed with those of other servers", endpoint)
	}
	s.Nodes = append(s.Nodes, Node{Host: host, Drives: []string{path}})
	return nil
}

func dividesIntoSets(drives int) bool {
	for size := 2; size <= 16; size++ {
		if drives%size == 0 {
			return true
		}
	}
	return false
}

var ellipsis = regexp.MustCompile(`\{(\d+)\.\.\.(\d+)\}`)

// expand replaces {1...4} by each number of the range, the first range varying slowest.
func expand(pattern string) ([]string, error) {
	match := ellipsis.FindStringSubmatchIndex(pattern)
	if match == nil {
		if strings.ContainsAny(pattern, "{}") {
			return nil, fmt.Errorf("%s: a range is written {1...4}", pattern)
		}
		return []string{pattern}, nil
	}
	lower, upper := pattern[match[2]:match[3]], pattern[match[4]:match[5]]
	first, err1 := strconv.Atoi(lower)
	last, err2 := strconv.Atoi(upper)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	if first > last || last-first >= 1024 {
		return nil, fmt.Errorf("%s: the range must go up, over at most 1024 numbers", pattern)
	}
	width := 0
	if strings.HasPrefix(lower, "0") {
		width = len(lower)
	}
	var all []string
	for number := first; number <= last; number++ {
		rest, err := expand(pattern[:match[0]] + fmt.Sprintf("%0*d", width, number) +
			pattern[match[1]:])
		if err != nil {
			return nil, err
		}
		all = append(all, rest...)
	}
	return all, nil
}
