package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/wiring"
)

// definitionsFile is the file that "definitions apply" reads: the sections "data_source NAME" of a Soda configuration, and
// "definitions".
type definitionsFile struct {
	sources     []runs.Source
	definitions []runs.Definition
}

// writtenDefinition is a scan definition in the file.
type writtenDefinition struct {
	Source    string            `yaml:"data source"`
	Schedule  string            `yaml:"schedule"`
	TimeZone  string            `yaml:"time zone"`
	Variables map[string]string `yaml:"variables"`
	Checks    []string          `yaml:"checks"`
}

const definitionsName = "definitions.yml"

func (p *program) definitionsCommand() *cobra.Command {
	c := &cobra.Command{Use: "definitions", Short: "Scan definitions that Sodalite runs itself", Args: noArguments, RunE: help}
	var file string
	var dryRun, asJSON bool
	apply := &cobra.Command{
		Use: "apply -f FILE", Short: "Make data sources and scan definitions as a file says", Args: noArguments,
		Long: `Make data sources and scan definitions as a file (or definitions.yml in a directory) says, after showing what changes. The
same file twice changes nothing the second time. Definitions that the file does not name stay; see definitions rm.

  data_source warehouse:
    type: postgres
    host: db.internal
    username: scanner
    password: arn:aws:secretsmanager:eu-west-1:123456789012:secret:scanner   # or ${env_var('SODALITE_SOURCE_PASSWORD')}
    database: shop
  definitions:
    nightly orders:
      data source: warehouse
      schedule: 0 6 * * *
      time zone: Europe/Amsterdam
      checks: [checks/orders.yml]`,
		Example: "  sodalite definitions apply -f scans/ --dry-run\n  sodalite definitions apply -f scans/definitions.yml",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			if file == "" {
				return usageError{errors.New("definitions apply needs -f, a file or a directory with definitions.yml")}
			}
			wanted, err := readDefinitions(file)
			if err != nil {
				return err
			}
			return p.applyDefinitions(ctx, s.Runs(nil), wanted, dryRun)
		}),
	}
	apply.Flags().StringVarP(&file, "file", "f", "", "file, or directory with definitions.yml")
	apply.Flags().BoolVar(&dryRun, "dry-run", false, "show what would change, and change nothing")
	list := &cobra.Command{
		Use: "list", Short: "List scan definitions", Args: noArguments, Example: "  sodalite definitions list --json",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			return p.listDefinitions(ctx, s.Runs(nil), asJSON)
		}),
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	remove := &cobra.Command{
		Use: "rm NAME", Short: "Forget a scan definition; its results stay", Example: `  sodalite definitions rm "nightly orders"`,
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, args []string) error {
			if len(args) != 1 {
				return usageError{errors.New("definitions rm needs the name of one definition")}
			}
			d, err := s.Runs(nil).Definition(ctx, args[0])
			if err != nil {
				return err
			}
			return s.Runs(nil).DeleteDefinition(ctx, d)
		}),
	}
	c.AddCommand(apply, list, remove)
	return c
}

func (p *program) listDefinitions(ctx context.Context, store *runs.Store, asJSON bool) error {
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
			next = date(t)
		}
		rows = append(rows, []string{d.Name, d.Source, d.Schedule, d.TimeZone, next})
	}
	return p.printTable("There are no scan definitions; see sodalite definitions apply --help.", rows, "NAME", "DATA SOURCE", "SCHEDULE", "TIME ZONE", "NEXT RUN")
}

// readDefinitions reads the file and the files of checks that it names, which are beside it.
func readDefinitions(path string) (*definitionsFile, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, definitionsName)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var sections map[string]yaml.Node
	if err := yaml.Unmarshal(text, &sections); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	f := &definitionsFile{}
	var errs []error
	for name, node := range sections {
		source, isSource := strings.CutPrefix(name, "data_source ")
		switch {
		case isSource:
			s, err := readSource(source, &node)
			f.sources, errs = append(f.sources, s), append(errs, at(path, &node, err))
		case name == "definitions":
			var written map[string]yaml.Node
			errs = append(errs, at(path, &node, node.Decode(&written)))
			for name, n := range written {
				d, err := readDefinition(filepath.Dir(path), name, &n)
				f.definitions, errs = append(f.definitions, d), append(errs, at(path, &n, err))
			}
		default:
			errs = append(errs, at(path, &node, fmt.Errorf("unknown section %q; there are \"data_source NAME\" and \"definitions\"", name)))
		}
	}
	slices.SortFunc(f.sources, func(a, b runs.Source) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(f.definitions, func(a, b runs.Definition) int { return strings.Compare(a.Name, b.Name) })
	return f, errors.Join(errs...)
}

func at(path string, n *yaml.Node, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s:%d: %w", path, n.Line, err)
}

