//go:build !scanner

package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/wiring/sources"
	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

// setup is data sources and scan definitions as code: what YAML files in a directory say, and the files of checks that they
// name. Mistakes are collected.
type setup struct {
	sources     []runs.Source
	definitions []runs.Definition
	places      map[string]place // of definitions, by name
	mistakes    []error
}

// place is where something is in a setup.
type place struct {
	file string
	node *yaml.Node
}

// The limits of a setup file.
const (
	maxSetupFile  = 1 << 20
	maxSetupNodes = 100_000
)

const (
	sourceSection      = "data_source "
	definitionsSection = "definitions"
)

// readSetup reads a file, or those files right in a directory that have a section of a setup; others may be files of checks.
func readSetup(path string) (*setup, error) {
	files := []string{path}
	if info, err := os.Stat(path); err != nil {
		return nil, err
	} else if info.IsDir() {
		files = nil
		for _, pattern := range []string{"*.yml", "*.yaml"} {
			found, err := filepath.Glob(filepath.Join(path, pattern))
			if err != nil {
				return nil, err
			}
			files = append(files, found...)
		}
		slices.Sort(files)
	}
	s := &setup{places: map[string]place{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		s.read(file, text, len(files) > 1 && !isSetup(text))
	}
	if len(s.sources)+len(s.definitions)+len(s.mistakes) == 0 {
		s.mistake(path, nil, errors.New(`has no section "data_source NAME" or "definitions"`))
	}
	slices.SortFunc(s.sources, func(a, b runs.Source) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(s.definitions, func(a, b runs.Definition) int { return cmp.Compare(a.Name, b.Name) })
	return s, errors.Join(s.mistakes...)
}

// isSetup tells whether a text has a section of a setup.
func isSetup(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, sourceSection) || strings.HasPrefix(line, definitionsSection+":") {
			return true
		}
	}
	return false
}

// mistake notes what is wrong, with file and line.
func (s *setup) mistake(file string, n *yaml.Node, err error) {
	if err == nil {
		return
	}
	if n != nil {
		file = fmt.Sprintf("%s:%d:%d", file, n.Line, n.Column)
	}
	s.mistakes = append(s.mistakes, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), runs.ErrInvalid.Error()+": ")))
}

// read takes the sections of one file. Those that it does not know are mistakes, unless they are to be passed over.
func (s *setup) read(path string, text []byte, passOver bool) {
	root, err := yamldoc.Parse(text, maxSetupFile, maxSetupNodes)
	if err != nil {
		if !passOver {
			s.mistake(path, nil, err)
		}
		return
	}
	if root == nil {
		return
	}
	for key, value := range yamldoc.Entries(root) {
		name, isSource := strings.CutPrefix(key.Value, sourceSection)
		switch {
		case isSource:
			s.readSource(path, name, key, value)
		case key.Value == definitionsSection && value.Kind == yaml.MappingNode:
			for name, d := range yamldoc.Entries(value) {
				s.readDefinition(path, name, d)
			}
		case key.Value == definitionsSection:
			s.mistake(path, value, fmt.Errorf("definitions: is %s, but must be a mapping of names", yamldoc.KindOf(value)))
		case !passOver:
			s.mistake(path, key, fmt.Errorf("unknown section %q; there are \"data_source NAME\" and \"definitions\"", yamldoc.Clip(key.Value)))
		}
	}
}

func (s *setup) readSource(path, name string, key, value *yaml.Node) {
	settings := source.Values(value)
	wanted := runs.Source{Name: name, Type: settings["type"], Settings: settings}
	if slices.ContainsFunc(s.sources, func(o runs.Source) bool { return o.Name == name }) {
		s.mistake(path, key, fmt.Errorf("data source %q is there twice", name))
	}
	if err := wanted.Check(); err != nil {
		s.mistake(path, key, err)
	} else {
		s.mistake(path, key, openable(wanted))
	}
	s.sources = append(s.sources, wanted)
}

// openable tells what is wrong with a data source's settings, as far as it shows before anything connects. A value that is kept in
// the environment of who scans may be anything.
func openable(w runs.Source) error {
	_, err := sources.Open(source.NewSettings(w.Name, w.Type, w.Settings))
	if err != nil && strings.Contains(err.Error(), "${") {
		return nil
	}
	return err
}

