package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/client"
	v3 "github.com/sodalite-dq/sodalite/internal/sodacloud/v3"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
	_ "github.com/sodalite-dq/sodalite/internal/wiring/sources/local"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// scanExit ends the program with the exit code of a scan; everything has been said already.
type scanExit int

func (e scanExit) Error() string { return fmt.Sprintf("the scan ended with exit code %d", int(e)) }

// scanFlags are those of the scan command; names and meaning are the reference client's, as far as it has them.
type scanFlags struct {
	source, definition, dataTime, resultsFile, junitFile string
	configurations, variables                            []string
	verbose, local, asJSON, explain                      bool
	parallel                                             int
	timeout                                              time.Duration
}

func (p *program) scanCommand() *cobra.Command {
	var f scanFlags
	c := &cobra.Command{
		Use: "scan -d SOURCE [-c FILE]… CHECKS…", Short: "Run SodaCL checks against a data source",
		Long: `Run SodaCL checks (files, or directories of .yml files) against a data source, print what they found, and push it to the
server that soda_cloud: in the configuration names. Checks and configuration are those of Soda Core 3.

Exit codes: 0 all checks passed or could not be evaluated for want of rows; 1 a check warned; 2 a check failed; 3 there were
errors (a mistake in a file, a statement that failed, a data source that cannot be reached), or wrong usage.`,
		Example: `  sodalite scan -d warehouse -c configuration.yml checks.yml
  sodalite scan -d warehouse -c configuration.yml -v day=2026-03-01 checks/ --local --junit report.xml
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
	fs.StringVarP(&f.definition, "scan-definition", "s", definition, "name under which the scan runs again and again; keeps environments apart")
	fs.StringVarP(&f.dataTime, "data-timestamp", "t", "", "logical time of the data, ISO 8601 (default now)")
	fs.BoolVarP(&f.verbose, "verbose", "V", false, "show statements and the whole log")
	fs.StringVar(&f.resultsFile, "scan-results-file", "", "write the results to this JSON file; -srf FILE means the same")
	fs.StringVar(&f.junitFile, "junit", "", "write the results to this JUnit XML file, for CI")
	fs.BoolVar(&f.local, "local", false, "push nothing, even if the configuration has soda_cloud:")
	fs.BoolVar(&f.asJSON, "json", false, "print the results as JSON")
	fs.BoolVar(&f.explain, "explain", false, "print the statements that would run, and run none of them")
	fs.IntVar(&f.parallel, "parallel", max(2, runtime.NumCPU()), "statements that run at once")
	fs.DurationVar(&f.timeout, "timeout", 0, "end a statement after so long, such as 10m (default never)")
	return c
}

// withSRF writes the reference client's -srf, which is no flag that pflag could read, as the long form.
func withSRF(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
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
		server = &client.Client{
			URL: config.Cloud.URL(), KeyID: config.Cloud.KeyID, KeySecret: config.Cloud.KeySecret,
			HTTP: &http.Client{Timeout: time.Minute}, Patience: time.Minute,
		}
		o.History = server
	}
	if f.explain {
		return p.explain(ctx, program, o)
	}
	scan := engine.Run(ctx, program, o)
	return p.report(context.WithoutCancel(ctx), f, scan, server)
}

// readScan reads configuration and checks; all mistakes go into the program, so that the scan reports them.
func (p *program) readScan(f *scanFlags, paths []string, vars sodacl.Variables) (*source.Config, *sodacl.Program) {
	configurations := f.configurations
	if len(configurations) == 0 {
		if home, err := os.UserHomeDir(); err == nil {
			configurations = []string{filepath.Join(home, ".soda", "configuration.yml")}
		}
	}
	files, mistakes := source.ReadFiles(configurations, source.MaxConfigSize)
	config := source.ReadConfig(files, vars)
	mistakes = append(mistakes, config.Mistakes...)
	files, more := source.ReadFiles(paths, sodacl.MaxFileSize)
	program := sodacl.Parse(files, vars)
	program.Mistakes = append(append(mistakes, more...), program.Mistakes...)
	return config, program
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
	for _, q := range queries {
		fmt.Fprintf(p.out, "-- %s\n%s;\n\n", q.Name, strings.TrimSuffix(strings.TrimSpace(q.SQL), ";"))
	}
	p.printErrors(scan)
	if scan.Errored {
		return scanExit(3)
	}
	return nil
}

// report tells what the scan found in all the ways that were asked for. Results that cannot be delivered are an error, even
// if the checks passed: nobody else has them.
func (p *program) report(ctx context.Context, f *scanFlags, scan *dq.Scan, server *client.Client) error {
	var failures []error
	page := ""
	if server != nil {
		id, link, err := server.Push(ctx, scan)
		if err != nil {
			failures = append(failures, fmt.Errorf("the results could not be pushed to %s: %w", server.URL, err))
		}
		if page = link; page == "" && id != "" {
			page = server.URL + "/scans/" + id
		}
	}
	results := v3.Results(scan)
	if f.resultsFile != "" {
		body, err := json.MarshalIndent(results, "", "  ")
		if err == nil {
			err = os.WriteFile(f.resultsFile, body, 0o644)
		}
		failures = append(failures, err)
	}
	if f.junitFile != "" {
		failures = append(failures, writeJUnit(f.junitFile, scan))
	}
	if f.asJSON {
		failures = append(failures, p.printJSON(results))
	} else {
		p.printScan(f, scan, page)
	}
	if err := errors.Join(failures...); err != nil {
		fmt.Fprintln(p.errs, "sodalite:", err)
		return scanExit(3)
	}
	if code := engine.ExitCode(scan); code != 0 {
		return scanExit(code)
	}
	return nil
}

// outcomeWords and their colours on a terminal.
var outcomeWords = map[dq.Outcome]struct{ word, colour string }{
	dq.Pass: {"pass", "\x1b[32m"}, dq.Warn: {"WARN", "\x1b[33m"}, dq.Fail: {"FAIL", "\x1b[31m"}, dq.NotEvaluated: {"not evaluated", "\x1b[35m"},
}

func (p *program) printScan(f *scanFlags, scan *dq.Scan, page string) {
	if f.verbose {
		for _, l := range scan.Logs {
			fmt.Fprintf(p.out, "%s %-7s %s\n", l.Time.Format("15:04:05"), l.Level, l.Message)
		}
	}
	colourful := terminal(p.out)
	w := tabwriter.NewWriter(p.out, 0, 8, 2, ' ', 0)
	for _, r := range scan.Results {
		look := outcomeWords[r.Outcome]
		word := look.word
		if colourful { // all codes are five bytes, so columns stay in line
			word = look.colour + word + "\x1b[0m"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", word, r.Dataset.Name, strings.ReplaceAll(r.Name, "\n", " "), shownValue(&r))
	}
	_ = w.Flush() // the terminal is gone if this fails
	p.printErrors(scan)
	c := scan.Counts()
	fmt.Fprintf(p.out, "\n%d checks: %d passed, %d warned, %d failed, %d not evaluated; %d errors. %d statements in %s.\n",
		c.Total(), c.Pass, c.Warn, c.Fail, c.NotEvaluated, countErrors(scan), len(scan.Queries), scan.Ended.Sub(scan.Started).Round(time.Millisecond))
	if page != "" {
		fmt.Fprintln(p.out, "See", page)
	}
}

// shownValue is what was measured, and for a check without a number what is wrong.
func shownValue(r *dq.Result) string {
	value := wording.FormatValue(r.Value, r.ValueLabel, r.Measure)
	if r.Outcome == dq.Pass || r.Value != "" || len(r.Reasons) == 0 {
		return value
	}
	var why []string
	for _, reason := range r.Reasons {
		why = append(why, reason.Message)
	}
	return dq.Truncate(strings.Join(why, "; "), 200)
}

func countErrors(scan *dq.Scan) int {
	if !scan.Errored {
		return 0
	}
	return scan.Errors()
}

func (p *program) printErrors(scan *dq.Scan) {
	for _, l := range scan.Logs {
		if l.Level != dq.LevelError && l.Level != dq.LevelWarning {
			continue
		}
		at := ""
		if l.Location != nil {
			at = sodacl.Position{File: l.Location.File, Line: l.Location.Line, Column: l.Location.Col}.String() + ": "
		}
		fmt.Fprintf(p.errs, "%s: %s%s\n", l.Level, at, l.Message)
	}
}

// mistake is a mistake in the JSON of the lint command.
type mistake struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Warning bool   `json:"warning,omitempty"`
	Message string `json:"message"`
}

func (p *program) lintCommand() *cobra.Command {
	var asJSON bool
	var list []string
	c := &cobra.Command{
		Use: "lint CHECKS…", Short: "Find mistakes in files of SodaCL checks", Example: "  sodalite lint checks.yml\n  sodalite lint checks/ --json",
		Long: "Find mistakes in files of SodaCL checks, without a data source.\n\nExit codes: 0 none, 3 there are mistakes, 2 wrong usage.",
		RunE: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("lint needs files or directories of checks")}
			}
			vars, err := p.variables(list)
			if err != nil {
				return err
			}
			files, mistakes := source.ReadFiles(args, sodacl.MaxFileSize)
			program := sodacl.Parse(files, vars)
			program.Mistakes = append(mistakes, program.Mistakes...)
			return p.printMistakes(program, len(files), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringArrayVarP(&list, "variable", "v", nil, "a variable NAME=VALUE; may repeat")
	return c
}

func (p *program) printMistakes(program *sodacl.Program, files int, asJSON bool) error {
	found := []mistake{}
	for _, m := range program.Mistakes {
		found = append(found, mistake{m.File, m.Line, m.Column, m.Warning, m.Message})
		if !asJSON {
			level := "error"
			if m.Warning {
				level = "warning"
			}
			fmt.Fprintf(p.out, "%s: %s: %s\n", m.Position, level, m.Message)
		}
	}
	if asJSON {
		if err := p.printJSON(found); err != nil {
			return err
		}
	} else if len(found) == 0 {
		fmt.Fprintf(p.out, "No mistakes in %d files.\n", files)
	}
	if program.Failed() {
		return scanExit(3)
	}
	return nil
}

func (p *program) sourcesCommand() *cobra.Command {
	c := &cobra.Command{Use: "sources", Short: "Data sources of a configuration", Args: noArguments, RunE: help}
	var configurations []string
	test := &cobra.Command{
		Use: "test NAME", Short: "Connect to a data source and list its datasets", Example: "  sodalite sources test warehouse -c configuration.yml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("sources test needs the name of one data source")}
			}
			return p.testSource(cmd.Context(), args[0], configurations)
		},
	}
	test.Flags().StringArrayVarP(&configurations, "configuration", "c", nil, "configuration file or directory; may repeat (default ~/.soda/configuration.yml)")
	c.AddCommand(test)
	return c
}

func (p *program) testSource(ctx context.Context, name string, configurations []string) error {
	config, program := p.readScan(&scanFlags{configurations: configurations}, nil, sodacl.Variables{Env: p.get})
	for _, m := range program.Mistakes {
		fmt.Fprintf(p.errs, "%s: %s\n", m.Position, m.Message)
	}
	src, err := sources.Of(config)(name)
	if err != nil {
		return fmt.Errorf("data source %q: %w", name, err)
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	start := time.Now()
	c, err := src.Open(ctx)
	if err != nil {
		return fmt.Errorf("data source %q cannot be reached: %w", name, err)
	}
	defer c.Close()
	connected := time.Since(start)
	rows, err := c.Query(ctx, src.Dialect.Tables(src, []string{"%"}, nil), 20)
	if err != nil {
		return fmt.Errorf("data source %q: its datasets cannot be listed: %w", name, err)
	}
	fmt.Fprintf(p.out, "Data source %s (%s) answers after %s; it has %d datasets.\n", name, src.Type, connected.Round(time.Millisecond), rows.Count)
	for _, row := range rows.Rows {
		fmt.Fprintln(p.out, " ", row[0])
	}
	if rows.Count > int64(len(rows.Rows)) {
		fmt.Fprintln(p.out, "  …")
	}
	return nil
}
