// Package wire reads what all of Soda's wire forms have in common: JSON members whose mistakes are told with their path,
// numbers in their original digits, times, and the id of a message's contents. What the members mean belongs to packages v3
// and v4.
package wire

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// Error is a payload that cannot be understood. Path names the member, such as checks[3].outcome.
type Error struct {
	Path    string
	Problem string
}

func (e *Error) Error() string { return e.Path + ": " + e.Problem }

// Bad is the error of a member that cannot be understood.
func Bad(path, problem string) error { return &Error{path, problem} }

// Decode decodes one element; a wrong type is told with the path to the member. Errors are of type [*Error].
func Decode(path string, raw json.RawMessage, v any) error {
	err := json.Unmarshal(raw, v)
	if e, ok := err.(*json.UnmarshalTypeError); ok && e.Field != "" {
		return &Error{path + "." + e.Field, typeProblem(err)}
	}
	if err != nil {
		return &Error{path, typeProblem(err)}
	}
	return nil
}

// Members decodes the members of a message into those that are known (nil for known, but not read), and gives the others.
// Errors are of type [*Error].
func Members(members map[string]json.RawMessage, known map[string]any) (extra map[string]json.RawMessage, err error) {
	for name, raw := range members {
		to, ok := known[name]
		switch {
		case !ok && extra == nil:
			extra = map[string]json.RawMessage{name: raw}
		case !ok:
			extra[name] = raw
		case to != nil:
			if err := json.Unmarshal(raw, to); err != nil {
				return nil, &Error{name, typeProblem(err)}
			}
		}
	}
	return extra, nil
}

func typeProblem(err error) string {
	if e, ok := err.(*json.UnmarshalTypeError); ok {
		return fmt.Sprintf("is a JSON %s, want %s", e.Value, jsonName(e.Type.Kind().String()))
	}
	return strings.TrimPrefix(err.Error(), "json: ")
}

func jsonName(goKind string) string {
	switch {
	case goKind == "struct" || goKind == "map":
		return "an object"
	case goKind == "slice":
		return "an array"
	case goKind == "bool":
		return "a boolean"
	case goKind == "string":
		return "a string"
	}
	return "a number"
}

// ContentID hashes the members of a message of a kind, apart from its token, to a scan id: the same message twice is the
// same scan.
func ContentID(kind string, members map[string]json.RawMessage) string {
	names := make([]string, 0, len(members))
	for name := range members {
		if name != "token" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	parts := []string{kind}
	for _, name := range names {
		sum := sha256.Sum256(members[name])
		parts = append(parts, name, string(sum[:]))
	}
	return dq.OpaqueID(26, parts...)
}

// Time reads ISO 8601 with or without an offset; without one it is UTC. Empty leaves t zero. Errors are of type [*Error].
func Time(path, text string, t *time.Time) error {
	if text == "" {
		return nil
	}
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02"} {
		if parsed, err := time.Parse(layout, text); err == nil {
			*t = parsed.UTC()
			return nil
		}
	}
	return &Error{path, fmt.Sprintf("%q is not an ISO 8601 time", dq.Truncate(text, 60))}
}

// Text is *s, or "" for null and absent.
func Text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// Number gives a JSON number in its original digits, "" for anything else.
func Number(raw json.RawMessage) json.Number {
	raw = bytes.TrimSpace(raw)
	if len(raw) == 0 || raw[0] != '-' && (raw[0] < '0' || raw[0] > '9') {
		return ""
	}
	return json.Number(raw)
}

// Threshold reads a bad range; bounds that are no numbers (an unresolved variable) are left out. Nil if none is left.
func Threshold(raw json.RawMessage) *dq.Threshold {
	var bounds map[string]json.RawMessage
	if json.Unmarshal(raw, &bounds) != nil {
		return nil
	}
	t := dq.Threshold{
		GreaterThan: Number(bounds["greaterThan"]), GreaterThanOrEqual: Number(bounds["greaterThanOrEqual"]),
		LessThan: Number(bounds["lessThan"]), LessThanOrEqual: Number(bounds["lessThanOrEqual"]),
	}
	if t == (dq.Threshold{}) {
		return nil
	}
	return &t
}
