package main

import (
	"bytes"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// run runs the command line on a data directory and gives what it printed.
func run(t *testing.T, data, input string, args ...string) (out, errs string, err error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	p := &program{
		get: func(name string) (string, bool) {
			if name == "SODALITE_DATA" {
				return data, true
			}
			return "", false
		},
		environ: []string{"SODALITE_DATTA=typing error"}, out: &stdout, errs: &stderr, in: strings.NewReader(input),
	}
	c := p.command()
	c.SetArgs(args)
	err = c.ExecuteContext(t.Context())
	return stdout.String(), stderr.String(), err
}

// TestAScannerLinksNoStore holds the program that is built with -tags scanner to what scans of databases need: it is small.
func TestAScannerLinksNoStore(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-tags", "scanner", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{
		"modernc.org/sqlite", "github.com/parquet-go/parquet-go", "github.com/aws/aws-sdk-go-v2/service/dynamodb", "github.com/aws/aws-sdk-go-v2/service/s3",
		"github.com/sodalite-dq/sodalite/internal/web", "github.com/sodalite-dq/sodalite/internal/runs", "html/template",
	} {
		if slices.Contains(strings.Fields(string(out)), never) {
			t.Errorf("%s is linked", never)
		}
	}
}
