package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// project makes a folder with a virtual environment of the given files, and the options that name it.
func project(t *testing.T, options map[string]any, files map[string]string) *pulumirpc.ProgramInfo {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, ".venv", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	encoded, err := structpb.NewStruct(options)
	if err != nil {
		t.Fatal(err)
	}
	return &pulumirpc.ProgramInfo{RootDirectory: root, Options: encoded}
}

func TestEnvironmentIsReadFromItsFiles(t *testing.T) {
	const site = "lib/python3.11/site-packages/"
	info := project(t, map[string]any{"virtualenv": ".venv"}, map[string]string{
		"bin/python": "",
		"pyvenv.cfg": "home = /usr/bin\nversion_info = 3.11.7\n",
		site + "pulumi_docker/pulumi-plugin.json":       `{"resource": true, "name": "docker", "version": "5.2.0"}`,
		site + "pulumi_policy/pulumi-plugin.json":       `{"resource": false}`,
		site + "pulumi_docker-5.2.0.dist-info/METADATA": "",
		site + "pulumi-3.272.0.dist-info/METADATA":      "",
	})
	env, err := openEnvironment(info)
	if err != nil {
		t.Fatal(err)
	}

	if version, err := env.version(); err != nil || version != "3.11.7" {
		t.Errorf("version is %q, %v", version, err)
	}
	plugins, err := env.plugins()
	if err != nil || len(plugins) != 1 ||
		plugins[0].Name != "docker" || plugins[0].Version != "5.2.0" || plugins[0].Kind != "resource" {
		t.Errorf("plugins are %v, %v", plugins, err)
	}
	dependencies, err := env.dependencies()
	if err != nil || len(dependencies) != 2 ||
		dependencies[1].Name != "pulumi-docker" || dependencies[1].Version != "5.2.0" {
		t.Errorf("dependencies are %v, %v", dependencies, err)
	}
}

func TestWhatItCannotDoIsRefused(t *testing.T) {
	for want, options := range map[string]map[string]any{
		"no virtual environment at": {"virtualenv": ".venv"},
		"needs a virtual":           {"toolchain": "pip"},
		"knows pip and uv":          {"toolchain": "poetry"},
		`option "typechecker"`:      {"virtualenv": ".venv", "typechecker": "mypy"},
	} {
		if _, err := openEnvironment(project(t, options, nil)); err == nil ||
			!strings.Contains(err.Error(), want) {
			t.Errorf("%v: the error is %v, not %q", options, err, want)
		}
	}
}

func TestConfigWithoutSecretsIsAnEmptyListNotNull(t *testing.T) {
	env, err := configEnvironment(map[string]string{"a:b": "c"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(env, " "); got != `PULUMI_CONFIG={"a:b":"c"} PULUMI_CONFIG_SECRET_KEYS=[]` {
		t.Error(got)
	}
}

func TestPolicyPackIsToldOfTheStack(t *testing.T) {
	env, err := stackEnvironment(&pulumirpc.AnalyzerStackConfigureRequest{
		Organization: "organization", Project: "shop", Stack: "dev", DryRun: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "PULUMI_ORGANIZATION=organization PULUMI_PROJECT=shop PULUMI_STACK=dev PULUMI_DRY_RUN=true"
	if got := strings.Join(env, " "); got != want {
		t.Error(got)
	}
	if env, err := stackEnvironment(nil); len(env) > 0 || err != nil {
		t.Error(env, err)
	}
}
