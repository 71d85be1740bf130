// Command sodalite runs the whole system in one process (serve), is the command line for keys, users, attributes and replays
// (on the embedded database or on a DynamoDB table), and a scanner itself (scan, lint).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"
	"time"

	"github.com/mattn/go-isatty"
	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring"
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

func exitCode(err error) int {
	var usage usageError
	var mistakes config.Mistakes
	var scan scanExit
	if errors.As(err, &scan) {
		return int(scan)
	}
	if errors.As(err, &usage) || errors.As(err, &mistakes) {
		return exitUsage
	}
	return exitFailed
}

// program is what main runs; tests run it with other surroundings.
type program struct {
	get       config.Lookup
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
	p.flags = map[string]*string{}
	p.flag(root, "data", config.Data, "directory of the embedded database")
	p.flag(root, "table", config.Table, "DynamoDB table to work on in place of the embedded database")
	root.AddCommand(p.serveCommand(), p.keysCommand(), p.usersCommand(), p.attributesCommand(), p.replayCommand(), p.doctorCommand(),
		p.scanCommand(), p.lintCommand(), p.contractCommand(), p.launchCommand(), p.pushCommand(), p.testConnectionCommand(), p.sourcesCommand(), p.definitionsCommand())
	return root
}

// flag makes a persistent flag that stands in for a setting.
func (p *program) flag(c *cobra.Command, name, setting, usage string) {
	p.flags[setting] = new(string)
	c.PersistentFlags().StringVar(p.flags[setting], name, "", usage+" ($"+setting+")")
}

// settings reads the settings, flags before the environment.
func (p *program) settings() (*config.Config, error) {
	values := map[string]string{}
	for setting, value := range p.flags {
		if *value != "" {
			values[setting] = *value
		}
	}
	return config.Load(p.get.With(values))
}

// open reads the settings and opens the store that they name. close ends it.
func (p *program) open(ctx context.Context) (s *wiring.System, close func() error, err error) {
	c, err := p.settings()
	if err != nil {
		return nil, nil, err
	}
	log := p.log(c.LogLevel)
	for _, name := range config.Unknown(p.environ) {
		log.Warn("environment variable is no setting of ours, is it a typing error?", "name", name)
	}
	if c.Table != "" {
		t, err := wiring.DynamoTable(ctx, c.Table, machine.Load)
		if err != nil {
			return nil, nil, err
		}
		return wiring.NewSystem(c, t, machine.Load, log, version()), func() error { return nil }, nil
	}
	t, err := p.openEmbedded(c)
	if err != nil {
		return nil, nil, err
	}
	if c.PublicURL == "" {
		c.PublicURL = lastAddress(c.Data)
	}
	return wiring.NewSystem(c, t, machine.Load, log, version()), t.Close, nil
}

// addressFile, beside the database, holds the address of the server that last ran on it, for commands that print links.
const addressFile = "address"

func keepAddress(dir, address string) error {
	if err := os.WriteFile(filepath.Join(dir, addressFile), []byte(address+"\n"), 0o600); err != nil {
		return fmt.Errorf("data directory: %w", err)
	}
	return nil
}

// lastAddress is what keepAddress kept, "" if no server ran yet.
func lastAddress(dir string) string {
	text, err := os.ReadFile(filepath.Join(dir, addressFile))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

func (p *program) openEmbedded(c *config.Config) (*sqlite.Table, error) {
	if err := os.MkdirAll(c.Data, 0o700); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	return sqlite.Open(filepath.Join(c.Data, "sodalite.db"), time.Now)
}

func (p *program) log(level slog.Leveler) *slog.Logger {
	return slog.New(slog.NewTextHandler(p.errs, &slog.HandlerOptions{Level: level}))
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
