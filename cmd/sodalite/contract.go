package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	v4 "github.com/sodalite-dq/sodalite/internal/sodacloud/v4"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

// contractFlags are those of the contract commands; names and meaning are the reference client's, as far as it has them.
type contractFlags struct {
	file, cloud, definition, dataTime, junitFile string
	sources, variables, paths, filters           []string
	publish, verbose, asJSON, explain            bool
	parallel                                     int
	timeout, retry                               time.Duration
}

func (p *program) contractCommand() *cobra.Command {
	c := &cobra.Command{Use: "contract", Short: "Data contracts, as Soda Core 4 writes them", Args: noArguments, RunE: help}
	c.AddCommand(p.contractVerifyCommand(), p.contractTestCommand())
	return c
}

func (p *program) contractVerifyCommand() *cobra.Command {
	var f contractFlags
	c := &cobra.Command{
		Use: "verify FILE -ds FILE…", Short: "Run the checks of a contract against its data source",
		Long: `Run the checks of a contract against the data source that it names, print what they found, and with -p push it to the
server that soda_cloud: in the file of -sc names. Contracts, data source and cloud files are those of Soda Core 4; a
configuration.yml of Soda Core 3 is read as well.

Exit codes: 0 all checks passed; 1 a check failed; 2 a check warned, or wrong usage; 3 there were errors (a mistake in a
file, a statement that failed, a data source that cannot be reached); 4 the results could not be pushed.`,
		Example: `  sodalite contract verify orders.yml -ds warehouse.yml
  sodalite contract verify orders.yml -ds warehouse.yml --set day=2026-03-01 -cf type=missing --junit report.xml
  sodalite contract verify orders.yml -ds warehouse.yml -sc cloud.yml -p
  sodalite contract verify orders.yml -ds warehouse.yml --explain`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.takeFile(args); err != nil {
				return err
			}
			return p.verifyContract(cmd.Context(), &f)
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.file, "contract", "c", "", "the contract, in place of the argument")
	fs.StringArrayVar(&f.sources, "data-source", nil, "file with the data source; -ds FILE means the same; may repeat")
	fs.StringVar(&f.cloud, "soda-cloud", "", "file with the soda_cloud section; -sc FILE means the same")
	fs.StringArrayVar(&f.variables, "set", nil, "a variable NAME=VALUE; may repeat")
	fs.StringArrayVar(&f.paths, "check-paths", nil, "run only checks at this path, such as columns.id.checks.missing; -cp PATH means the same; may repeat")
	fs.StringArrayVar(&f.filters, "check-filter", nil, "run only checks with this property, KEY=VALUE or KEY!=VALUE; -cf means the same; may repeat")
	retryFlag(c, &f.retry)
	fs.BoolVarP(&f.publish, "publish", "p", false, "push the contract and its results to the server")
	fs.StringVar(&f.definition, "scan-definition", "", "name under which the scan runs again and again (default: that of the dataset; $SODA_SCAN_DEFINITION)")
	fs.StringVarP(&f.dataTime, "data-timestamp", "t", "", "logical time of the data, ISO 8601 (default now)")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "show statements and the whole log")
	fs.StringVar(&f.junitFile, "junit", "", "write the results to this JUnit XML file, for CI")
	fs.BoolVar(&f.asJSON, "json", false, "print the results as JSON")
	fs.BoolVar(&f.explain, "explain", false, "print the statements that would run, and run none of them")
	fs.IntVar(&f.parallel, "parallel", max(2, runtime.NumCPU()), "statements that run at once")
	fs.DurationVar(&f.timeout, "timeout", 0, "end a statement after so long, such as 10m (default never)")
	return c
}

func (p *program) contractTestCommand() *cobra.Command {
	var f contractFlags
	c := &cobra.Command{
		Use: "test FILE", Short: "Find mistakes in a contract", Example: "  sodalite contract test orders.yml\n  sodalite contract test orders.yml --json",
		Long: "Find mistakes in a contract, without a data source.\n\nExit codes: 0 none, 3 there are mistakes, 2 wrong usage.",
		RunE: func(_ *cobra.Command, args []string) error {
			if err := f.takeFile(args); err != nil {
				return err
			}
			c, _, _, err := p.readContract(&f)
			if err != nil {
				return err
			}
			return p.printMistakes(c.Mistakes, 1, f.asJSON)
		},
	}
	fs := c.Flags()
	fs.StringVarP(&f.file, "contract", "c", "", "the contract, in place of the argument")
	fs.StringArrayVar(&f.variables, "set", nil, "a variable NAME=VALUE; may repeat")
	fs.BoolVarP(&f.verbose, "verbose", "v", false, "taken for the reference client's sake")
	fs.BoolVar(&f.asJSON, "json", false, "print JSON")
	return c
}

// takeFile takes the contract's file from the argument.
func (f *contractFlags) takeFile(args []string) error {
	if f.file == "" && len(args) == 1 {
		f.file, args = args[0], nil
	}
	if f.file == "" || len(args) > 0 {
		return contractUsage("want one contract: a file as argument or after -c")
	}
	return nil
}

func contractUsage(format string, args ...any) error {
	return usageError{fmt.Errorf(format+"; see sodalite contract verify --help", args...)}
}

// clientFlags are the reference client's flags of two letters, which pflag cannot read, and what they mean. Those of the
// second kind may be followed by several values.
var clientFlags = map[string]struct {
	long string
	many bool
}{"-ds": {"--data-source", true}, "-sc": {"--soda-cloud", false}, "-cp": {"--check-paths", true}, "-cf": {"--check-filter", false}}

