// Package source reads the configuration of data sources, in the YAML that Soda Core takes, and adapts database/sql drivers
// to the engine's connections.
//
// Each kind of data source is a folder below: it owns its settings, its dialect, and how its driver's values become the
// engine's. sourcetest is what all of them must do, as tests. Which kinds a program links is decided in package
// wiring/sources.
package source

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// MaxConfigSize is how many bytes of a configuration file are read.
const MaxConfigSize = 1 << 20

// Settings are those of one data source. Values are secrets: they must not be logged.
type Settings struct {
	Name, Type string
	At         sodacl.Position
	values     map[string]string
}

// NewSettings makes settings from values that do not come from a file.
func NewSettings(name, kind string, values map[string]string) *Settings {
	return &Settings{Name: name, Type: kind, values: values}
}

// Text is the value of a setting, or what stands for it when it is not given.
func (s *Settings) Text(name, otherwise string) string {
	if v, ok := s.values[name]; ok && v != "" {
		return v
	}
	return otherwise
}

// User is who signs in: username, as Soda 3 has it, or user, as Soda 4 does.
func (s *Settings) User() string { return s.Text("username", s.Text("user", "")) }

// Errorf words a mistake in the settings, with their place if they come from a file.
func (s *Settings) Errorf(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	if at := s.At.String(); at != "" {
		return fmt.Errorf("%s: %w", at, err)
	}
	return err
}

// Required is the value of a setting that must be given.
func (s *Settings) Required(name string) (string, error) {
	if v := s.Text(name, ""); v != "" {
		return v, nil
	}
	return "", s.Errorf("data source %s (%s) needs %q", s.Name, s.Type, name)
}

// Group is the settings of a nested mapping, by their names in it.
func (s *Settings) Group(name string) map[string]string {
	group := map[string]string{}
	for full, v := range s.values {
		if inner, ok := strings.CutPrefix(full, name+"."); ok {
			group[inner] = v
		}
	}
	return group
}

// List is the values of a setting that is a list, or a text with commas.
func (s *Settings) List(name string) []string {
	var items []string
	if text := s.Text(name, ""); json.Unmarshal([]byte(text), &items) != nil && text != "" {
		for item := range strings.SplitSeq(text, ",") {
			items = append(items, strings.TrimSpace(item))
		}
	}
	return items
}

// Port is the value of a setting that is a port.
func (s *Settings) Port(otherwise int) (int, error) {
	text := s.Text("port", strconv.Itoa(otherwise))
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0, s.Errorf("data source %s: port %q is not a number from 1 to 65535", s.Name, text)
	}
	return int(n), nil
}

// maxSlices is how many slices a table may be read in.
const maxSlices = 64

// leastSliced is how many rows a table must have to be read in slices: smaller ones are read at once in less time.
const leastSliced = 100_000

// Slicing is the setting slices: in how many slices large tables are read, side by side.
func (s *Settings) Slicing() (engine.Slicing, error) {
	text := s.Text("slices", "1")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxSlices {
		return engine.Slicing{}, s.Errorf("data source %s: slices %q is not a number from 1 to %d", s.Name, text, maxSlices)
	}
	return engine.Slicing{Count: n, Least: leastSliced}, nil
}

