//go:build scanner

package main

import "github.com/spf13/cobra"

// addStoreCommands adds none: this program is built as a scanner only, which is smaller.
func (p *program) addStoreCommands(root *cobra.Command) {
	root.Short = "Run data quality checks"
	root.Long = `Run data quality checks against databases, and push what they found to a server.

This program is built as a scanner only. Data files, SQLite, serve and the commands that work on a store are in the whole program.
Exit codes: 0 done, 1 failed, 2 wrong usage; scan, lint, contract and launch have their own, see their --help.`
	root.Version += ", a scanner only"
}
