package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/client"
	v3 "github.com/sodalite-dq/sodalite/internal/sodacloud/v3"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// report tells what the scan found in all the ways that were asked for. Results that cannot be delivered are an error, even
// if the checks passed: nobody else has them.
func (p *program) report(ctx context.Context, f *scanFlags, scan *dq.Scan, server *client.Client) error {
	var failures []error
	results := v3.Results(scan)
	if f.resultsFile != "" {
		failures = append(failures, writeResults(f.resultsFile, results))
	}
	page := ""
	if server != nil {
		var err error
		if _, page, err = server.Push(ctx, scan); err != nil {
			failures = append(failures, notPushed(server, f.resultsFile, results, err))
		}
	}
	if f.junitFile != "" {
		failures = append(failures, writeJUnit(f.junitFile, scan))
	}
	if f.asJSON {
		failures = append(failures, p.printJSON(results))
	} else {
		p.printScan(scan, f.verbose, page)
	}
	if err := errors.Join(failures...); err != nil {
		fmt.Fprintln(p.errs, "sodalite:", err)
		return scanExit(3)
	}
	if code := engine.ExitCode(scan); code != 0 {
		return scanExit(code)
	}
	return nil
}

func writeResults(path string, results map[string]any) error {
	var body bytes.Buffer
	if err := writeJSON(&body, results); err != nil {
		return err
	}
	return os.WriteFile(path, body.Bytes(), 0o644)
}

// notPushed words why results could not be pushed, and keeps them in a file if they are in none.
func notPushed(server *client.Client, path string, results map[string]any, err error) error {
	err = fmt.Errorf("the results could not be pushed to %s: %w", server.URL, err)
	if path == "" {
		kept, keepErr := os.CreateTemp("", "sodalite-results-*.json") // for its owner's eyes only
		if keepErr != nil {
			return errors.Join(err, keepErr)
		}
		path = kept.Name()
		if keepErr := errors.Join(kept.Close(), writeResults(path, results)); keepErr != nil {
			return errors.Join(err, keepErr)
		}
	}
	return fmt.Errorf("%w\n  They are in %s. Send them later: sodalite push %s -c CONFIGURATION", err, path, path)
}

// outcomeWords and their colours on a terminal.
var outcomeWords = map[dq.Outcome]struct{ word, colour string }{
	dq.Pass: {"pass", "\x1b[32m"}, dq.Warn: {"WARN", "\x1b[33m"}, dq.Fail: {"FAIL", "\x1b[31m"}, dq.NotEvaluated: {"not evaluated", "\x1b[35m"},
}

const plainText = "\x1b[0m"

// printScan prints a table of results, the worst last, where the eye is.
func (p *program) printScan(scan *dq.Scan, verbose bool, page string) {
	if verbose {
		for _, l := range scan.Logs {
			fmt.Fprintf(p.out, "%s %-7s %s\n", l.Time.Format("15:04:05"), l.Level, l.Message)
		}
	}
	results := slices.Clone(scan.Results)
	slices.SortStableFunc(results, func(a, b dq.Result) int { return a.Outcome.Rank() - b.Outcome.Rank() })
	var rows []resultRow
	for i := range results {
		r := &results[i]
		look := outcomeWords[r.Outcome]
		if r.Excluded {
			look.word = "left out"
		}
		value, words := shownValue(r)
		rows = append(rows, resultRow{look.word, look.colour, printable(shownPlace(r)), printable(r.Name), printable(value), words})
	}
	(&resultTable{out: p.out, coloured: p.coloured(), width: widthOf(p.out)}).print(rows)
	p.printErrors(scan)
	c := scan.Counts()
	fmt.Fprintf(p.out, "\n%s: %d passed, %d warned, %d failed, %d not evaluated; %s. %s in %s.\n",
		wording.Count(c.Total(), "check"), c.Pass, c.Warn, c.Fail, c.NotEvaluated, wording.Count(countErrors(scan), "error"),
		wording.Count(len(scan.Queries), "statement"), scan.Ended.Sub(scan.Started).Round(time.Millisecond))
	if page != "" {
		fmt.Fprintln(p.out, "See", page)
	}
}

// shownPlace is the dataset, of a contract's check with the column, which its name mostly does not tell, and of another with
// the partition.
func shownPlace(r *dq.Result) string {
	if r.Origin == dq.OriginContract && r.Column != "" {
		return r.Dataset.Name + "." + r.Column
	}
	if section, _, _ := strings.Cut(r.Source, "\n"); r.Origin != dq.OriginContract {
		return r.Dataset.Name + partition.FindString(strings.TrimSuffix(section, ":"))
	}
	return r.Dataset.Name
}

// partition is that of a section "checks for orders [daily]".
var partition = regexp.MustCompile(` \[[^][]+]$`)

// printable makes one line of a text without what a terminal would obey.
func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 {
			return ' '
		}
		return c
	}, s)
}

// shownValue is what was measured, or in words what is wrong with a check that is not evaluated or has no number.
func shownValue(r *dq.Result) (_ string, words bool) {
	if r.Excluded {
		return "", false
	}
	value := wording.FormatValue(r.Value, r.ValueLabel, wording.MeasureOf(r.Measure, r.Source))
	if r.Outcome == dq.Pass || r.Value != "" && r.Outcome.Evaluated() || len(r.Reasons) == 0 {
		return value, false
	}
	var why []string
	for _, reason := range r.Reasons {
		why = append(why, reason.Message)
	}
	return dq.Truncate(strings.Join(why, "; "), 200), true
}

func countErrors(scan *dq.Scan) int {
	if !scan.Errored {
		return 0
	}
	return scan.Errors()
}

func (p *program) printErrors(scan *dq.Scan) {
	for _, l := range scan.Logs {
		if l.Level != dq.LevelError && l.Level != dq.LevelWarning {
			continue
		}
		at := ""
		if l.Location != nil {
			at = sodacl.Position{File: l.Location.File, Line: l.Location.Line, Column: l.Location.Col}.String() + ": "
		}
		fmt.Fprintf(p.errs, "%s: %s%s\n", l.Level, at, l.Message)
	}
}
