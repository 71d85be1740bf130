package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// testConnectionCommand is the reference client's.
func (p *program) testConnectionCommand() *cobra.Command {
	var name string
	var configurations []string
	var verbose bool
	c := &cobra.Command{
		Use: "test-connection -d NAME -c FILE", Short: "Connect to a data source of a configuration", Args: noArguments,
		Long:    "Connect to a data source of a configuration and list its datasets.\n\nExit codes: 0 it answers, 1 it does not, 2 wrong usage.",
		Example: "  sodalite test-connection -d warehouse -c configuration.yml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name == "" {
				return usageError{errors.New("test-connection needs -d, the name of a data source of the configuration")}
			}
			return p.testConfigured(cmd.Context(), name, configurations)
		},
	}
	c.Flags().StringVarP(&name, "data-source", "d", "", "data source")
	c.Flags().StringArrayVarP(&configurations, "configuration", "c", nil, "configuration file or directory; may repeat (default ~/.soda/configuration.yml)")
	c.Flags().BoolVarP(&verbose, "verbose", "V", false, "taken for Soda Core's sake; everything is told anyway")
	return c
}

func (p *program) testConfigured(ctx context.Context, name string, configurations []string) error {
	config, mistakes := p.readConfiguration(configurations, sodacl.Variables{Env: p.get})
	for _, m := range mistakes {
		fmt.Fprintln(p.errs, m.Error())
	}
	src, err := sources.Of(config)(name)
	if err != nil {
		return fmt.Errorf("data source %q: %w", name, err)
	}
	return p.testSource(ctx, name, src)
}

func (p *program) testSource(ctx context.Context, name string, src *engine.Source) error {
	found, err := engine.Test(ctx, src)
	if err != nil {
		return fmt.Errorf("data source %q: %w", name, err)
	}
	fmt.Fprintf(p.out, "Data source %s (%s) answers after %s; it has %s.\n", name, src.Type, found.Connected.Round(time.Millisecond), wording.Count(int(found.Count), "dataset"))
	for _, dataset := range found.Datasets {
		fmt.Fprintln(p.out, " ", printable(dataset))
	}
	if found.Count > int64(len(found.Datasets)) {
		fmt.Fprintln(p.out, "  …")
	}
	return nil
}
