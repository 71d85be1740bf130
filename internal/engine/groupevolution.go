package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

// planGroupEvolution compares the groups that a query gives with those that must, or must not, be there, and with those of
// the former scan.
func (r *run) planGroupEvolution(c *planned) error {
	query, err := c.vars.Resolve(c.Query)
	if err != nil {
		return err
	}
	if c.Groups == nil {
		c.Groups = &sodacl.Groups{}
	}
	m := &measure{table: c.table, partition: c.partition.Name, name: "group evolution", identity: r.identity(c, "", "group evolution")}
	m = r.ask(c, m, "group_evolution["+c.Line+"]", query, maxRows, func(rows *Rows) (any, error) {
		groups := []string{}
		for _, row := range rows.Rows {
			if row[0] != nil {
				groups = append(groups, pythonText(row[0]))
			}
		}
		return groups, nil
	})
	c.judge = func(ctx context.Context, result *dq.Result) error {
		groups, ok := m.value.([]string)
		if !ok {
			return errors.New("the query gave nothing")
		}
		var before []string
		if c.Groups.Warn.Changes() || c.Groups.Fail.Changes() {
			if before, err = r.previousGroups(ctx, m.identity); err != nil {
				return err
			}
		}
		fail, err1 := groupEvents(c.Groups.Fail, groups, before)
		warn, err2 := groupEvents(c.Groups.Warn, groups, before)
		if err := errors.Join(err1, err2); err != nil {
			return err
		}
		result.ValueLabel = plural(len(fail), "Failure") + ", " + plural(len(warn), "Warning")
		result.Diagnostics = groupDetails(fail, warn)
		for _, e := range append(slices.Clone(fail), warn...) {
			result.Reasons = append(result.Reasons, dq.Reason{Code: "group", Message: e.message()})
		}
		result.Outcome = worse(len(fail), len(warn))
		return nil
	}
	return nil
}

// worse is the outcome of so many violations on each side.
func worse(fail, warn int) dq.Outcome {
	switch {
	case fail > 0:
		return dq.Fail
	case warn > 0:
		return dq.Warn
	}
	return dq.Pass
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// previousGroups are the groups that were there before.
func (r *run) previousGroups(ctx context.Context, identity string) ([]string, error) {
	raw, err := r.former(ctx, identity, "\"when groups change\"")
	if err != nil {
		return nil, err
	}
	var groups []string
	if err := json.Unmarshal(raw, &groups); err != nil {
		return nil, quietly{"the former groups cannot be read"}
	}
	return groups, nil
}

// groupEvent is one violation: Missing, Forbidden, Added or Deleted.
type groupEvent struct{ group, what string }

func (e groupEvent) message() string {
	switch e.what {
	case "Missing":
		return "group " + e.group + " is missing"
	case "Forbidden":
		return "group " + e.group + " must not be there"
	}
	return "group " + e.group + " was " + strings.ToLower(e.what)
}

func groupEvents(rules sodacl.GroupRules, groups, before []string) ([]groupEvent, error) {
	var out []groupEvent
	for _, name := range rules.Required {
		if !slices.Contains(groups, name) {
			out = append(out, groupEvent{name, "Missing"})
		}
	}
	for _, pattern := range rules.Forbidden {
		re, err := forbiddenPattern(pattern)
		if err != nil {
			return nil, fmt.Errorf("forbidden group %q: %w", pattern, err)
		}
		for _, name := range groups {
			if re.MatchString(name) {
				out = append(out, groupEvent{name, "Forbidden"})
			}
		}
	}
	for _, name := range groups {
		if rules.Added && !slices.Contains(before, name) {
			out = append(out, groupEvent{name, "Added"})
		}
	}
	for _, name := range before {
		if rules.Deleted && !slices.Contains(groups, name) {
			out = append(out, groupEvent{name, "Deleted"})
		}
	}
	return out, nil
}

// groupDetails are the reference client's diagnostics of a group evolution.
func groupDetails(fail, warn []groupEvent) json.RawMessage {
	var lines strings.Builder
	for _, side := range []struct {
		name   string
		events []groupEvent
	}{{"warn", warn}, {"fail", fail}} {
		for _, e := range side.events {
			fmt.Fprintf(&lines, ":icon-%s: %s, %s\n", side.name, e.group, e.what)
		}
	}
	return barsOf([]bar{{"fail", len(fail)}, {"warn", len(warn)}}, map[string]any{}, block{"Diagnostics", "Group, Reason\n" + lines.String()})
}
