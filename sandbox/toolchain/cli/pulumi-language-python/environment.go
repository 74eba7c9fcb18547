package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/pulumi/pulumi/sdk/v3/python/toolchain"
)

// environment is a virtual environment, read from its files: asking a Python process instead would
// cost each operation a third of a second.
type environment struct {
	dir string
}

// openEnvironment returns the environment that the runtime options of a Pulumi.yaml or
// PulumiPolicy.yaml name. Both toolchains, pip and uv, run in it as it is: nothing is synchronised.
func openEnvironment(info *pulumirpc.ProgramInfo) (*environment, error) {
	options := info.GetOptions().AsMap()
	for name := range options {
		if name != "virtualenv" && name != "toolchain" {
			return nil, fmt.Errorf("runtime option %q is not known to the sandbox's Python host: "+
				"it knows virtualenv and toolchain", name)
		}
	}
	switch options["toolchain"] {
	case nil, "pip", "uv":
	default:
		return nil, fmt.Errorf("toolchain %v is not known to the sandbox's Python host: "+
			"it knows pip and uv", options["toolchain"])
	}
	dir, ok := options["virtualenv"].(string)
	if !ok || dir == "" {
		if options["toolchain"] != "uv" {
			return nil, errors.New("the sandbox's Python host needs a virtual environment: " +
				"set the runtime option virtualenv, say to .venv")
		}
		dir = ".venv"
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(info.GetRootDirectory(), dir)
	}
	if !toolchain.IsVirtualEnv(dir) {
		return nil, fmt.Errorf("there is no virtual environment at %s: run `make setup`", dir)
	}
	return &environment{dir}, nil
}

func (e *environment) python() string { return filepath.Join(e.dir, "bin", "python") }

// command prepares a Python process. It is killed when ctx ends.
func (e *environment) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, e.python(), args...)
	cmd.Env = append(toolchain.ActivateVirtualEnv(os.Environ(), e.dir), "PYTHONUNBUFFERED=1")
	return cmd
}

// version returns Python's version, such as "3.11.7", as pyvenv.cfg has it.
func (e *environment) version() (string, error) {
	path := filepath.Join(e.dir, "pyvenv.cfg")
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		key, value, _ := strings.Cut(lines.Text(), "=")
		// The standard library's venv writes version, uv writes version_info.
		if key = strings.TrimSpace(key); key == "version" || key == "version_info" {
			return strings.TrimSpace(value), nil
		}
	}
	if err := lines.Err(); err != nil {
		return "", err
	}
	return "", fmt.Errorf("%s names no Python version", path)
}

func (e *environment) glob(pattern string) ([]string, error) {
	return filepath.Glob(filepath.Join(e.dir, "lib", "python3*", "site-packages", pattern))
}

// plugins returns the resource plugins that the installed SDKs name in their pulumi-plugin.json.
func (e *environment) plugins() ([]*pulumirpc.PackageDependency, error) {
	paths, err := e.glob(filepath.Join("*", "pulumi-plugin.json"))
	if err != nil {
		return nil, err
	}
	var found []*pulumirpc.PackageDependency
	for _, path := range paths {
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		var meta plugin.PulumiPluginJSON
		if err := json.Unmarshal(content, &meta); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if !meta.Resource {
			continue
		}
		if meta.Parameterization != nil {
			return nil, fmt.Errorf("%s: parameterized packages are not known to the sandbox's "+
				"Python host", path)
		}
		found = append(found, &pulumirpc.PackageDependency{
			Name: meta.Name, Kind: "resource", Version: meta.Version, Server: meta.Server,
		})
	}
	return found, nil
}

// dependencies returns the installed distributions with their versions, by name.
func (e *environment) dependencies() ([]*pulumirpc.DependencyInfo, error) {
	paths, err := e.glob("*.dist-info")
	if err != nil {
		return nil, err
	}
	found := make([]*pulumirpc.DependencyInfo, 0, len(paths))
	for _, path := range paths {
		// PEP 427: name and version, with no hyphen in either.
		name, version, _ := strings.Cut(strings.TrimSuffix(filepath.Base(path), ".dist-info"), "-")
		found = append(found, &pulumirpc.DependencyInfo{
			Name: strings.ReplaceAll(name, "_", "-"), Version: version,
		})
	}
	sort.Slice(found, func(i, j int) bool { return found[i].Name < found[j].Name })
	return found, nil
}
