package runs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/robfig/cron/v3"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// The limits of a definition.
const (
	MaxChecksSize = 300_000 // bytes of all its files of checks
	MaxFiles      = 50
	maxName       = 200 // characters
)

// Definition is a scan that the system can execute: checks, the data source they are for, and when.
type Definition struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	// Schedule is a cron expression of five fields (minute, hour, day of month, month, day of week), or @hourly and the like;
	// empty for ad hoc only. It is read in TimeZone, an IANA name; empty for UTC.
	Schedule  string            `json:"schedule,omitempty"`
	TimeZone  string            `json:"timeZone,omitempty"`
	Variables map[string]string `json:"variables,omitempty"`
	Files     []File            `json:"files"`
	Updated   time.Time         `json:"updated"`
	UpdatedBy string            `json:"updatedBy,omitempty"`
}

// File is one file of checks.
type File struct {
	Name string `json:"name"`
	Text string `json:"text"`
}

// Mistakes are those of a definition's checks. They match [ErrInvalid].
type Mistakes []sodacl.Mistake

func (m Mistakes) Error() string {
	lines := make([]string, len(m))
	for i, one := range m {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// Is makes mistakes match ErrInvalid.
func (m Mistakes) Is(target error) bool { return target == ErrInvalid }

// Program parses the definition's checks. The environment is not seen by them: it is the system's own.
func (d *Definition) Program() *sodacl.Program {
	values := map[string]string{}
	for name, value := range d.Variables {
		values[name] = value
	}
	var files []sodacl.File
	for _, f := range d.Files {
		files = append(files, sodacl.File{Name: f.Name, Text: []byte(f.Text)})
	}
	return sodacl.Parse(files, sodacl.Variables{Values: values})
}

// Check says what is wrong with a definition: an ErrInvalid, or [Mistakes] of its checks. Warnings are no mistakes.
func (d *Definition) Check() error {
	size := 0
	for _, f := range d.Files {
		size += len(f.Text)
		if path.IsAbs(f.Name) || strings.Contains(f.Name, "..") || f.Name == "" {
			return fmt.Errorf("%w: the file of checks %q must be a name below the definition's folder", ErrInvalid, f.Name)
		}
	}
	switch {
	case strings.TrimSpace(d.Name) != d.Name || d.Name == "" || len([]rune(d.Name)) > maxName:
		return fmt.Errorf("%w: a scan definition needs a name of at most %d characters, without blanks around it; %q is none", ErrInvalid, maxName, dq.Truncate(d.Name, 60))
	case d.Source == "":
		return fmt.Errorf("%w: scan definition %q needs a data source", ErrInvalid, d.Name)
	case len(d.Files) == 0 || len(d.Files) > MaxFiles:
		return fmt.Errorf("%w: scan definition %q has %d files of checks, need 1 to %d", ErrInvalid, d.Name, len(d.Files), MaxFiles)
	case size > MaxChecksSize:
		return fmt.Errorf("%w: the checks of scan definition %q have %d bytes, at most %d; split it in two", ErrInvalid, d.Name, size, MaxChecksSize)
	}
	if _, err := d.schedule(); err != nil {
		return err
	}
	var mistakes Mistakes
	for _, m := range d.Program().Mistakes {
		if !m.Warning {
			mistakes = append(mistakes, m)
		}
	}
	if len(mistakes) > 0 {
		return mistakes
	}
	return nil
}

// schedule reads the schedule, nil if there is none.
func (d *Definition) schedule() (cron.Schedule, error) {
	if d.Schedule == "" {
		return nil, nil
	}
	if strings.Contains(d.Schedule, "TZ=") {
		return nil, fmt.Errorf("%w: schedule %q: give the time zone as \"time zone\"", ErrInvalid, d.Schedule)
	}
	zone, err := time.LoadLocation(d.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("%w: time zone %q is not known; give a name such as Europe/Amsterdam", ErrInvalid, d.TimeZone)
	}
	schedule, err := cron.ParseStandard("CRON_TZ=" + zone.String() + " " + d.Schedule)
	if err != nil {
		return nil, fmt.Errorf("%w: schedule %q: %w; give five fields (minute hour day month weekday), such as \"0 6 * * *\"", ErrInvalid, d.Schedule, err)
	}
	if _, every := schedule.(cron.ConstantDelaySchedule); every {
		return nil, fmt.Errorf("%w: schedule %q: @every has no fixed times; give five fields, such as \"*/15 * * * *\"", ErrInvalid, d.Schedule)
	}
	return schedule, nil
}

// Next is when the definition runs next after t, zero if it has no schedule.
func (d *Definition) Next(t time.Time) time.Time {
	schedule, err := d.schedule()
	if err != nil || schedule == nil {
		return time.Time{}
	}
	return schedule.Next(t).UTC()
}

// catchUp is how long after its time a scheduled run is still begun, when nothing ticked in between.
const catchUp = time.Hour

// due is the newest time at which the definition should have run, up to now; zero if there is none.
func (d *Definition) due(now time.Time) time.Time {
	schedule, err := d.schedule()
	if err != nil || schedule == nil {
		return time.Time{}
	}
	after := now.Add(-catchUp)
	if d.Updated.After(after) {
		after = d.Updated
	}
	var last time.Time
	for t := schedule.Next(after); !t.IsZero() && !t.After(now); t = schedule.Next(t) {
		last = t
	}
	return last.UTC()
}

// definitionHead is what lists and ticks need of a definition.
type definitionHead struct {
	Name     string    `json:"name"`
	Source   string    `json:"source"`
	Schedule string    `json:"schedule,omitempty"`
	TimeZone string    `json:"timeZone,omitempty"`
	Updated  time.Time `json:"updated"`
}

// SaveDefinition checks and keeps a definition.
func (s *Store) SaveDefinition(ctx context.Context, d Definition, by string) error {
	if err := d.Check(); err != nil {
		return err
	}
	if _, err := s.Source(ctx, d.Source); err != nil {
		if errors.Is(err, ErrNotFound) {
			return fmt.Errorf("%w: scan definition %q is for data source %q, which the system does not know; apply its data_source section too", ErrInvalid, d.Name, d.Source)
		}
		return err
	}
	d.Updated, d.UpdatedBy = s.Now().UTC(), by
	head, err1 := json.Marshal(definitionHead{d.Name, d.Source, d.Schedule, d.TimeZone, d.Updated})
	body, err2 := json.Marshal(d)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	k := definitionKey(d.Name)
	return s.Table.Write(ctx, table.Put(table.Item{
		Key: k, Entity: entityDefinition, Version: 1, Head: head, Body: body, IndexPK: indexDefinitions, IndexSK: k.PK,
	}, table.Always()))
}

// Definition reads a definition by name.
func (s *Store) Definition(ctx context.Context, name string) (Definition, error) {
	return s.definition(ctx, definitionKey(name), name)
}

// DefinitionByID reads a definition by its [dq.DefinitionID].
func (s *Store) DefinitionByID(ctx context.Context, id string) (Definition, error) {
	return s.definition(ctx, table.Key{PK: "SETUP#" + id, SK: "DOC"}, id)
}

func (s *Store) definition(ctx context.Context, k table.Key, name string) (Definition, error) {
	var d Definition
	item, err := s.Table.Get(ctx, k)
	if errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) {
		err = ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(item.Body, &d)
	}
	if err != nil {
		return d, fmt.Errorf("scan definition %q: %w", name, err)
	}
	return d, nil
}

// DeleteDefinition forgets a definition; its results stay.
func (s *Store) DeleteDefinition(ctx context.Context, name string) error {
	return s.Table.Write(ctx, table.Delete(definitionKey(name), table.Always()))
}

// Definitions lists definitions by name, without their checks.
func (s *Store) Definitions(ctx context.Context) ([]Definition, error) {
	items, err := table.All(ctx, s.Table.QueryIndex, table.Range{PK: indexDefinitions})
	if err != nil {
		return nil, fmt.Errorf("list scan definitions: %w", err)
	}
	list := make([]Definition, len(items))
	for i, it := range items {
		if err := json.Unmarshal(it.Head, &list[i]); err != nil {
			return nil, fmt.Errorf("head of %v: %w", it.Key, err)
		}
	}
	slices.SortFunc(list, func(a, b Definition) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// Source is a data source that definitions may be for. Values that are secret are not kept here: they are the ARN of a
// secret, or ${env_var('SODALITE_SOURCE_…')}.
type Source struct {
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Settings map[string]string `json:"settings"`
}

// SecretPrefix begins the names of environment variables that data sources may refer to; no others are seen by them.
const SecretPrefix = "SODALITE_SOURCE_"

var (
	secretName = regexp.MustCompile(`(?i)password|secret|token|passphrase|private_key|account_info_json$`)
	secretARN  = regexp.MustCompile(`^arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:[A-Za-z0-9/_+=.@-]+$`)
	reference  = regexp.MustCompile(`^\$\{\s*(env_var\(\s*['"])?` + SecretPrefix + `[A-Z0-9_]+(['"]\s*\))?\s*\}$`)
)

// Check says what is wrong with a data source.
func (s *Source) Check() error {
	for name, value := range s.Settings {
		if secretName.MatchString(name) && value != "" && !secretARN.MatchString(value) && !reference.MatchString(value) {
			return fmt.Errorf("%w: %s of data source %s must not be kept in clear: give the ARN of a secret in AWS Secrets Manager, or ${env_var('%s…')}", ErrInvalid, name, s.Name, SecretPrefix)
		}
		if strings.Contains(value, "${") && !reference.MatchString(value) {
			return fmt.Errorf("%w: %s of data source %s may refer to one environment variable whose name begins with %s, and to nothing else", ErrInvalid, name, s.Name, SecretPrefix)
		}
	}
	if s.Name == "" || s.Type == "" {
		return fmt.Errorf("%w: a data source needs a name and a type", ErrInvalid)
	}
	return nil
}

// Resolved is the source's settings with secrets filled in.
func (s *Source) Resolved(ctx context.Context, env func(string) (string, bool), secret func(context.Context, string) (string, error)) (map[string]string, error) {
	vars := sodacl.Variables{Env: func(name string) (string, bool) {
		if !strings.HasPrefix(name, SecretPrefix) {
			return "", false
		}
		return env(name)
	}}
	out := map[string]string{}
	for name, value := range s.Settings {
		resolved, err := vars.Resolve(value)
		if err == nil && secretARN.MatchString(value) {
			resolved, err = secret(ctx, value)
		}
		if err != nil {
			return nil, fmt.Errorf("%s of data source %s: %w", name, s.Name, err)
		}
		out[name] = resolved
	}
	return out, nil
}

// SaveSource checks and keeps a data source.
func (s *Store) SaveSource(ctx context.Context, source Source) error {
	if err := source.Check(); err != nil {
		return err
	}
	head, err := json.Marshal(source)
	if err != nil {
		return err
	}
	k := sourceKey(source.Name)
	return s.Table.Write(ctx, table.Put(table.Item{Key: k, Entity: entitySource, Version: 1, Head: head, IndexPK: indexSources, IndexSK: k.PK}, table.Always()))
}

// Source reads a data source by name.
func (s *Store) Source(ctx context.Context, name string) (Source, error) {
	var source Source
	item, err := s.Table.Get(ctx, sourceKey(name))
	if errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) {
		err = ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(item.Head, &source)
	}
	if err != nil {
		return source, fmt.Errorf("data source %q: %w", name, err)
	}
	return source, nil
}

// newID is a run's id, which becomes its scan's.
func newID() string { return dq.OpaqueID(26, "run", rand.Text()) }

// scheduledID is the id of the run of a definition at a time: ticks that overlap ask for the same run.
func scheduledID(definition string, at time.Time) string {
	return dq.OpaqueID(26, "run", definition, at.UTC().Format(time.RFC3339))
}