// withContractFlags writes the flags of contract commands as pflag reads them. Several values behind one flag, as the
// reference client takes them, are told from the argument only where the contract is given by -c.
func withContractFlags(args []string) []string {
	if len(args) == 0 || args[0] != "contract" {
		return args
	}
	noArgument := slices.ContainsFunc(args, func(a string) bool { return a == "-c" || a == "--contract" || strings.HasPrefix(a, "--contract=") })
	var out []string
	many := ""
	for i, a := range args {
		name, value, hasValue := strings.Cut(a, "=")
		if f, ok := clientFlags[name]; ok {
			if a = f.long; hasValue {
				a += "=" + value
			}
			many = ""
			if f.many && noArgument {
				many = f.long
			}
		} else if strings.HasPrefix(a, "-") {
			many = ""
		} else if many != "" && i > 0 && out[len(out)-1] != many {
			out = append(out, many)
		}
		out = append(out, a)
	}
	return out
}

// readContract reads the contract and its variables; all other mistakes than those of the call are the contract's.
func (p *program) readContract(f *contractFlags) (*contract.Contract, []byte, sodacl.Variables, error) {
	vars, err := p.variables(f.variables)
	if err != nil {
		return nil, nil, vars, err
	}
	in := contract.Inputs{Variables: map[string]any{}, Env: p.get, Now: time.Now()}
	for name, value := range vars.Values {
		in.Variables[name] = contract.Value(value)
	}
	if f.dataTime != "" {
		if in.DataTime, err = isoTime(f.dataTime); err != nil {
			return nil, nil, vars, contractUsage("-t %q is no ISO 8601 time, such as 2026-03-01T06:00:00Z", f.dataTime)
		}
	}
	for _, path := range f.paths {
		in.Select = append(in.Select, contract.CheckPath(path))
	}
	for _, text := range f.filters {
		s, err := contract.ParseSelector(text)
		if err != nil {
			return nil, nil, vars, usageError{err}
		}
		in.Select = append(in.Select, s)
	}
	files, mistakes := source.ReadFiles([]string{f.file}, contract.MaxFileSize)
	if len(files) != 1 {
		if len(mistakes) == 0 {
			mistakes = []sodacl.Mistake{{Position: sodacl.Position{File: f.file}, Message: "want one file, not a directory"}}
		}
		return &contract.Contract{File: f.file, Mistakes: mistakes}, nil, vars, nil
	}
	return contract.Parse(files[0], in), files[0].Text, vars, nil
}

func (p *program) verifyContract(ctx context.Context, f *contractFlags) error {
	c, text, vars, err := p.readContract(f)
	switch {
	case err != nil:
		return err
	case len(f.sources) == 0:
		return contractUsage("contract verify needs -ds, a file with the data source")
	case f.publish && f.cloud == "":
		return contractUsage("-p needs -sc, a file with the soda_cloud section")
	}
	paths := f.sources
	if f.cloud != "" {
		paths = append(slices.Clone(paths), f.cloud)
	}
	config, mistakes := p.readConfiguration(paths, vars)
	c.Mistakes = append(mistakes, c.Mistakes...)
	o := engine.Options{
		Definition: f.definition, Sources: sources.Of(config), Now: time.Now(), Parallel: f.parallel, Timeout: f.timeout, Verbose: f.verbose,
		Version: version(), Progress: p.progress("Statements"),
	}
	if o.Definition == "" {
		o.Definition, _ = p.get("SODA_SCAN_DEFINITION")
	}
	if f.dataTime != "" {
		o.DataTime, _ = isoTime(f.dataTime) // read before
	}
	if f.explain {
		queries, scan := engine.ExplainContract(ctx, c, o)
		return p.printQueries(queries, scan)
	}
	scan := engine.Verify(ctx, c, o)
	return p.reportContract(context.WithoutCancel(ctx), f, scan, string(text), config)
}

// reportContract tells what the verification found in all the ways that were asked for.
func (p *program) reportContract(ctx context.Context, f *contractFlags, scan *dq.Scan, text string, config *source.Config) error {
	code, page, results := engine.ContractExitCode(scan), "", v4.Results(scan)
	if f.publish && scan.Definition != "" { // of a file that names no dataset nobody could say whose results they are
		var err error
		if page, err = f.push(ctx, results, text, config); err != nil {
			fmt.Fprintln(p.errs, "sodalite:", err)
			code = exitNotSent
		}
	}
	var failures []error
	if f.junitFile != "" {
		failures = append(failures, writeJUnit(f.junitFile, scan))
	}
	if f.asJSON {
		failures = append(failures, p.printJSON(results))
	} else {
		p.printScan(scan, f.verbose, page)
	}
	if err := errors.Join(failures...); err != nil {
		fmt.Fprintln(p.errs, "sodalite:", err)
		code = max(code, 3)
	}
	if code != 0 {
		return scanExit(code)
	}
	return nil
}

// exitNotSent is the reference client's exit code for results that did not arrive.
const exitNotSent = 4

// push sends the contract and its results, and gives the address of their page.
func (f *contractFlags) push(ctx context.Context, results map[string]any, text string, config *source.Config) (page string, err error) {
	if config.Cloud == nil {
		return "", fmt.Errorf("the results are not pushed: %s has no soda_cloud section", f.cloud)
	}
	server := newClient(config.Cloud, f.retry)
	id, err := server.UploadContract(ctx, text)
	if err == nil {
		results["contract"] = map[string]any{"fileId": id, "metadata": map[string]any{"source": map[string]string{"type": "local", "filePath": f.file}}}
		_, page, err = server.PushResults(ctx, results)
	}
	if err != nil {
		return "", notPushed(server, "", results, err)
	}
	return page, nil
}
