// Command sodalite runs the whole system in one process (serve), is the command line for keys, users, attributes and replays
// (on the embedded database or on a DynamoDB table), and a scanner itself (scan, lint). Built with the tag scanner it is the last alone.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"
)

// The exit codes, also told by --help.
const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	p := &program{get: os.LookupEnv, environ: os.Environ(), out: os.Stdout, errs: os.Stderr, in: os.Stdin}
	root := p.command()
	root.SetArgs(withLaunchFlags(withContractFlags(withSRF(os.Args[1:]))))
	if err := root.ExecuteContext(ctx); err != nil {
		var scan scanExit
		if !errors.As(err, &scan) {
			fmt.Fprintln(os.Stderr, "sodalite:", err)
		}
		os.Exit(exitCode(err))
	}
}

// usageError is a mistake of the caller.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func exitCode(err error) int {
	var usage usageError
	var scan scanExit
	if errors.As(err, &scan) {
		return int(scan)
	}
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailed
}

// program is what main runs; tests run it with other surroundings.
type program struct {
	get       func(name string) (string, bool) // environment variables
	environ   []string
	out, errs io.Writer
	in        io.Reader
	// Values of flags that stand in for settings.
	flags map[string]*string
}

func (p *program) command() *cobra.Command {
	root := &cobra.Command{
		Use:   "sodalite",
		Short: "Where the results of data quality scanners go",
		Long: `Sodalite takes in what data quality scanners such as Soda Core found, shows it, and tells people when a check failed.

Settings come from the environment (SODALITE_…, see docs/settings.md); flags come before them.
Exit codes: 0 done, 1 failed, 2 wrong usage or settings; scan, lint, contract and launch have their own, see their --help.`,
		SilenceErrors: true, SilenceUsage: true, Version: version(), RunE: help,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q, see sodalite --help", args[0])}
			}
			return nil
		},
	}
	root.SetOut(p.out)
	root.SetErr(p.errs)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(p.scanCommand(), p.lintCommand(), p.contractCommand(), p.launchCommand(), p.pushCommand(), p.testConnectionCommand())
	p.addStoreCommands(root)
	return root
}

// terminal tells whether w (or what is read from) is one, for progress, colours and questions.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && isatty.IsTerminal(f.Fd())
}

// coloured tells whether standard output is to have colours: a terminal whose owner did not say no (no-color.org).
func (p *program) coloured() bool {
	off, _ := p.get("NO_COLOR")
	kind, _ := p.get("TERM")
	return terminal(p.out) && off == "" && kind != "dumb"
}

// version is the module's version, or the commit it was built from.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return "commit " + s.Value[:12]
		}
	}
	return "development"
}
