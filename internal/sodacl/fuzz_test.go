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
					_, _, _ = c.Source(), c.IdentityText(), c.DefaultName()
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
