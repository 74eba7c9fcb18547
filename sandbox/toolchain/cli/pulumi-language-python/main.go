// Command pulumi-language-python is the language host that the engine starts to run programs and
// policy packs written in Python. The engine passes its own address as the last argument and reads
// the port to dial from the first line of standard output.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/cmdutil"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/logging"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// enginePoll bounds how long a program outlives an engine that was killed.
const enginePoll = time.Second

func main() {
	tracing := flag.String("tracing", "", "where traces go")
	flag.Parse()
	logging.InitLogging(false, 0, false) // -v and -logtostderr, which it has itself declared, win
	cmdutil.InitTracing("pulumi-language-python", "pulumi-language-python", *tracing)

	if err := serve(flag.Arg(0), *tracing); err != nil {
		cmdutil.Exit(err)
	}
}

// serve answers the engine at engineAddress until it is interrupted or the engine is gone.
func serve(engineAddress, tracing string) error {
	if engineAddress == "" {
		return errors.New("the engine's address is missing: it is pulumi that starts this program")
	}
	executor, err := findExecutor()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := rpcutil.Healthcheck(ctx, engineAddress, enginePoll, stop); err != nil {
		return fmt.Errorf("cannot watch the engine at %s: %w", engineAddress, err)
	}

	cancelled := make(chan bool)
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancelled,
		Init: func(srv *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(srv, &host{
				ctx: ctx, stop: stop, engine: engineAddress, tracing: tracing, executor: executor,
			})
			return nil
		},
		Options: rpcutil.TracingServerInterceptorOptions(nil),
	})
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		close(cancelled)
	}()
	fmt.Println(server.Port)
	return <-server.Done
}

// findExecutor returns the path of upstream's script that runs a program; it lies beside this one.
func findExecutor() (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	executor := filepath.Join(filepath.Dir(self), "pulumi-language-python-exec")
	if _, err := os.Stat(executor); err != nil {
		return "", fmt.Errorf("%s is missing: run sandbox/toolchain/install.sh again", executor)
	}
	return executor, nil
}
