// Command invoke runs one function of this repository with one event, without Docker:
//
//	go run ./test/lambdahost/invoke ingest events/login.json
//
// It builds the function for this machine, hands it the event as Lambda would, and prints the answer. The function has as long as
// the template gives it. The environment is passed on: SODALITE_TABLE, AWS_REGION, and AWS_ENDPOINT_URL for an emulator.
package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/sodalite-dq/sodalite/test/lambdahost"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: make invoke FN=ingest EVENT=events/login.json")
		os.Exit(2)
	}
	if err := invoke(context.Background(), os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "invoke:", err)
		os.Exit(1)
	}
}

func invoke(ctx context.Context, function, event string) error {
	timeout, err := lambdahost.Timeout(function)
	if err != nil {
		return err
	}
	payload, err := os.ReadFile(event)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "invoke")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	bootstrap := filepath.Join(dir, "bootstrap")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "lambda.norpc", "-o", bootstrap, "./functions/"+function)
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stdout, build.Stderr = os.Stderr, os.Stderr
	if err := build.Run(); err != nil {
		return err
	}
	host, err := lambdahost.Start(ctx, bootstrap, []string{"AWS_LAMBDA_FUNCTION_NAME=" + function}, timeout, os.Stderr)
	if err != nil {
		return err
	}
	defer host.Close()
	answer, err := host.Invoke(ctx, payload)
	if err != nil {
		return err
	}
	fmt.Printf("%s\n", answer)
	return nil
}