func readSource(name string, n *yaml.Node) (runs.Source, error) {
	var raw map[string]any
	if err := n.Decode(&raw); err != nil {
		return runs.Source{}, err
	}
	s := runs.Source{Name: name, Settings: map[string]string{}}
	if inner, ok := raw["connection"].(map[string]any); ok {
		delete(raw, "connection")
		for k, v := range inner {
			if _, given := raw[k]; !given {
				raw[k] = v
			}
		}
	}
	for k, v := range raw {
		switch v.(type) {
		case map[string]any, []any, nil:
		default:
			s.Settings[k] = fmt.Sprint(v)
		}
	}
	s.Type = s.Settings["type"]
	return s, s.Check()
}

func readDefinition(dir, name string, n *yaml.Node) (runs.Definition, error) {
	var w writtenDefinition
	text, err := yaml.Marshal(n)
	if err == nil {
		decoder := yaml.NewDecoder(bytes.NewReader(text))
		decoder.KnownFields(true)
		err = decoder.Decode(&w)
	}
	if err != nil {
		return runs.Definition{}, fmt.Errorf("definition %q: %w", name, err)
	}
	d := runs.Definition{Name: name, Source: w.Source, Schedule: w.Schedule, TimeZone: w.TimeZone, Variables: w.Variables}
	for _, file := range w.Checks {
		checks, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			return d, err
		}
		d.Files = append(d.Files, runs.File{Name: filepath.ToSlash(file), Text: string(checks)})
	}
	return d, d.Check()
}

func (p *program) applyDefinitions(ctx context.Context, store *runs.Store, wanted *definitionsFile, dryRun bool) error {
	changes := 0
	say := func(verb, what, name string, diff []string) {
		changes++
		fmt.Fprintf(p.out, "%s %s %q\n", verb, what, name)
		for _, line := range diff {
			fmt.Fprintln(p.out, "   ", line)
		}
	}
	for _, source := range wanted.sources {
		old, err := store.Source(ctx, source.Name)
		if err != nil && !errors.Is(err, runs.ErrNotFound) {
			return err
		}
		if source.Version = old.Version; reflect.DeepEqual(old, source) {
			continue
		}
		say(verb(err), "data source", source.Name, diffSettings(old.Settings, source.Settings))
		if dryRun {
			continue
		}
		if err := store.SaveSource(ctx, source); err != nil {
			return err
		}
	}
	for _, d := range wanted.definitions {
		old, err := store.Definition(ctx, d.Name)
		if err != nil && !errors.Is(err, runs.ErrNotFound) {
			return err
		}
		d.Version = old.Version
		diff := diffDefinitions(&old, &d)
		if err == nil && len(diff) == 0 {
			continue
		}
		say(verb(err), "scan definition", d.Name, diff)
		if dryRun {
			continue
		}
		if err := store.SaveDefinition(ctx, d, "definitions apply"); err != nil {
			return err
		}
	}
	switch {
	case changes == 0:
		fmt.Fprintln(p.out, "Nothing changes.")
	case dryRun:
		fmt.Fprintln(p.out, "Nothing was changed (--dry-run).")
	}
	return nil
}

func verb(err error) string {
	if err != nil {
		return "add"
	}
	return "change"
}

func diffSettings(old, wanted map[string]string) []string {
	var out []string
	for name, value := range old {
		if wanted[name] != value {
			out = append(out, "- "+name+": "+value)
		}
	}
	for name, value := range wanted {
		if old[name] != value {
			out = append(out, "+ "+name+": "+value)
		}
	}
	slices.SortFunc(out, func(a, b string) int { return strings.Compare(a[2:], b[2:]) })
	return out
}

// diffDefinitions lists what differs, files of checks by their lines.
func diffDefinitions(old, wanted *runs.Definition) []string {
	out := diffSettings(
		map[string]string{"data source": old.Source, "schedule": old.Schedule, "time zone": old.TimeZone},
		map[string]string{"data source": wanted.Source, "schedule": wanted.Schedule, "time zone": wanted.TimeZone})
	out = slices.DeleteFunc(out, func(line string) bool { return strings.HasSuffix(line, ": ") })
	if len(old.Variables)+len(wanted.Variables) > 0 {
		out = append(out, diffSettings(old.Variables, wanted.Variables)...)
	}
	before := map[string]string{}
	for _, f := range old.Files {
		before[f.Name] = f.Text
	}
	for _, f := range wanted.Files {
		text, known := before[f.Name]
		delete(before, f.Name)
		if known && text == f.Text {
			continue
		}
		unified := udiff.Unified(f.Name, f.Name, text, f.Text)
		out = append(out, strings.Split(strings.TrimRight(unified, "\n"), "\n")...)
	}
	for name := range before {
		out = append(out, "- "+name)
	}
	return out
}
