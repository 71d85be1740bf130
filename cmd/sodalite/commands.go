package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/hub"
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

func (p *program) keysCommand() *cobra.Command {
	var name string
	var asJSON bool
	keys := &cobra.Command{Use: "keys", Short: "API keys for scanners and API clients", Args: noArguments, RunE: help}
	create := &cobra.Command{
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
			if asJSON {
				return p.printJSON(struct {
					auth.Key
					Secret string `json:"secret"`
				}{key, secret})
			}
			fmt.Fprintf(p.out, "Key %q. The secret is shown this once:\n\n%s\n", key.Name, snippet(s.Config.PublicURL, key.ID, secret))
			return nil
		}),
	}
	create.Flags().StringVar(&name, "name", "", "what people call the key")
	list := &cobra.Command{
		Use: "list", Short: "List the keys that are good", Args: noArguments,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			all, err := s.Auth.Keys(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(nonNil(all))
			}
			var rows [][]string
			for _, k := range all {
				rows = append(rows, []string{k.ID, k.Name, date(k.Created)})
			}
			return p.printTable("No keys. Make one: sodalite keys create --name NAME", rows, "ID", "NAME", "CREATED")
		}),
	}
	revoke := &cobra.Command{
		Use: "revoke ID", Short: "End a key and its tokens", Long: "End a key and all tokens made with it, in a running server within a minute.", Args: oneArgument("key's id"),
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			if err := s.Auth.RevokeKey(ctx, args[0]); err != nil {
				return unknown(err, "there is no API key %q, see sodalite keys list", args[0])
			}
			fmt.Fprintln(p.out, "Revoked. Scanners that use the key are refused within a minute.")
			return nil
		}),
	}
	keys.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	keys.AddCommand(create, list, revoke)
	return keys
}

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

func (p *program) usersCommand() *cobra.Command {
	var asJSON, passwordFromInput bool
	users := &cobra.Command{Use: "users", Short: "People who may sign in", Args: noArguments, RunE: help}
	add := &cobra.Command{
		Use: "add NAME", Short: "Let a person sign in, by a link or a password", Args: oneArgument("user's name"),
		Long:    "Let a person sign in. Without a password it prints a link that signs in once; make more with users link.",
		Example: "  sodalite users add ada@example.com\n  pass show sodalite/ada | sodalite users add ada --password-stdin",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			if !passwordFromInput {
				return p.printLink(ctx, s, args[0])
			}
			password, err := bufio.NewReader(io.LimitReader(p.in, 4096)).ReadString('\n')
			if err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read password: %w", err)
			}
			if err := s.Auth.AddUser(ctx, args[0], strings.TrimRight(password, "\r\n")); err != nil {
				return err
			}
			fmt.Fprintf(p.out, "User %s may sign in with the password.\n", args[0])
			return nil
		}),
	}
	add.Flags().BoolVar(&passwordFromInput, "password-stdin", false, "read a password from the first line of standard input")
	link := &cobra.Command{
		Use: "link NAME", Short: "Print a link that signs a user in once", Args: oneArgument("user's name"),
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error { return p.printLink(ctx, s, args[0]) }),
	}
	remove := &cobra.Command{
		Use: "remove NAME", Short: "Remove a user and end their sessions", Args: oneArgument("user's name"),
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			if err := s.Auth.RemoveUser(ctx, args[0]); err != nil {
				return unknown(err, "there is no user %q, see sodalite users list", args[0])
			}
			fmt.Fprintf(p.out, "User %s is removed.\n", args[0])
			return nil
		}),
	}
	list := &cobra.Command{
		Use: "list", Short: "List the users", Args: noArguments,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			all, err := s.Auth.Users(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(nonNil(all))
			}
			var rows [][]string
			for _, u := range all {
				by := "link"
				if u.HasPassword {
					by = "password"
				}
				rows = append(rows, []string{u.Name, by, date(u.Created)})
			}
			return p.printTable("No users. Add one: sodalite users add NAME", rows, "NAME", "SIGNS IN BY", "CREATED")
		}),
	}
	users.PersistentFlags().BoolVar(&asJSON, "json", false, "print JSON")
	users.AddCommand(add, link, list, remove)
	return users
}

