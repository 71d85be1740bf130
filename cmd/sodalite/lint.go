package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

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
			return p.printMistakes(program.Mistakes, len(files), asJSON)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().StringArrayVarP(&list, "variable", "v", nil, "a variable NAME=VALUE; may repeat")
	return c
}

func (p *program) printMistakes(mistakes []sodacl.Mistake, files int, asJSON bool) error {
	found := []mistake{}
	for _, m := range mistakes {
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
		fmt.Fprintf(p.out, "No mistakes in %s.\n", wording.Count(files, "file"))
	}
	if slices.ContainsFunc(mistakes, func(m sodacl.Mistake) bool { return !m.Warning }) {
		return scanExit(3)
	}
	return nil
}
