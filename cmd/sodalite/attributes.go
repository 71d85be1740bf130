//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

func (p *program) attributesCommand() *cobra.Command {
	c := &cobra.Command{
		Use: "attributes", Short: "The schema of check attributes that scanners are told", Args: noArguments, RunE: help,
		Long: `Soda Core scans whose checks have attributes run only if the server knows every attribute. The schema is a YAML file:

  attributes:
    - name: team
      type: singleSelect            # text, number, datetime, checkbox, singleSelect, multiSelect
      allowedValues: [finance, sales]
    - name: critical
      type: checkbox`,
	}
	c.AddCommand(p.attributesApplyCommand(), p.attributesListCommand())
	return c
}

func (p *program) attributesApplyCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
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
	c.Flags().StringVarP(&file, "file", "f", "", "YAML file, - for standard input")
	return c
}

func (p *program) attributesListCommand() *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
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
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
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
