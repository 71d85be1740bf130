package sodacl_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

var update = flag.Bool("update", false, "write testdata/mistakes/*.want")

// TestMistakes holds the messages of each file in testdata/mistakes, all at once and with their places, to the file beside it.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yml")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yml"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			p := sodacl.Parse([]sodacl.File{{Name: filepath.Base(path), Text: text}}, sodacl.Variables{})
			for _, m := range p.Mistakes {
				kind := "error"
				if m.Warning {
					kind = "warning"
				}
				fmt.Fprintf(&got, "%s: %s: %s\n", m.Position, kind, m.Message)
			}
			fmt.Fprintf(&got, "%d checks are left\n", count(p))
			golden := strings.TrimSuffix(path, ".yml") + ".want"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("%s\ngot:\n%s\nwant:\n%s", text, got.String(), want)
			}
		})
	}
}

func count(p *sodacl.Program) int {
	n := len(p.Checks)
	for _, table := range p.Tables {
		for _, part := range table.Partitions {
			n += len(part.Checks)
		}
	}
	return n
}

// TestLargeFiles: a file of 100 MB is refused before it is read as YAML, and too many checks are cut off.
func TestLargeFiles(t *testing.T) {
	p := parse(strings.Repeat("# a line of a very long file\n", 100<<20/29))
	if len(p.Mistakes) != 1 || !strings.Contains(p.Mistakes[0].Message, "at most 4194304 are read") {
		t.Errorf("%v", p.Mistakes)
	}
	p = parse("checks for t:\n" + strings.Repeat("  - row_count > 0\n", sodacl.MaxChecks+5))
	if count(p) != sodacl.MaxChecks || len(p.Mistakes) != 1 || p.Mistakes[0].Line != sodacl.MaxChecks+2 {
		t.Errorf("%d checks, %v", count(p), p.Mistakes)
	}
}
