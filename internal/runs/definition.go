package runs

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

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
	// Version counts the changes, 0 for a definition that is new.
	Version int64 `json:"-"`
}

// File is one file of checks, or one that they name.
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

// Program parses the definition's checks. Environment and files of the system are not seen by them: files that checks name are
// among the definition's, and are no checks themselves.
func (d *Definition) Program() *sodacl.Program {
	values := map[string]string{}
	for name, value := range d.Variables {
		values[name] = value
	}
	var files []sodacl.File
	for _, f := range d.Files {
		files = append(files, sodacl.File{Name: f.Name, Text: []byte(f.Text)})
	}
	named := map[string]bool{}
	read := func(name string) ([]byte, error) {
		name = path.Clean(filepath.ToSlash(name))
		for _, f := range d.Files {
			if f.Name == name {
				named[name] = true
				return []byte(f.Text), nil
			}
		}
		return nil, errors.New("it is not among the files of the scan definition")
	}
	program := sodacl.ParseWith(files, sodacl.Variables{Values: values}, read)
	if len(named) == 0 {
		return program
	}
	files = slices.DeleteFunc(files, func(f sodacl.File) bool { return named[f.Name] })
	return sodacl.ParseWith(files, sodacl.Variables{Values: values}, read)
}

// Check says all that is wrong with a definition, joined: an ErrInvalid for each, and [Mistakes] of its checks. Warnings are no
// mistakes.
func (d *Definition) Check() error {
	_, err := d.schedule()
	wrong := []error{d.checkShape(), err}
	if mistakes := onlyMistakes(d.Program().Mistakes); mistakes != nil {
		wrong = append(wrong, mistakes)
	}
	return errors.Join(wrong...)
}

// Each gives the errors that [Definition.Check] joined, or the one that err is.
func Each(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// checkShape says what is wrong with a definition's parts, apart from what they say.
func (d *Definition) checkShape() error {
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
	return nil
}

// onlyMistakes leaves warnings out, nil if nothing is left.
func onlyMistakes(all []sodacl.Mistake) Mistakes {
	var mistakes Mistakes
	for _, m := range all {
		if !m.Warning {
			mistakes = append(mistakes, m)
		}
	}
	return mistakes
}

// schedule reads the schedule, nil if there is none.
func (d *Definition) schedule() (*schedule, error) {
	if d.Schedule == "" {
		return nil, nil
	}
	return readSchedule(d.Schedule, d.TimeZone)
}

// Next is when the definition runs next after t, in its time zone; zero if it has no schedule.
func (d *Definition) Next(t time.Time) time.Time {
	schedule, err := d.schedule()
	if err != nil || schedule == nil {
		return time.Time{}
	}
	return schedule.next(t).In(schedule.zone)
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
	for t := schedule.next(after); !t.IsZero() && !t.After(now); t = schedule.next(t) {
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

// SaveDefinition checks and keeps a definition, new if its version is 0. ErrChanged if it is not the version that was read.
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
	return s.replace(ctx, table.Item{
		Key: k, Entity: entityDefinition, Version: d.Version + 1, Head: head, Body: body, IndexPK: indexDefinitions, IndexSK: k.PK,
	}, "scan definition", d.Name)
}

// replace writes an item over the version before.
func (s *Store) replace(ctx context.Context, item table.Item, what, name string) error {
	err := s.Table.Write(ctx, table.Put(item, table.IfVersion(item.Version-1)))
	if lostRace(err) {
		err = ErrChanged
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", what, name, err)
	}
	return nil
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
	item, err := s.get(ctx, k)
	if err == nil {
		err = json.Unmarshal(item.Body, &d)
	}
	if err != nil {
		return d, fmt.Errorf("scan definition %q: %w", name, err)
	}
	d.Version = item.Version
	return d, nil
}

// DeleteDefinition forgets a definition; its results stay, and a run of it that goes on ends as ever. ErrChanged if it is not
// the version that was read.
func (s *Store) DeleteDefinition(ctx context.Context, d Definition) error {
	err := s.Table.Write(ctx, table.Delete(definitionKey(d.Name), table.IfVersion(d.Version)))
	if lostRace(err) {
		err = ErrChanged
	}
	if err != nil {
		return fmt.Errorf("delete scan definition %q: %w", d.Name, err)
	}
	return nil
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