// Names are the names of the settings given, sorted.
func (s *Settings) Names() []string {
	var names []string
	for name := range s.values {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Cloud is where results are pushed: the soda_cloud section.
type Cloud struct {
	Scheme, Host, Port, KeyID, KeySecret string
}

// URL is the address without a path.
func (c *Cloud) URL() string {
	host := c.Host
	if c.Port != "" {
		host += ":" + c.Port
	}
	return c.Scheme + "://" + host
}

// Config is what configuration files say.
type Config struct {
	Sources  map[string]*Settings
	Cloud    *Cloud
	Mistakes []sodacl.Mistake
}

// Source gives a data source's settings, or an error that lists those there are.
func (c *Config) Source(name string) (*Settings, error) {
	if s, ok := c.Sources[name]; ok {
		return s, nil
	}
	var names []string
	for n := range c.Sources {
		names = append(names, n)
	}
	slices.Sort(names)
	if len(names) == 0 {
		return nil, fmt.Errorf("it is not configured: no configuration file has a \"data_source %s:\" section", name)
	}
	return nil, fmt.Errorf("it is not configured; the configuration has %s", strings.Join(names, ", "))
}

// ReadConfig reads configuration texts in order; a later section of the same name replaces an earlier one. Of Soda 3, whose
// files have data_source NAME sections, variables are filled in before the YAML is read, so that they may hold any part of
// it; of Soda 4, whose files are one data source each (type, name, connection) and write ${env.NAME} and ${var.NAME}, after.
func ReadConfig(files []sodacl.File, vars sodacl.Variables) *Config {
	c := &Config{Sources: map[string]*Settings{}}
	for _, f := range files {
		c.read(f, vars)
	}
	return c
}

func (c *Config) mistake(at sodacl.Position, format string, args ...any) {
	c.Mistakes = append(c.Mistakes, sodacl.Mistake{Position: at, Message: fmt.Sprintf(format, args...)})
}

var (
	sourceName = regexp.MustCompile(`^[a-z_][a-z_0-9]+$`)
	yamlPrefix = regexp.MustCompile(`^yaml: `)
)

func (c *Config) read(f sodacl.File, vars sodacl.Variables) {
	at := sodacl.Position{File: f.Name}
	if len(f.Text) > MaxConfigSize {
		c.mistake(at, "the configuration has %d bytes, at most %d are read", len(f.Text), MaxConfigSize)
		return
	}
	if c.readSoda4(f, vars) {
		return
	}
	text, err := vars.Resolve(string(f.Text))
	if err == nil {
		text, err = vars.Resolve(text)
	}
	if err != nil {
		c.mistake(at, "variables: %s", err)
		return
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil {
		c.mistake(at, "the configuration is not valid YAML: %s", yamlPrefix.ReplaceAllString(err.Error(), ""))
		return
	}
	if len(doc.Content) == 0 {
		return
	}
	root := doc.Content[0]
	if root.Kind != yaml.MappingNode {
		c.mistake(at, "the configuration must be a mapping of sections such as \"data_source NAME:\"")
		return
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		c.section(f.Name, root.Content[i], root.Content[i+1])
	}
}

func (c *Config) section(file string, key, value *yaml.Node) {
	at := sodacl.Position{File: file, Line: key.Line, Column: key.Column}
	name, isSource := strings.CutPrefix(key.Value, "data_source ")
	switch {
	case isSource:
		if !sourceName.MatchString(name) {
			c.mistake(at, "the name of data source %q must be two or more lower-case letters, digits and underscores", name)
		}
		s := &Settings{Name: name, At: at, values: Values(value)}
		if s.Type = s.values["type"]; s.Type == "" {
			c.mistake(at, "data source %s needs a type, such as postgres", name)
			return
		}
		if _, err := s.Sampling(); err != nil {
			c.mistake(at, "%s; no rows are kept as samples", err)
		}
		c.Sources[name] = s
	case key.Value == "soda_cloud":
		values := Values(value)
		c.Cloud = &Cloud{Scheme: values["scheme"], Host: values["host"], Port: values["port"], KeyID: values["api_key_id"], KeySecret: values["api_key_secret"]}
		if c.Cloud.Scheme == "" {
			c.Cloud.Scheme = "https"
		}
		if c.Cloud.Host == "" {
			c.Cloud.Host = "cloud.soda.io"
		}
	case strings.HasPrefix(key.Value, "dbt_cloud"):
	default:
		c.mistake(at, "unknown section %q; there are \"data_source NAME\" and \"soda_cloud\"", key.Value)
	}
}

// Values are the settings in a data source's section of a configuration, as they are written.
func Values(section *yaml.Node) map[string]string {
	values := map[string]string{}
	flatten(values, section)
	return values
}

// flatten takes the scalars and lists of a mapping, those of a nested "connection" too unless they are given outside, and those of other
// nested mappings as OUTER.INNER.
func flatten(values map[string]string, n *yaml.Node) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case key.Value == "connection":
			inner := map[string]string{}
			flatten(inner, value)
			for name, v := range inner {
				if _, ok := values[name]; !ok {
					values[name] = v
				}
			}
		case value.Kind == yaml.ScalarNode && value.Tag != "!!null":
			values[key.Value] = value.Value
		case value.Kind == yaml.SequenceNode:
			values[key.Value] = list(value)
		case value.Kind == yaml.MappingNode:
			inner := map[string]string{}
			flatten(inner, value)
			for name, v := range inner {
				values[key.Value+"."+name] = v
			}
		}
	}
}

