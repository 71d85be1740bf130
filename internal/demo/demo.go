// Package demo makes up a month of a small company's data quality results and pushes them the way a scanner does: over
// HTTP, with an API key, in the wire formats of Soda Core 3 and, where the company has data contracts, 4. The results are the
// same for the same day.
//
// What the company has and what goes wrong there is in company.go and contract.go; this file plays the scanner.
package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"
)

// Target is a running server and a key for it.
type Target struct {
	URL           string // without a slash at the end
	KeyID, Secret string
}

// Fill pushes the month that ends at now, oldest scan first. progress is told how many of how many scans are in.
func Fill(ctx context.Context, to Target, now time.Time, progress func(done, of int)) error {
	now = now.UTC()
	var login struct{ Token string }
	err := post(ctx, to, soda3, "/api/command", map[string]any{"type": "login", "apiKeyId": to.KeyID, "apiKeySecret": to.Secret}, &login)
	if err != nil {
		return fmt.Errorf("demo: log in: %w", err)
	}
	files := make([][]string, len(agreements))
	for i := range agreements {
		if files[i], err = agreements[i].publish(ctx, to, login.Token); err != nil {
			return fmt.Errorf("demo: publish the contract of %s: %w", agreements[i].dataset, err)
		}
	}
	runs := schedule(now, files)
	for i, run := range runs {
		payload := run.payload(run.at, now)
		payload["type"], payload["token"] = "sodaCoreInsertScanResults", login.Token
		if err := post(ctx, to, run.agent, "/api/command", payload, nil); err != nil {
			return fmt.Errorf("demo: push scan %d of %d: %w", i+1, len(runs), err)
		}
		if progress != nil {
			progress(i+1, len(runs))
		}
	}
	return nil
}

// The clients, as they name themselves.
const (
	soda3 = "SodaCore/3.5.6"
	soda4 = "soda-core/4.28.0"
)

func post(ctx context.Context, to Target, agent, path string, body, answer any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.URL+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", agent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d: %s", resp.StatusCode, text)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// run is one scan to be made up.
type run struct {
	agent   string
	at      time.Time
	payload func(at, now time.Time) map[string]any
}

// days is how far back the month goes.
const days = 30

// schedule lists all scans of the month, oldest first. files are the texts of the contracts.
func schedule(now time.Time, files [][]string) []run {
	var runs []run
	month := func(first, every time.Duration, r run) {
		for r.at = now.AddDate(0, 0, -days).Truncate(day).Add(first); r.at.Before(now.Add(-time.Minute)); r.at = r.at.Add(every) {
			runs = append(runs, r)
		}
	}
	for i := range company {
		month(company[i].firstRun, company[i].every, run{agent: soda3, payload: company[i].payload})
	}
	for i := range agreements {
		month(agreements[i].firstRun, agreements[i].every, run{agent: soda4, payload: func(at, now time.Time) map[string]any { return agreements[i].payload(files[i], at, now) }})
	}
	slices.SortStableFunc(runs, func(a, b run) int { return a.at.Compare(b.at) })
	return runs
}

// dice are the same for the same definition and time.
func dice(name string, at time.Time) *rand.Rand {
	seed := uint64(14695981039346656037)
	for _, b := range []byte(name) {
		seed = (seed ^ uint64(b)) * 1099511628211
	}
	return rand.New(rand.NewPCG(seed, uint64(at.Unix())))
}

func iso(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05+00:00") }

// payload makes up the results of one scan.
func (d *definition) payload(at, now time.Time) map[string]any {
	s := &scan{definition: d, at: at, age: now.Sub(at), dice: dice(d.name, at)}
	s.log("info", "Soda Core 3.5.6")
	if d.broken != nil && d.broken(s.age) {
		s.fail(fmt.Sprintf("Could not connect to data source %q: connection to server at \"10.0.12.7\", port 5432 failed: timeout expired", d.source))
	} else {
		for i := range d.checks {
			s.evaluate(&d.checks[i])
		}
	}
	s.summary()
	took := time.Duration(4+s.dice.IntN(40)) * time.Second
	return map[string]any{
		"definitionName": d.name, "defaultDataSource": d.source, "dataTimestamp": iso(at), "scanStartTimestamp": iso(at),
		"scanEndTimestamp": iso(at.Add(took)), "hasErrors": s.errors > 0, "hasWarnings": s.counts["warn"] > 0,
		"hasFailures": s.counts["fail"] > 0, "metrics": s.metrics, "checks": s.checks, "queries": s.queries,
		"automatedMonitoringChecks": []any{}, "profiling": d.profiling, "metadata": d.metadata, "logs": s.logs, "sourceOwner": "soda-core",
	}
}

// scan collects what one made-up scan reports.
type scan struct {
	definition                     *definition
	at                             time.Time
	age                            time.Duration // how long before now the scan ran
	dice                           *rand.Rand
	metrics, checks, queries, logs []map[string]any
	errors                         int
	counts                         map[string]int
}

func (s *scan) log(level, message string) {
	s.logs = append(s.logs, map[string]any{"level": level, "message": message, "timestamp": iso(s.at), "index": len(s.logs) + 1})
}

func (s *scan) fail(message string) {
	s.errors++
	s.log("error", message)
}

func (s *scan) summary() {
	s.log("info", "Scan summary:")
	for _, c := range s.checks {
		s.log("info", fmt.Sprintf("    %s [%s]", c["name"], c["outcome"]))
	}
	s.log("info", fmt.Sprintf("Oops! %d errors. %d failures. %d warnings. %d pass.", s.errors, s.counts["fail"], s.counts["warn"], s.counts["pass"]))
	s.log("info", "Sending results to Soda Cloud")
}

// evaluate makes up the result of one check.
func (s *scan) evaluate(c *check) {
	if s.counts == nil {
		s.counts = map[string]int{}
	}
	c = c.at(s)
	value := c.value(s)
	outcome := c.verdict(value)
	s.counts[outcome]++
	metric := fmt.Sprintf("metric-%s-%s-%s-%s-%s", s.definition.name, s.definition.source, c.table, c.column, c.metric)
	s.metrics = append(s.metrics, map[string]any{"identity": metric, "metricName": c.metric, "value": value})
	s.queries = append(s.queries, map[string]any{
		"name": fmt.Sprintf("%d.%s.%s.%s", len(s.queries)+1, s.definition.source, c.table, c.metric), "dataSource": s.definition.source,
		"table": c.table, "column": nil, "sql": c.sql(), "exception": nil, "duration": fmt.Sprintf("0:00:0%d.%06d", s.dice.IntN(3), s.dice.IntN(999999)),
	})
	diagnostics := map[string]any{"blocks": []any{}, "value": value}
	c.zones(diagnostics)
	if c.diagnose != nil {
		c.diagnose(s, value, diagnostics)
	}
	s.checks = append(s.checks, map[string]any{
		"identity": c.identity(s.definition), "identities": map[string]any{"v1": c.identity(nil), "v3": c.identity(s.definition)},
		"migratedIdentities": nil, "name": c.name, "type": c.kind(), "definition": c.source(), "resourceAttributes": c.attributes(),
		"location":   map[string]any{"filePath": "checks/" + c.table + ".yml", "line": 2, "col": 5},
		"dataSource": s.definition.source, "table": c.table, "column": orNull(c.column), "metrics": []string{metric},
		"outcome": outcome, "diagnostics": diagnostics, "source": "soda-core",
	})
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}
