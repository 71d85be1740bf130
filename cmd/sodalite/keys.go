//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

func (p *program) keysCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{Use: "keys", Short: "API keys for scanners and API clients", Args: noArguments, RunE: help}
	c.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	c.AddCommand(p.keysCreateCommand(&asJSON), p.keysListCommand(&asJSON), p.keysRevokeCommand())
	return c
}

func (p *program) keysCreateCommand(asJSON *bool) *cobra.Command {
	var name string
	c := &cobra.Command{
		Use: "create --name NAME", Short: "Make an API key; its secret is shown once", Args: noArguments,
		Example: "  sodalite keys create --name airflow\n  sodalite keys create --name ci --json | jq -r .secret",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			if name == "" {
				return usageError{errors.New("keys create needs --name, such as the place where the key will be used")}
			}
			key, secret, err := s.Auth.CreateKey(ctx, name)
			if err != nil {
				return err
			}
			if *asJSON {
				return p.printJSON(struct {
					auth.Key
					Secret string `json:"secret"`
				}{key, secret})
			}
			fmt.Fprintf(p.out, "Key %q. The secret is shown this once:\n\n%s\n", key.Name, snippet(s.Config.PublicURL, key.ID, secret))
			return nil
		}),
	}
	c.Flags().StringVar(&name, "name", "", "what people call the key")
	return c
}

func (p *program) keysListCommand(asJSON *bool) *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the keys that are good", Args: noArguments,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			all, err := s.Auth.Keys(ctx)
			if err != nil {
				return err
			}
			if *asJSON {
				return p.printJSON(nonNil(all))
			}
			var rows [][]string
			for _, k := range all {
				rows = append(rows, []string{k.ID, k.Name, date(k.Created)})
			}
			return p.printTable("No keys. Make one: sodalite keys create --name NAME", rows, "ID", "NAME", "CREATED")
		}),
	}
}

func (p *program) keysRevokeCommand() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End a key and its tokens", Long: "End a key and all tokens made with it, in a running server within a minute.", Args: oneArgument("key's id"),
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			if err := s.Auth.RevokeKey(ctx, args[0]); err != nil {
				return unknown(err, "there is no API key %q, see sodalite keys list", args[0])
			}
			fmt.Fprintln(p.out, "Revoked. Scanners that use the key are refused within a minute.")
			return nil
		}),
	}
}

// snippet is the block to paste into a Soda configuration. Without an address the host is left to the reader.
func snippet(address, keyID, secret string) string {
	scheme, host, port := "https", "YOUR-HOST", ""
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		scheme, host = u.Scheme, u.Hostname()
		if p := u.Port(); p != "" {
			port = p
		} else {
			host += u.Path
		}
		if ip := net.ParseIP(host); ip != nil && ip.To4() == nil {
			host = "[" + host + "]"
		}
	}
	text := fmt.Sprintf("soda_cloud:\n  scheme: %s\n  host: %s\n", scheme, host)
	if port != "" {
		text += "  port: \"" + port + "\"\n" // Soda Core 4 wants a text
	}
	return text + fmt.Sprintf("  api_key_id: %s\n  api_key_secret: %s\n", keyID, secret)
}
