//go:build !scanner

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	udiff "github.com/aymanbagabas/go-udiff"
	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/runs"
)

// applyOptions say how a setup is applied.
type applyOptions struct{ dryRun, yes, prune bool }

func (o *applyOptions) flags(c *cobra.Command) {
	c.Flags().BoolVar(&o.dryRun, "dry-run", false, "show what would change, and change nothing")
	c.Flags().BoolVarP(&o.yes, "yes", "y", false, "do not ask on a terminal")
}

// change is one thing that is to be made otherwise.
type change struct {
	verb, what, name string
	diff             []string
	do               func(ctx context.Context) error
}

// apply shows what a setup changes, asks if there is somebody to ask, and changes it. What somebody else changes in the
// meantime is not overwritten.
func (p *program) apply(ctx context.Context, store *runs.Store, wanted *setup, o applyOptions) error {
	changes, err := plan(ctx, store, wanted, o.prune)
	if err != nil {
		return err
	}
	for _, c := range changes {
		p.printChange(c)
	}
	switch {
	case len(changes) == 0:
		fmt.Fprintln(p.out, "Nothing changes.")
		return nil
	case o.dryRun:
		fmt.Fprintln(p.out, "Nothing was changed (--dry-run).")
		return nil
	case !o.yes && terminal(p.in) && !p.confirmed(len(changes)):
		fmt.Fprintln(p.out, "Nothing was changed.")
		return nil
	}
	for n, c := range changes {
		if err := c.do(ctx); err != nil {
			return fmt.Errorf("%d of %d changes are made: %w", n, len(changes), err)
		}
	}
	fmt.Fprintf(p.out, "Applied: %d changes.\n", len(changes))
	return nil
}

func (p *program) confirmed(changes int) bool {
	fmt.Fprintf(p.errs, "Apply %d changes? [y/N] ", changes)
	answer, err := bufio.NewReader(p.in).ReadString('\n')
	return err == nil && slices.Contains([]string{"y", "yes"}, strings.ToLower(strings.TrimSpace(answer)))
}

func (p *program) printChange(c change) {
	fmt.Fprintf(p.out, "%s %s %q\n", c.verb, c.what, c.name)
	colours := map[byte]string{'-': "\x1b[31m", '+': "\x1b[32m"}
	for _, line := range c.diff {
		if colour := colours[line[0]]; colour != "" && p.coloured() {
			line = colour + printable(line) + plainText
		} else {
			line = printable(line)
		}
		fmt.Fprintln(p.out, "   ", line)
	}
}

// plan compares a setup with what is kept: data sources before the definitions that are for them.
func plan(ctx context.Context, store *runs.Store, wanted *setup, prune bool) ([]change, error) {
	if err := unknownSources(ctx, store, wanted); err != nil {
		return nil, err
	}
	var changes []change
	for _, w := range wanted.sources {
		old, err := store.Source(ctx, w.Name)
		if err != nil && !errors.Is(err, runs.ErrNotFound) {
			return nil, err
		}
		w.Version = old.Version
		if diff := diffSettings(old.Settings, w.Settings); len(diff) > 0 {
			changes = append(changes, change{verb(old.Version), "data source", w.Name, diff, func(ctx context.Context) error { return store.SaveSource(ctx, w) }})
		}
	}
	named := map[string]bool{}
	for _, w := range wanted.definitions {
		named[w.Name] = true
		old, err := store.Definition(ctx, w.Name)
		if err != nil && !errors.Is(err, runs.ErrNotFound) {
			return nil, err
		}
		w.Version = old.Version
		if diff := diffDefinitions(&old, &w); len(diff) > 0 {
			changes = append(changes, change{verb(old.Version), "scan definition", w.Name, diff, func(ctx context.Context) error {
				return store.SaveDefinition(ctx, w, "definitions apply")
			}})
		}
	}
	if !prune {
		return changes, nil
	}
	kept, err := store.Definitions(ctx)
	if err != nil {
		return nil, err
	}
	for _, k := range kept {
		if named[k.Name] {
			continue
		}
		old, err := store.Definition(ctx, k.Name)
		if err != nil {
			return nil, err
		}
		changes = append(changes, change{"delete", "scan definition", k.Name, nil, func(ctx context.Context) error { return store.DeleteDefinition(ctx, old) }})
	}
	return changes, nil
}

