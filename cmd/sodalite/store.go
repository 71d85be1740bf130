//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

// addStoreCommands adds the commands that work on a store. A program that is built as a scanner only has none of them.
func (p *program) addStoreCommands(root *cobra.Command) {
	p.flags = map[string]*string{}
	p.flag(root, "data", config.Data, "directory of the embedded database")
	p.flag(root, "table", config.Table, "DynamoDB table to work on in place of the embedded database")
	root.AddCommand(p.serveCommand(), p.keysCommand(), p.usersCommand(), p.attributesCommand(), p.replayCommand(), p.doctorCommand(),
		p.sourcesCommand(), p.definitionsCommand())
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
	c, err := config.Load(config.Lookup(p.get).With(values))
	if err != nil {
		return nil, usageError{err}
	}
	return c, nil
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

// onSystem runs do on the store that the settings name.
func (p *program) onSystem(do func(ctx context.Context, s *wiring.System, args []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) (err error) {
		s, closeStore, err := p.open(cmd.Context())
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, closeStore()) }()
		return do(cmd.Context(), s, args)
	}
}

// printTable prints rows under headings, or a sentence if there are none.
func (p *program) printTable(empty string, rows [][]string, headings ...string) error {
	if len(rows) == 0 {
		fmt.Fprintln(p.out, empty)
		return nil
	}
	w := tabwriter.NewWriter(p.out, 0, 4, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// unknown words that a name is not known; other errors stay as they are.
func unknown(err error, format, name string) error {
	if errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf(format, name)
	}
	return err
}

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