func (s *setup) readDefinition(path string, name, n *yaml.Node) {
	d := runs.Definition{Name: name.Value}
	s.places[d.Name] = place{path, name}
	if slices.ContainsFunc(s.definitions, func(o runs.Definition) bool { return o.Name == d.Name }) {
		s.mistake(path, name, fmt.Errorf("scan definition %q is there twice", d.Name))
	}
	if n.Kind != yaml.MappingNode {
		s.mistake(path, n, fmt.Errorf("scan definition %q is %s, but must be a mapping", d.Name, yamldoc.KindOf(n)))
		return
	}
	before := len(s.mistakes)
	for key, value := range yamldoc.Entries(n) {
		switch key.Value {
		case "data source":
			s.text(path, key, value, &d.Source)
		case "schedule":
			s.text(path, key, value, &d.Schedule)
		case "time zone":
			s.text(path, key, value, &d.TimeZone)
		case "variables":
			d.Variables = s.variables(path, value)
		case "checks":
			d.Files = s.checks(path, value)
			d.Files = append(d.Files, namedFiles(filepath.Dir(path), d.Files)...)
		default:
			s.mistake(path, key, fmt.Errorf("unknown key %q; there are \"data source\", \"schedule\", \"time zone\", \"variables\", \"checks\"", yamldoc.Clip(key.Value)))
		}
	}
	if len(s.mistakes) == before {
		for _, err := range runs.Each(d.Check()) {
			s.mistake(path, name, err)
		}
	}
	s.definitions = append(s.definitions, d)
}

func (s *setup) text(path string, key, value *yaml.Node, to *string) {
	if value.Kind != yaml.ScalarNode || yamldoc.IsNull(value) {
		s.mistake(path, value, fmt.Errorf("%s: is %s, but must be a text", key.Value, yamldoc.KindOf(value)))
		return
	}
	*to = value.Value
}

func (s *setup) variables(path string, n *yaml.Node) map[string]string {
	if n.Kind != yaml.MappingNode {
		s.mistake(path, n, fmt.Errorf("variables: is %s, but must be a mapping of names to values", yamldoc.KindOf(n)))
	}
	values := map[string]string{}
	for key, value := range yamldoc.Entries(n) {
		var text string
		s.text(path, key, value, &text)
		values[key.Value] = text
	}
	return values
}

// checks reads the files of checks that are named, relative to the setup file, and those below the directories named.
func (s *setup) checks(path string, n *yaml.Node) []runs.File {
	names := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		names = n.Content
	}
	dir := filepath.Dir(path)
	var files []runs.File
	for _, name := range names {
		if name = yamldoc.Follow(name); name.Kind != yaml.ScalarNode || yamldoc.IsNull(name) || !filepath.IsLocal(name.Value) {
			s.mistake(path, name, fmt.Errorf("checks: %s is no file or directory below %s", yamldoc.KindOf(name), dir))
			continue
		}
		found, err := readChecks(dir, filepath.Clean(name.Value))
		s.mistake(path, name, err)
		for _, f := range found {
			if !slices.ContainsFunc(files, func(o runs.File) bool { return o.Name == f.Name }) {
				files = append(files, f)
			}
		}
	}
	return files
}

// namedFiles are the files below a directory that checks name, such as an sql_file. What cannot be read is a mistake of the checks.
func namedFiles(dir string, checks []runs.File) (named []runs.File) {
	var files []sodacl.File
	for _, f := range checks {
		files = append(files, sodacl.File{Name: f.Name, Text: []byte(f.Text)})
	}
	root := os.DirFS(dir)
	sodacl.ParseWith(files, sodacl.Variables{}, func(name string) ([]byte, error) {
		name = filepath.ToSlash(filepath.Clean(name))
		known := func(f runs.File) bool { return f.Name == name }
		info, err := fs.Stat(root, name) // which refuses what is not below
		if err != nil || info.Size() > runs.MaxChecksSize || slices.ContainsFunc(checks, known) || slices.ContainsFunc(named, known) {
			return nil, err
		}
		text, err := fs.ReadFile(root, name)
		if err == nil {
			named = append(named, runs.File{Name: name, Text: string(text)})
		}
		return text, err
	})
	return named
}

func readChecks(dir, name string) ([]runs.File, error) {
	var files []runs.File
	root := os.DirFS(dir)
	err := fs.WalkDir(root, filepath.ToSlash(name), func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || file != filepath.ToSlash(name) && !strings.HasSuffix(file, ".yml") && !strings.HasSuffix(file, ".yaml") {
			return err
		}
		if info, err := entry.Info(); err != nil || info.Size() > runs.MaxChecksSize {
			return cmp.Or(err, fmt.Errorf("%s: has %d bytes, at most %d are kept", file, info.Size(), runs.MaxChecksSize))
		}
		text, err := fs.ReadFile(root, file)
		files = append(files, runs.File{Name: file, Text: string(text)})
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no file or directory %s in %s", name, dir)
	}
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("the directory %s has no .yml files", name)
	}
	return files, err
}
