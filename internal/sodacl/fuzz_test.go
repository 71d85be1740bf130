package sodacl_test

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

func parse(text string) *sodacl.Program {
	return sodacl.Parse([]sodacl.File{{Name: "checks.yml", Text: []byte(text)}}, variables())
}

// seeds are the texts of the corpus that the reference client was run on.
func seeds(f *testing.F) {
	file, err := os.Open("../engine/testdata/corpus.jsonl")
	if err != nil {
		f.Fatal(err)
	}
	defer file.Close()
	lines := bufio.NewScanner(file)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		var c struct{ Sodacl string }
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			f.Fatal(err)
		}
		f.Add(c.Sodacl)
	}
}

// FuzzParse: nothing that people write makes the parser fail, each mistake has its place within the file, and what was read
// can be printed.
func FuzzParse(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, text string) {
		p := parse(text)
		lines := strings.Count(text, "\n") + strings.Count(text, "\r") + strings.Count(text, "\u0085") + strings.Count(text, "\u2028") + strings.Count(text, "\u2029") + 1
		for _, m := range p.Mistakes {
			if m.File != "checks.yml" || m.Message == "" || m.Line > lines+1 {
				t.Errorf("mistake %+v in a file of %d lines", m, lines)
			}
		}
		for _, table := range p.Tables {
			for _, part := range table.Partitions {
				for _, c := range part.InOrder() {
					_, _, _ = c.Source(c.Header), c.IdentityText(), c.DefaultName()
				}
			}
		}
	})
}

// FuzzLine: check lines, with and without thresholds.
func FuzzLine(f *testing.F) {
	for _, s := range []string{"row_count > 0", "avg(a) between (1 and 2]", "values in (a, b) must not exist in t (c, d)", "row_count same as t [p] in ds", "change avg last 7 percent for max(a) < 5 %",
		"freshness(ts, NOW) < 1d6h", "duplicate_count(\"a b\", [c d]) = ${X}", "anomaly score for row_count < default", "percentile(a, .5) not between -1 and +2.5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		body, err := json.Marshal(line)
		if err != nil {
			return
		}
		p := parse("checks for t:\n  - " + string(body) + "\n")
		for _, m := range p.Mistakes {
			if m.Line < 1 && !strings.Contains(m.Message, "not valid YAML") {
				t.Errorf("%q: %v has no place", line, m)
			}
		}
	})
}

// FuzzReference: whatever a file with a reference distribution has, it is one that can be compared with, or the check says why not.
func FuzzReference(f *testing.F) {
	f.Add("distribution_type: continuous\ndistribution_reference: {bins: [0, 1.5], weights: [0, 1]}", "ks")
	f.Add("a:\n  distribution_type: categorical\n  distribution reference: {bins: [x, 1, null], weights: [0.2, 0.2, 0.6]}", "psi")
	f.Add("a: {distribution_type: continuous, distribution_reference: {bins: &x [.nan, .inf], weights: *x}}", "")
	f.Fuzz(func(t *testing.T, text, method string) {
		if strings.ContainsAny(method, "\n\r'\u0085\u2028\u2029") {
			t.Skip()
		}
		checks := "checks for t:\n  - distribution_difference(c, a) > 0:\n      distribution reference file: r.yml\n      method: '" + method + "'\n  - distribution_difference(c) > 0:\n      distribution reference file: r.yml\n"
		p := sodacl.ParseWith([]sodacl.File{{Name: "checks.yml", Text: []byte(checks)}}, variables(), func(string) ([]byte, error) { return []byte(text), nil })
		for _, table := range p.Tables {
			for _, c := range table.Partitions[0].Checks {
				if c.Problem != "" {
					continue
				}
				d := c.Distribution
				if err := d.Check(); err != nil {
					t.Errorf("a reference is kept that is wrong: %v", err)
				}
				if d.Continuous && len(d.Bins) < 100 {
					if _, err := d.Values(d.Method, []float64{d.Bins[0], 1, 2}, 4); err != nil && len(d.Bins) == 0 {
						t.Error(err)
					}
				}
			}
		}
	})
}
