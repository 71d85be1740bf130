package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/client"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
	_ "github.com/sodalite-dq/sodalite/internal/wiring/sources/local"
)

// scanExit ends the program with the exit code of a scan; everything has been said already.
type scanExit int

func (e scanExit) Error() string { return fmt.Sprintf("the scan ended with exit code %d", int(e)) }

// scanFlags are those of the scan command; names and meaning are the reference client's, as far as it has them.
type scanFlags struct {
	source, definition, dataTime, resultsFile, junitFile string
	configurations, variables, templates                 []string
	verbose, local, asJSON, explain                      bool
	parallel                                             int
	timeout, retry                                       time.Duration
}

func (p *program) scanCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use: "scan -d SOURCE [-c FILE]… CHECKS…", Short: "Run SodaCL checks against a data source",
		Long: `Run SodaCL checks (files, or directories of .yml files) against a data source, print what they found, and push it to the
server that soda_cloud: in the configuration names. Checks and configuration are those of Soda Core 3, and so are the exit codes:

  0  all checks passed, or had nothing to be evaluated on
  1  a check warned
  2  a check failed; also wrong usage
  3  there were errors: a mistake in a file, a statement that failed, a data source that cannot be reached, results that could
     not be pushed or written

Results that could not be pushed are kept in a file; sodalite push sends it.`,
		Example: `  sodalite scan -d warehouse -c configuration.yml checks.yml
  sodalite scan -d warehouse -c configuration.yml -v day=2026-03-01 checks/ --local --junit report.xml
  sodalite scan -d warehouse -c configuration.yml checks.yml --json | jq '.checks[] | select(.outcome == "fail")'
  sodalite scan -d warehouse -c configuration.yml checks.yml --explain`,
		RunE: func(cmd *cobra.Command, args []string) error { return p.scan(cmd.Context(), &f, args) },
	}
	fs := c.Flags()
	source, _ := p.get("SODA_DATA_SOURCE")
	definition, ok := p.get("SODA_SCAN_DEFINITION")
	if !ok {
		definition = "Soda Core CLI"
	}
	fs.StringVarP(&f.source, "data-source", "d", source, "data source of the checks ($SODA_DATA_SOURCE)")
	fs.StringArrayVarP(&f.configurations, "configuration", "c", nil, "configuration file or directory; may repeat (default ~/.soda/configuration.yml)")
	fs.StringArrayVarP(&f.variables, "variable", "v", nil, "a variable NAME=VALUE; may repeat")
	fs.StringVarP(&f.definition, "scan-definition", "s", definition, "name under which the scan runs again and again; keeps environments apart ($SODA_SCAN_DEFINITION)")
	fs.StringVarP(&f.dataTime, "data-timestamp", "t", "", "logical time of the data, ISO 8601 (default now)")
	fs.StringArrayVarP(&f.templates, "template-path", "T", nil, "check templates, which as in Soda Core 3 are not supported")
	fs.BoolVarP(&f.verbose, "verbose", "V", false, "show statements and the whole log")
	fs.StringVar(&f.resultsFile, "scan-results-file", "", "write the results to this JSON file; -srf FILE means the same")
	fs.StringVar(&f.junitFile, "junit", "", "write the results to this JUnit XML file, for CI")
	fs.BoolVar(&f.local, "local", false, "push nothing, even if the configuration has soda_cloud:")
	fs.BoolVar(&f.asJSON, "json", false, "print the results as JSON")
	fs.BoolVar(&f.explain, "explain", false, "print the statements that would run, and run none but those that list datasets")
	fs.IntVar(&f.parallel, "parallel", max(2, runtime.NumCPU()), "statements that run at once")
	fs.DurationVar(&f.timeout, "timeout", 0, "end a statement after so long, such as 10m (default never)")
	retryFlag(c, &f.retry)
	return c
}

// withSRF writes the reference client's -srf, which is no flag that pflag could read, as the long form.
func withSRF(args []string) []string {
	out := slices.Clone(args)
	for i, a := range args {
		if a == "--" {
			break
		}
		if a == "-srf" || strings.HasPrefix(a, "-srf=") {
			a = "--scan-results-file" + strings.TrimPrefix(a, "-srf")
		}
		out[i] = a
	}
	return out
}

