package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/client"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// newClient speaks to the server of a soda_cloud section. A busy or unreachable server is asked again for so long.
func newClient(c *source.Cloud, retry time.Duration) *client.Client {
	return &client.Client{URL: c.URL(), KeyID: c.KeyID, KeySecret: c.KeySecret, HTTP: &http.Client{Timeout: time.Minute}, Patience: retry}
}

func retryFlag(c *cobra.Command, to *time.Duration) {
	c.Flags().DurationVar(to, "retry", time.Minute, "how long a server that is busy or cannot be reached is asked again")
}

// maxResults is how many bytes of a results file are read.
const maxResults = 256 << 20

func (p *program) pushCommand() *cobra.Command {
	var configurations []string
	var retry time.Duration
	c := &cobra.Command{
		Use: "push FILE -c CONFIGURATION", Short: "Push a file of scan results", Args: oneArgument("file of results"),
		Long: `Push a file of scan results, as scan writes with --scan-results-file (Soda Core's too), to the server that soda_cloud: in the
configuration names. The same file twice is one scan.`,
		Example: "  sodalite push results.json -c configuration.yml",
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.push(cmd.Context(), args[0], configurations, retry)
		},
	}
	c.Flags().StringArrayVarP(&configurations, "configuration", "c", nil, "configuration file or directory; may repeat (default ~/.soda/configuration.yml)")
	retryFlag(c, &retry)
	return c
}

func (p *program) push(ctx context.Context, path string, configurations []string, retry time.Duration) error {
	results, err := readResults(path)
	if err != nil {
		return err
	}
	server, err := p.server(configurations, retry, "push needs a configuration with soda_cloud:")
	if err != nil {
		return err
	}
	_, page, err := server.PushResults(ctx, results)
	if err != nil {
		return fmt.Errorf("the results could not be pushed to %s: %w", server.URL, err)
	}
	fmt.Fprintln(p.out, "Pushed. See", page)
	return nil
}

// server is that of the soda_cloud section of a configuration. Without one the error is what is wrong with the configuration,
// and then what is missing.
func (p *program) server(configurations []string, retry time.Duration, missing string) (*client.Client, error) {
	config, mistakes := p.readConfiguration(configurations, sodacl.Variables{Env: p.get})
	if config.Cloud != nil {
		return newClient(config.Cloud, retry), nil
	}
	var errs []error
	for _, m := range mistakes {
		errs = append(errs, m)
	}
	return nil, errors.Join(append(errs, usageError{errors.New(missing)})...)
}

func readResults(path string) (map[string]any, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	decoder := json.NewDecoder(io.LimitReader(f, maxResults))
	decoder.UseNumber() // numbers stay as they are, digit by digit
	var results map[string]any
	if err := decoder.Decode(&results); err != nil {
		return nil, fmt.Errorf("%s is no file of scan results of at most %d bytes: %w", path, maxResults, err)
	}
	if _, ok := results["definitionName"]; !ok {
		return nil, fmt.Errorf("%s is no file of scan results: it has no definitionName", path)
	}
	return results, nil
}