// list is a list of scalars as text, for [Settings.List].
func list(n *yaml.Node) string {
	items := []string{}
	for _, item := range n.Content {
		if item.Kind == yaml.ScalarNode {
			items = append(items, item.Value)
		}
	}
	text, _ := json.Marshal(items) // texts always have a form
	return string(text)
}

// ReadFiles reads files, and of directories all .yml and .yaml files below, in order of their names. What cannot be read is
// a mistake.
func ReadFiles(paths []string, limit int64) (files []sodacl.File, mistakes []sodacl.Mistake) {
	seen := map[string]bool{}
	add := func(path string) {
		if seen[path] {
			return
		}
		seen[path] = true
		info, err := os.Stat(path)
		if err == nil && info.Size() > limit {
			err = fmt.Errorf("the file has %d bytes, at most %d are read", info.Size(), limit)
		}
		var text []byte
		if err == nil {
			text, err = os.ReadFile(path)
		}
		if err != nil {
			mistakes = append(mistakes, sodacl.Mistake{Position: sodacl.Position{File: path}, Message: problem(err)})
			return
		}
		files = append(files, sodacl.File{Name: path, Text: text})
	}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil || !info.IsDir() {
			add(path)
			continue
		}
		err = filepath.WalkDir(path, func(p string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (strings.HasSuffix(p, ".yml") || strings.HasSuffix(p, ".yaml")) {
				add(p)
			}
			return err
		})
		if err != nil {
			mistakes = append(mistakes, sodacl.Mistake{Position: sodacl.Position{File: path}, Message: problem(err)})
		}
	}
	return files, mistakes
}

func problem(err error) string {
	if os.IsNotExist(err) {
		return "the file does not exist"
	}
	return err.Error()
}

// Convert makes the engine's value of a driver's, by the column's type.
type Convert func(column *sql.ColumnType, value any) any

// SQL makes a connection of a database/sql handle, after checking that the database answers.
func SQL(ctx context.Context, db *sql.DB, convert Convert) (engine.Connection, error) {
	if err := db.PingContext(ctx); err != nil {
		_ = db.Close() // the error that counts is the first
		return nil, err
	}
	return &connection{db, convert}, nil
}

type connection struct {
	db      *sql.DB
	convert Convert
}

func (c *connection) Close() error { return c.db.Close() }

func (c *connection) Query(ctx context.Context, statement string, keep int) (*engine.Rows, error) {
	rows, err := Query(ctx, c.db, statement, keep, c.convert)
	if err != nil && ctx.Err() != nil { // whatever the database says of it
		return nil, context.Cause(ctx)
	}
	return rows, err
}

// Queryer is a handle or connection of database/sql.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// Query does for a Queryer what [engine.Connection] asks for.
func Query(ctx context.Context, q Queryer, statement string, keep int, convert Convert) (*engine.Rows, error) {
	rows, err := q.QueryContext(ctx, statement)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	types, err := rows.ColumnTypes()
	if err != nil {
		return nil, err
	}
	out := &engine.Rows{}
	for _, t := range types {
		out.Columns = append(out.Columns, dq.Column{Name: t.Name(), Type: t.DatabaseTypeName()})
	}
	values, to := make([]any, len(types)), make([]any, len(types))
	for i := range values {
		to[i] = &values[i]
	}
	for rows.Next() {
		if out.Count++; out.Count > int64(keep) {
			continue
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		row := make([]any, len(values))
		for i, v := range values {
			row[i] = plain(convert(types[i], v))
		}
		out.Rows = append(out.Rows, row)
	}
	return out, rows.Err()
}

// plain makes the engine's kinds of values of Go's others.
func plain(v any) any {
	switch v := v.(type) {
	case nil, bool, int64, float64, string, time.Time, engine.Date:
		return v
	case int32:
		return int64(v)
	case int16:
		return int64(v)
	case int8:
		return int64(v)
	case int:
		return int64(v)
	case uint8:
		return int64(v)
	case uint16:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v <= 1<<63-1 {
			return int64(v)
		}
		return float64(v)
	case float32:
		return float64(v)
	case []byte:
		return string(v)
	}
	return fmt.Sprint(v)
}

// Number reads a decimal that a driver gives as text.
func Number(v any) any {
	var s string
	switch t := v.(type) {
	case string:
		s = t
	case []byte:
		s = string(t)
	default:
		return v
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil {
		return f
	}
	return s
}