func (p *program) scan(ctx context.Context, f *scanFlags, paths []string) error {
	if f.source == "" {
		return scanUsage("scan needs -d, the name of a data source of the configuration")
	}
	vars, err := p.variables(f.variables)
	if err != nil {
		return err
	}
	var dataTime time.Time
	if f.dataTime != "" {
		if dataTime, err = isoTime(f.dataTime); err != nil {
			return scanUsage("-t %q is no ISO 8601 time, such as 2026-03-01T06:00:00Z", f.dataTime)
		}
	}
	config, program := p.readScan(f, paths, vars)
	o := engine.Options{
		Definition: f.definition, Source: f.source, Sources: sources.Of(config), Now: time.Now(), DataTime: dataTime,
		Parallel: f.parallel, Timeout: f.timeout, Verbose: f.verbose, Version: version(), Progress: p.progress("Statements"),
	}
	var server *client.Client
	if config.Cloud != nil && !f.local {
		server = newClient(config.Cloud, f.retry)
		o.History, o.Samples = server, server
	}
	if f.explain {
		return p.explain(ctx, program, o)
	}
	scan := engine.Run(ctx, program, o)
	return p.report(context.WithoutCancel(ctx), f, scan, server)
}

// readScan reads configuration and checks; all mistakes go into the program, so that the scan reports them.
func (p *program) readScan(f *scanFlags, paths []string, vars sodacl.Variables) (*source.Config, *sodacl.Program) {
	config, mistakes := p.readConfiguration(f.configurations, vars)
	for _, path := range f.templates {
		mistakes = append(mistakes, sodacl.Mistake{Position: sodacl.Position{File: path}, Message: "check templates (-T) are not supported; write the check out, or use variables"})
	}
	files, more := source.ReadFiles(paths, sodacl.MaxFileSize)
	program := sodacl.Parse(files, vars)
	program.Mistakes = append(append(mistakes, more...), program.Mistakes...)
	return config, program
}

// readConfiguration reads configuration files, by default that of the reference client, whose absence is no error.
func (p *program) readConfiguration(paths []string, vars sodacl.Variables) (*source.Config, []sodacl.Mistake) {
	if len(paths) == 0 {
		usual, err := p.usualConfiguration()
		if err != nil {
			return source.ReadConfig(nil, vars), []sodacl.Mistake{{Message: "no configuration: " + err.Error() + "; give one with -c", Warning: true}}
		}
		paths = []string{usual}
	}
	files, mistakes := source.ReadFiles(paths, source.MaxConfigSize)
	config := source.ReadConfig(files, vars)
	return config, append(mistakes, config.Mistakes...)
}

func (p *program) usualConfiguration() (string, error) {
	home, ok := p.get("HOME")
	if !ok {
		var err error
		if home, err = os.UserHomeDir(); err != nil {
			return "", err
		}
	}
	path := filepath.Join(home, ".soda", "configuration.yml")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("there is no %s", path)
	}
	return path, nil
}

func (p *program) variables(list []string) (sodacl.Variables, error) {
	vars := sodacl.Variables{Env: p.get, Values: map[string]string{}}
	for _, v := range list {
		name, value, ok := strings.Cut(v, "=")
		if !ok || name == "" {
			return vars, scanUsage("-v %q must be NAME=VALUE", v)
		}
		vars.Values[name] = value
	}
	return vars, nil
}

func isoTime(text string) (time.Time, error) {
	var t time.Time
	var err error
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if t, err = time.Parse(layout, text); err == nil {
			return t.UTC(), nil
		}
	}
	return t, err
}

func scanUsage(format string, args ...any) error {
	return usageError{fmt.Errorf(format+"; see sodalite scan --help", args...)}
}

func (p *program) explain(ctx context.Context, program *sodacl.Program, o engine.Options) error {
	queries, scan := engine.Explain(ctx, program, o)
	return p.printQueries(queries, scan)
}

func (p *program) printQueries(queries []dq.Query, scan *dq.Scan) error {
	for _, q := range queries {
		fmt.Fprintf(p.out, "-- %s\n%s;\n\n", q.Name, strings.TrimSuffix(strings.TrimSpace(q.SQL), ";"))
	}
	p.printErrors(scan)
	if scan.Errored {
		return scanExit(3)
	}
	return nil
}
