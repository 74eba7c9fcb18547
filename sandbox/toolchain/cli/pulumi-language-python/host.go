package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	sdk "github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/version"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
)

// shownExit is the executor's exit code for an error that the user has already been shown.
const shownExit = 32

// host answers the engine. What it does not implement, the embedded server refuses.
type host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	ctx      context.Context // ends with the host
	stop     context.CancelFunc
	engine   string // address
	tracing  string
	executor string
}

func (h *host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version.Version}, nil
}

func (h *host) About(
	_ context.Context, req *pulumirpc.AboutRequest,
) (*pulumirpc.AboutResponse, error) {
	env, err := openEnvironment(req.GetInfo())
	if err != nil {
		return nil, err
	}
	python, err := env.version()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{Executable: env.python(), Version: python}, nil
}

func (h *host) GetRequiredPackages(
	_ context.Context, req *pulumirpc.GetRequiredPackagesRequest,
) (*pulumirpc.GetRequiredPackagesResponse, error) {
	env, err := openEnvironment(req.GetInfo())
	if err != nil {
		return nil, err
	}
	packages, err := env.plugins()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.GetRequiredPackagesResponse{Packages: packages}, nil
}

// GetProgramDependencies lists everything that is installed, also when only the direct
// dependencies are asked for.
func (h *host) GetProgramDependencies(
	_ context.Context, req *pulumirpc.GetProgramDependenciesRequest,
) (*pulumirpc.GetProgramDependenciesResponse, error) {
	env, err := openEnvironment(req.GetInfo())
	if err != nil {
		return nil, err
	}
	dependencies, err := env.dependencies()
	if err != nil {
		return nil, err
	}
	return &pulumirpc.GetProgramDependenciesResponse{Dependencies: dependencies}, nil
}

func (h *host) InstallDependencies(
	*pulumirpc.InstallDependenciesRequest, pulumirpc.LanguageRuntime_InstallDependenciesServer,
) error {
	return errors.New("the sandbox's Python host installs no dependencies: run `make setup`, " +
		"which installs requirements.txt into .venv")
}

// Run executes the program. Its output is the host's own, which the engine shows.
func (h *host) Run(
	ctx context.Context, req *pulumirpc.RunRequest,
) (*pulumirpc.RunResponse, error) {
	env, err := openEnvironment(req.GetInfo())
	if err != nil {
		return nil, err
	}
	config, err := configEnvironment(req.GetConfig(), req.GetConfigSecretKeys())
	if err != nil {
		return nil, err
	}

	ctx, end := h.joined(ctx)
	defer end()
	cmd := env.command(ctx, h.programArgs(req)...)
	cmd.Dir = req.GetPwd()
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Env = append(cmd.Env, config...)

	var exit *exec.ExitError
	switch err := cmd.Run(); {
	case err == nil:
		return &pulumirpc.RunResponse{}, nil
	case errors.As(err, &exit) && exit.ExitCode() == shownExit:
		return &pulumirpc.RunResponse{Bail: true}, nil
	default:
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("the program ended with: %v", err)}, nil
	}
}

// configEnvironment hands the stack's config over. It holds secrets in the clear, and arguments
// would show them to every process.
func configEnvironment(config map[string]string, secretKeys []string) ([]string, error) {
	if len(config) == 0 {
		return nil, nil
	}
	values, err := json.Marshal(config)
	if err != nil {
		return nil, err
	}
	secrets, err := json.Marshal(append([]string{}, secretKeys...))
	if err != nil {
		return nil, err
	}
	return []string{
		"PULUMI_CONFIG=" + string(values), "PULUMI_CONFIG_SECRET_KEYS=" + string(secrets),
	}, nil
}

// programArgs are the arguments of the executor, as its own parser declares them.
func (h *host) programArgs(req *pulumirpc.RunRequest) []string {
	args := []string{
		h.executor,
		"--monitor", req.GetMonitorAddress(),
		"--engine", h.engine,
		"--project", req.GetProject(),
		"--stack", req.GetStack(),
		"--organization", req.GetOrganization(),
		"--root_directory", req.GetInfo().GetRootDirectory(),
		"--pwd", req.GetPwd(),
		"--dry_run", strconv.FormatBool(req.GetDryRun()),
		"--parallel", strconv.Itoa(int(req.GetParallel())),
	}
	if h.tracing != "" {
		args = append(args, "--tracing", h.tracing)
	}
	program := filepath.Join(req.GetInfo().GetProgramDirectory(), req.GetInfo().GetEntryPoint())
	return append(append(args, program), req.GetArgs()...)
}

// RunPlugin executes a policy pack, in its own folder. It is told of the stack by its environment,
// so it starts only when the engine has named the stack; until then the SDK's proxy answers for it.
func (h *host) RunPlugin(
	req *pulumirpc.RunPluginRequest, out pulumirpc.LanguageRuntime_RunPluginServer,
) error {
	if req.GetKind() != string(apitype.AnalyzerPlugin) {
		return fmt.Errorf("the sandbox's Python host runs programs and policy packs, "+
			"not a plugin of kind %q: install it as an executable", req.GetKind())
	}
	env, err := openEnvironment(req.GetInfo())
	if err != nil {
		return err
	}

	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(out, false)
	if err != nil {
		return err
	}
	ctx, end := h.joined(out.Context())
	defer end()
	proxy, stdout, err := sdk.NewPolicyProxy(ctx, stdout)
	if err != nil {
		return err
	}
	stack, err := proxy.AwaitConfiguration(ctx)
	if err != nil {
		return err
	}
	told, err := stackEnvironment(stack)
	if err != nil {
		return err
	}

	args := append([]string{"-m", "pulumi.policy"}, req.GetArgs()...)
	cmd := env.command(ctx, append(args, req.GetInfo().GetProgramDirectory())...)
	cmd.Dir = req.GetInfo().GetProgramDirectory()
	cmd.Env = append(append(cmd.Env, told...), req.GetEnv()...)
	cmd.Stdout, cmd.Stderr = stdout, stderr
	if err := cmd.Start(); err != nil {
		proxy.Abort(err)
		return err
	}

	err = errors.Join(proxy.Attach(ctx, cmd), closer.Close())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	return out.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{
		Exitcode: int32(cmd.ProcessState.ExitCode()),
	}})
}

// stackEnvironment tells a policy pack which stack it checks, nothing when it is asked without one.
// As with upstream's host, it is not told which of the config is secret.
func stackEnvironment(stack *pulumirpc.AnalyzerStackConfigureRequest) ([]string, error) {
	if stack == nil {
		return nil, nil
	}
	config, err := configEnvironment(stack.GetConfig(), nil)
	if err != nil {
		return nil, err
	}
	return append(config,
		"PULUMI_ORGANIZATION="+stack.GetOrganization(),
		"PULUMI_PROJECT="+stack.GetProject(),
		"PULUMI_STACK="+stack.GetStack(),
		"PULUMI_DRY_RUN="+strconv.FormatBool(stack.GetDryRun()),
	), nil
}

func (h *host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.stop()
	return &emptypb.Empty{}, nil
}

// joined ends with the call or with the host, whichever comes first.
func (h *host) joined(call context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(call)
	unwatch := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { unwatch(); cancel() }
}
