//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
)

func (p *program) sourcesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "sources", Short: "Data sources that Sodalite scans itself", Args: noArguments, RunE: help,
		Long: `Data sources that scan definitions are for. They are written as in Soda's configuration.yml, but that secrets are not kept in
clear: their settings hold the ARN of a secret in AWS Secrets Manager, or ${env_var('SODALITE_SOURCE_…')}.`,
	}
	var configurations []string
	var file string
	var asJSON bool
	var o applyOptions
	apply := &cobra.Command{
		Use: "apply -f FILE", Short: "Make data sources as a file says", Args: noArguments,
		Long: `Make data sources as the data_source sections of a file say, after showing what changes. Other sections of a Soda configuration
are passed over. Data sources that the file does not name stay.`,
		Example: "  sodalite sources apply -f configuration.yml --dry-run\n  sodalite sources apply -f configuration.yml",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			if file == "" {
				return usageError{errors.New("sources apply needs -f FILE")}
			}
			wanted, err := readSources(file)
			if err != nil {
				return err
			}
			return p.apply(ctx, scanners.Runs(s, nil), &setup{sources: wanted}, o)
		}),
	}
	apply.Flags().StringVarP(&file, "file", "f", "", "configuration file")
	o.flags(apply)
	list := &cobra.Command{
		Use: "list", Short: "List data sources", Args: noArguments, Example: "  sodalite sources list --json",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			return p.listSources(ctx, scanners.Runs(s, nil), asJSON)
		}),
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	remove := &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Forget a data source that no scan definition is for", Args: oneArgument("data source's name"),
		Example: "  sodalite sources delete warehouse",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			known, err := scanners.Runs(s, nil).Source(ctx, args[0])
			if err != nil {
				return err
			}
			if err := scanners.Runs(s, nil).DeleteSource(ctx, known); err != nil {
				return err
			}
			fmt.Fprintf(p.out, "Data source %s is forgotten.\n", args[0])
			return nil
		}),
	}
	test := &cobra.Command{
		Use: "test NAME [-c FILE]", Short: "Connect to a data source and list its datasets", Args: oneArgument("data source's name"),
		Long: `Connect from this machine to a data source, that of a configuration file or else the one that Sodalite keeps, and list its
datasets. Whether function scan reaches it is told by invoking it with {"source": "NAME"}.`,
		Example: "  sodalite sources test warehouse -c configuration.yml\n  sodalite sources test warehouse",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(configurations) > 0 {
				return p.testConfigured(cmd.Context(), args[0], configurations)
			}
			return p.onSystem(p.testKept)(cmd, args)
		},
	}
	test.Flags().StringArrayVarP(&configurations, "configuration", "c", nil, "configuration file or directory; may repeat")
	c.AddCommand(apply, list, remove, test)
	return c
}

func (p *program) testKept(ctx context.Context, s *wiring.System, args []string) error {
	kept, err := scanners.Runs(s, nil).Source(ctx, args[0])
	if err != nil {
		return fmt.Errorf("%w; give a configuration with -c, or see sodalite sources list", err)
	}
	settings, err := kept.Resolved(ctx, p.get, wiring.SecretFetcher(machine.Load))
	if err != nil {
		return err
	}
	src, err := sources.Open(source.NewSettings(kept.Name, kept.Type, settings))
	if err != nil {
		return err
	}
	return p.testSource(ctx, kept.Name, src)
}

func (p *program) listSources(ctx context.Context, store *runs.Store, asJSON bool) error {
	list, err := store.Sources(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return p.printJSON(list)
	}
	var rows [][]string
	for _, s := range list {
		var settings []string
		for _, name := range slices.Sorted(maps.Keys(s.Settings)) {
			if name != "type" {
				settings = append(settings, name+"="+printable(s.Settings[name]))
			}
		}
		rows = append(rows, []string{s.Name, s.Type, strings.Join(settings, " ")})
	}
	return p.printTable("There are no data sources; see sodalite sources apply --help.", rows, "NAME", "TYPE", "SETTINGS")
}

// readSources reads the data_source sections of a Soda configuration, and passes over the others.
func readSources(path string) ([]runs.Source, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	s := &setup{places: map[string]place{}}
	s.read(path, text, true)
	if len(s.sources) == 0 && len(s.mistakes) == 0 {
		s.mistakes = append(s.mistakes, fmt.Errorf("%s: has no section \"data_source NAME\"", path))
	}
	return s.sources, errors.Join(s.mistakes...)
}
