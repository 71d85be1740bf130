package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// oneArgument asks for exactly one.
func oneArgument(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != 1 {
			return usageError{fmt.Errorf("%s needs one argument, the %s", cmd.CommandPath(), name)}
		}
		return nil
	}
}

// noArguments asks for none.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("%s takes no arguments, got %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

func (p *program) printJSON(v any) error { return writeJSON(p.out, v) }

// writeJSON writes JSON that people can read too.
func writeJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
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

func help(cmd *cobra.Command, _ []string) error { return cmd.Help() }
