//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
)

const setupExample = `  data_source warehouse:
    type: postgres
    host: db.internal
    username: scanner
    password: arn:aws:secretsmanager:eu-west-1:123456789012:secret:scanner   # or ${env_var('SODALITE_SOURCE_PASSWORD')}
    database: shop
  definitions:
    nightly orders:
      data source: warehouse
      schedule: 0 6 * * *          # minute hour day month weekday; leave out for scans on demand
      time zone: Europe/Amsterdam  # UTC if left out
      variables: {country: NL}
      checks: [checks/orders.yml, checks/more/]`

func (p *program) definitionsCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "definitions", Short: "Scan definitions that Sodalite runs itself", Args: noArguments, RunE: help,
		Long: "Scan definitions that Sodalite runs itself, as code: files beside the checks they name, see docs/scans.md.\n\n" + setupExample,
	}
	c.AddCommand(p.applyDefinitionsCommand(), p.listDefinitionsCommand(), p.getDefinitionCommand(), p.exportDefinitionsCommand(), p.deleteDefinitionCommand())
	return c
}

func (p *program) applyDefinitionsCommand() *cobra.Command {
	var file string
	var o applyOptions
	c := &cobra.Command{
		Use: "apply -f PATH", Short: "Make data sources and scan definitions as files say", Args: noArguments,
		Long: `Make data sources and scan definitions as a file (or the files in a directory) says, after showing what changes; on a terminal
it asks first. The same files twice change nothing the second time. Definitions that no file names stay, unless --prune.

` + setupExample,
		Example: "  sodalite definitions apply -f scans/ --dry-run\n  sodalite definitions apply -f scans/ --yes --prune",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			if file == "" {
				return usageError{errors.New("definitions apply needs -f, a file or a directory")}
			}
			wanted, err := readSetup(file)
			if err != nil {
				return err
			}
			return p.apply(ctx, scanners.Runs(s, nil), wanted, o)
		}),
	}
	c.Flags().StringVarP(&file, "file", "f", "", "file, or directory of files")
	o.flags(c)
	c.Flags().BoolVar(&o.prune, "prune", false, "forget the scan definitions that no file names")
	return c
}

func (p *program) listDefinitionsCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "list", Short: "List scan definitions", Args: noArguments, Example: "  sodalite definitions list --json",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			store := scanners.Runs(s, nil)
			list, err := store.Definitions(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(list)
			}
			var rows [][]string
			for _, d := range list {
				next := "on demand"
				if t := d.Next(store.Now()); !t.IsZero() {
					next = t.Format("2006-01-02 15:04 MST")
				}
				rows = append(rows, []string{d.Name, d.Source, d.Schedule, d.TimeZone, next})
			}
			return p.printTable("There are no scan definitions; see sodalite definitions apply --help.", rows, "NAME", "DATA SOURCE", "SCHEDULE", "TIME ZONE", "NEXT RUN")
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) getDefinitionCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use: "get NAME", Short: "Print a scan definition and its checks", Args: oneArgument("scan definition's name"),
		Example: `  sodalite definitions get "nightly orders"`,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			d, err := scanners.Runs(s, nil).Definition(ctx, args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(d)
			}
			text, err := writeSetup(nil, []runs.Definition{d})
			if err != nil {
				return err
			}
			fmt.Fprint(p.out, string(text))
			for _, f := range d.Files {
				fmt.Fprintf(p.out, "\n# %s\n%s", f.Name, f.Text)
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

func (p *program) exportDefinitionsCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use: "export -d DIR", Short: "Write all data sources and scan definitions as files to apply", Args: noArguments,
		Long:    "Write all data sources and scan definitions to a directory that does not exist yet: definitions.yml, and a directory of checks for each\ndefinition. Applying it changes nothing but the names of files.",
		Example: "  sodalite definitions export -d scans",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			if dir == "" {
				return usageError{errors.New("definitions export needs -d, a directory to make")}
			}
			return p.exportSetup(ctx, scanners.Runs(s, nil), dir)
		}),
	}
	c.Flags().StringVarP(&dir, "directory", "d", "", "directory to make")
	return c
}

func (p *program) deleteDefinitionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Forget a scan definition; its results stay", Args: oneArgument("scan definition's name"),
		Example: `  sodalite definitions delete "nightly orders"`,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			d, err := scanners.Runs(s, nil).Definition(ctx, args[0])
			if err != nil {
				return err
			}
			if err := scanners.Runs(s, nil).DeleteDefinition(ctx, d); err != nil {
				return err
			}
			fmt.Fprintf(p.out, "Scan definition %q is forgotten; its results stay.\n", d.Name)
			return nil
		}),
	}
}

// exportSetup writes everything below dir, which it makes.
func (p *program) exportSetup(ctx context.Context, store *runs.Store, dir string) error {
	sources, err := store.Sources(ctx)
	if err != nil {
		return err
	}
	heads, err := store.Definitions(ctx)
	if err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o777); err != nil {
		return err
	}
	var definitions []runs.Definition
	for i, head := range heads {
		d, err := store.Definition(ctx, head.Name)
		if err != nil {
			return err
		}
		for n, f := range d.Files {
			name := filepath.Join(fileName(d.Name, i), filepath.FromSlash(f.Name))
			if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o777); err != nil {
				return err
			}
			if err := os.WriteFile(filepath.Join(dir, name), []byte(f.Text), 0o666); err != nil {
				return err
			}
			d.Files[n].Name = filepath.ToSlash(name)
		}
		definitions = append(definitions, d)
	}
	text, err := writeSetup(sources, definitions)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "definitions.yml"), text, 0o666); err != nil {
		return err
	}
	fmt.Fprintf(p.out, "%d data sources and %d scan definitions are in %s.\n", len(sources), len(definitions), dir)
	return nil
}
