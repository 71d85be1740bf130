package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

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

// oneArgument asks for exactly one.
func oneArgument(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s needs one argument, the %s", cmd.CommandPath(), name)}
		}
		return nil
	}
}

func (p *program) printJSON(v any) error {
	e := json.NewEncoder(p.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
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

// progress gives a function that counts on a terminal, and nil elsewhere.
func (p *program) progress(what string) func(done, of int) {
	if !terminal(p.errs) {
		return nil
	}
	return func(done, of int) {
		fmt.Fprintf(p.errs, "\r%s: %d of %d", what, done, of)
		if done == of {
			fmt.Fprintln(p.errs)
		}
	}
}

func date(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// unknown words that a name is not known; other errors stay as they are.
func unknown(err error, format, name string) error {
	if errors.Is(err, auth.ErrNotFound) {
		return fmt.Errorf(format, name)
	}
	return err
}

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }

func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