func (p *program) printLink(ctx context.Context, s *wiring.System, name string) error {
	token, err := s.Auth.NewSignInLink(ctx, name)
	if err != nil {
		return err
	}
	address := s.Config.PublicURL
	if address == "" {
		fmt.Fprintf(p.errs, "Put the address of your pages before this path, or set %s.\n", config.PublicURL)
	}
	fmt.Fprintf(p.out, "%s/sign-in/link?token=%s\n", address, token)
	return nil
}

func (p *program) attributesCommand() *cobra.Command {
	var file string
	var asJSON bool
	attributes := &cobra.Command{
		Use: "attributes", Short: "The schema of check attributes that scanners are told", Args: noArguments, RunE: help,
		Long: `Soda Core scans whose checks have attributes run only if the server knows every attribute. The schema is a YAML file:

  attributes:
    - name: team
      type: singleSelect            # text, number, datetime, checkbox, singleSelect, multiSelect
      allowedValues: [finance, sales]
    - name: critical
      type: checkbox`,
	}
	apply := &cobra.Command{
		Use: "apply -f FILE", Short: "Replace the schema by the file's", Args: noArguments, Example: "  sodalite attributes apply -f attributes.yml",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			schema, err := p.readAttributes(file)
			if err != nil {
				return usageError{err}
			}
			if err := s.Hub.ApplyAttributes(ctx, schema); err != nil {
				return err
			}
			fmt.Fprintf(p.out, "Applied: %d attributes.\n", len(schema))
			return nil
		}),
	}
	apply.Flags().StringVarP(&file, "file", "f", "", "YAML file, - for standard input")
	list := &cobra.Command{
		Use: "list", Short: "Print the schema", Args: noArguments,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			schema, err := s.Hub.Attributes(ctx)
			if err != nil {
				return err
			}
			if asJSON {
				return p.printJSON(schema)
			}
			var rows [][]string
			for _, a := range schema {
				rows = append(rows, []string{a.Name, a.Type, strings.Trim(fmt.Sprint(a.AllowedValues), "[]")})
			}
			return p.printTable("No attributes. Apply a schema: sodalite attributes apply -f FILE", rows, "NAME", "TYPE", "ALLOWED VALUES")
		}),
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	attributes.AddCommand(apply, list)
	return attributes
}

// maxAttributesFile bounds what is read.
const maxAttributesFile = 1 << 20

// readAttributes reads a schema file. Mistakes name the file and line.
func (p *program) readAttributes(file string) ([]hub.AttributeSchema, error) {
	if file == "" {
		return nil, errors.New("attributes apply needs -f FILE")
	}
	from := p.in
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	data, err := io.ReadAll(io.LimitReader(from, maxAttributesFile+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if len(data) > maxAttributesFile {
		return nil, fmt.Errorf("%s: is larger than %d bytes", file, maxAttributesFile)
	}
	return parseAttributes(file, data)
}

func parseAttributes(file string, data []byte) ([]hub.AttributeSchema, error) {
	var top struct {
		Attributes []yaml.Node `yaml:"attributes"`
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(data)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&top); err != nil {
		return nil, fmt.Errorf("%s: %s; want a list under attributes:", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	schema := make([]hub.AttributeSchema, len(top.Attributes))
	var mistakes []error
	for i := range top.Attributes {
		if err := top.Attributes[i].Decode(&schema[i]); err != nil {
			mistakes = append(mistakes, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: ")))
		}
	}
	if len(mistakes) > 0 {
		return nil, errors.Join(mistakes...)
	}
	_, wrong := hub.CheckAttributes(schema)
	for _, m := range wrong {
		node := top.Attributes[m.Index]
		mistakes = append(mistakes, fmt.Errorf("%s:%d:%d: %w", file, node.Line, node.Column, m))
	}
	return schema, errors.Join(mistakes...)
}
