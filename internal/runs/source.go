package runs

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Source is a data source that definitions may be for. Values that are secret are not kept here: they are the ARN of a
// secret, or ${env_var('SODALITE_SOURCE_…')}.
type Source struct {
	Name     string            `json:"name"`
	Type     string            `json:"type"`
	Settings map[string]string `json:"settings"`
	// Version counts the changes, 0 for a data source that is new.
	Version int64 `json:"-"`
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
		if secretName.MatchString(name) && !strings.HasPrefix(name, "sampler.exclude_columns.") && value != "" && !secretARN.MatchString(value) && !reference.MatchString(value) {
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

// SaveSource checks and keeps a data source, new if its version is 0. ErrChanged if it is not the version that was read.
func (s *Store) SaveSource(ctx context.Context, source Source) error {
	if err := source.Check(); err != nil {
		return err
	}
	head, err := json.Marshal(source)
	if err != nil {
		return err
	}
	k := sourceKey(source.Name)
	return s.replace(ctx, table.Item{
		Key: k, Entity: entitySource, Version: source.Version + 1, Head: head, IndexPK: indexSources, IndexSK: k.PK,
	}, "data source", source.Name)
}

// Source reads a data source by name.
func (s *Store) Source(ctx context.Context, name string) (Source, error) {
	item, err := s.get(ctx, sourceKey(name))
	if err != nil {
		return Source{}, fmt.Errorf("data source %q: %w", name, err)
	}
	return readSource(item)
}

func readSource(item table.Item) (Source, error) {
	source := Source{Version: item.Version}
	if err := json.Unmarshal(item.Head, &source); err != nil {
		return source, fmt.Errorf("head of %v: %w", item.Key, err)
	}
	return source, nil
}

// Sources lists data sources by name.
func (s *Store) Sources(ctx context.Context) ([]Source, error) {
	items, err := table.All(ctx, s.Table.QueryIndex, table.Range{PK: indexSources})
	if err != nil {
		return nil, fmt.Errorf("list data sources: %w", err)
	}
	list := make([]Source, len(items))
	for i, it := range items {
		if list[i], err = readSource(it); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b Source) int { return cmp.Compare(a.Name, b.Name) })
	return list, nil
}

// DeleteSource forgets a data source. ErrInvalid while definitions are for it, ErrChanged if it is not the version that was
// read.
func (s *Store) DeleteSource(ctx context.Context, source Source) error {
	definitions, err := s.Definitions(ctx)
	if err != nil {
		return err
	}
	for _, d := range definitions {
		if d.Source == source.Name {
			return fmt.Errorf("%w: scan definition %q is for data source %q; delete it first", ErrInvalid, d.Name, source.Name)
		}
	}
	err = s.Table.Write(ctx, table.Delete(sourceKey(source.Name), table.IfVersion(source.Version)))
	if lostRace(err) {
		err = ErrChanged
	}
	if err != nil {
		return fmt.Errorf("delete data source %q: %w", source.Name, err)
	}
	return nil
}