// unknownSources tells of definitions that are for a data source which is neither in the setup nor kept.
func unknownSources(ctx context.Context, store *runs.Store, wanted *setup) error {
	kept, err := store.Sources(ctx)
	if err != nil {
		return err
	}
	var names []string
	for _, s := range append(kept, wanted.sources...) {
		names = append(names, s.Name)
	}
	found := &setup{}
	for _, d := range wanted.definitions {
		if !slices.Contains(names, d.Source) {
			at := wanted.places[d.Name]
			found.mistake(at.file, at.node, fmt.Errorf("scan definition %q is for data source %q, which no file and nobody before has made", d.Name, d.Source))
		}
	}
	return errors.Join(found.mistakes...)
}

func verb(version int64) string {
	if version == 0 {
		return "add"
	}
	return "change"
}

// diffSettings lists the settings that differ, by name.
func diffSettings(old, wanted map[string]string) []string {
	names := maps.Clone(old)
	if names == nil {
		names = map[string]string{}
	}
	maps.Copy(names, wanted)
	var out []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		before, was := old[name]
		after, is := wanted[name]
		if before == after && was == is {
			continue
		}
		if was {
			out = append(out, "- "+name+": "+before)
		}
		if is {
			out = append(out, "+ "+name+": "+after)
		}
	}
	return out
}

// diffDefinitions lists what differs, files of checks by their lines.
func diffDefinitions(old, wanted *runs.Definition) []string {
	out := diffSettings(settingsOf(old), settingsOf(wanted))
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
		out = append(out, lines(udiff.Unified(f.Name, f.Name, text, f.Text))...)
	}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		out = append(out, lines(udiff.Unified(name, name, before[name], ""))...)
	}
	return out
}

func lines(text string) []string {
	return slices.DeleteFunc(strings.Split(text, "\n"), func(l string) bool { return l == "" })
}

func settingsOf(d *runs.Definition) map[string]string {
	all := map[string]string{}
	for name, value := range map[string]string{"data source": d.Source, "schedule": d.Schedule, "time zone": d.TimeZone} {
		if value != "" {
			all[name] = value
		}
	}
	for name, value := range d.Variables {
		all["variable "+name] = value
	}
	return all
}

// writtenDefinition is a scan definition as files have it.
type writtenDefinition struct {
	Source    string            `yaml:"data source"`
	Schedule  string            `yaml:"schedule,omitempty"`
	TimeZone  string            `yaml:"time zone,omitempty"`
	Variables map[string]string `yaml:"variables,omitempty"`
	Checks    []string          `yaml:"checks,flow"`
}

// writeSetup is the file that says so.
func writeSetup(sources []runs.Source, definitions []runs.Definition) ([]byte, error) {
	all := map[string]any{}
	for _, s := range sources {
		all[sourceSection+s.Name] = s.Settings
	}
	written := map[string]writtenDefinition{}
	for _, d := range definitions {
		w := writtenDefinition{Source: d.Source, Schedule: d.Schedule, TimeZone: d.TimeZone, Variables: d.Variables}
		for _, f := range d.Files {
			w.Checks = append(w.Checks, f.Name)
		}
		written[d.Name] = w
	}
	if len(written) > 0 {
		all[definitionsSection] = written
	}
	return yaml.Marshal(all)
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// fileName makes the n-th name one of a directory, which no other is.
func fileName(name string, n int) string {
	return strconv.Itoa(n+1) + "-" + strings.Trim(notInNames.ReplaceAllString(name, "-"), "-")
}
