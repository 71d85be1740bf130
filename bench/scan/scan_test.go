// Package scan runs the reference client (Soda Core 3.5.6) and `sodalite scan` side by side on the same checks and data, in
// the shapes that scans have, and prints a table of medians: wall time and peak memory of the process, and statements sent.
// Run it with `make bench-scan`; docs/performance.md has figures.
//
// A shape fails only where the two come to different outcomes or values, never by being slow. Choose shapes as
// `go test ./bench/scan -bench 'Scan/postgres/small' -benchtime 1x` does. SODALITE_BENCH_DATA names a folder that keeps the
// large files between runs, SODALITE_BENCH_ROUNDS how often each tool runs in each shape (default 5).
package scan

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"text/tabwriter"
	"time"
)

// TestMain is also the launcher of the tools: see launch.
func TestMain(m *testing.M) {
	if os.Getenv(launcher) != "" {
		os.Exit(launch(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// row is what one shape came to.
type row struct {
	database, shape     string
	checks              int
	reference, sodalite figures
	// one is how long one statement with all the distinct aggregates takes on an open connection, 0 if there are none.
	one time.Duration
}

// figures are those of one tool in one shape.
type figures struct {
	wall          time.Duration
	memory        int64 // peak resident set, bytes
	statements    int   // for measuring
	rowStatements int   // that only fetch sample rows
}

func BenchmarkScan(b *testing.B) {
	builds.dir = b.TempDir()
	var rows []row
	for _, d := range databases {
		b.Run(d.name, func(b *testing.B) {
			db := d.open(b)
			for _, s := range d.shapes {
				b.Run(s.name, func(b *testing.B) { rows = append(rows, compare(b, db, d.name, s)) })
			}
		})
	}
	printTable(rows)
}

// compare runs both tools in turns, so that what else the machine does meets both alike.
func compare(b *testing.B, db database, name string, s shape) row {
	db.fill(b, s)
	dir := b.TempDir()
	ours, theirs := db.tools(b, dir, s.checks)
	want, got := theirs.results(b), ours.results(b)
	if len(got.Checks) == 0 {
		b.Fatal("no check was evaluated")
	}
	sameResults(b, want, got)
	r := row{database: name, shape: s.name, checks: len(got.Checks)}
	r.reference.count(want)
	r.sodalite.count(got)
	var reference, sodalite []run
	var one []time.Duration
	statement := ""
	if len(want.Checks) > 0 { // else the statement is wrong
		statement = distinctAggregates(want)
	}
	for range rounds(b) {
		reference, sodalite = append(reference, theirs.run(b)), append(sodalite, ours.run(b))
		if statement != "" {
			one = append(one, db.time(b, statement))
		}
	}
	r.reference.median(reference)
	r.sodalite.median(sodalite)
	if one != nil {
		r.one = median(one)
	}
	b.ReportMetric(float64(r.sodalite.wall.Microseconds())/1000, "sodalite-ms")
	b.ReportMetric(float64(r.reference.wall.Microseconds())/1000, "reference-ms")
	return r
}

func rounds(b *testing.B) int {
	text := os.Getenv("SODALITE_BENCH_ROUNDS")
	if text == "" {
		return 5
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		b.Fatalf("SODALITE_BENCH_ROUNDS %q is not a number of at least 1", text)
	}
	return n
}

func median[T int64 | time.Duration](values []T) T {
	slices.Sort(values)
	return values[len(values)/2]
}

func (f *figures) median(runs []run) {
	var walls []time.Duration
	var memories []int64
	for _, r := range runs {
		walls, memories = append(walls, r.Wall), append(memories, r.Memory)
	}
	f.wall, f.memory = median(walls), median(memories)
}

// count counts statements by their names in the results.
func (f *figures) count(found results) {
	for _, q := range found.Queries {
		switch {
		case strings.HasSuffix(q.Name, "ing_sql"): // the text of a statement, not one that was sent
		case strings.Contains(q.Name, ".failed_rows[") && !strings.HasSuffix(q.Name, "[failed rows]"): // that one is a fail query
			f.rowStatements++
		default:
			f.statements++
		}
	}
}

func printTable(rows []row) {
	w := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\ndatabase\tshape\tchecks\treference\tMB\tstatements\tone statement\tsodalite\tMB\tstatements\ttime ratio\tof one\tmemory ratio\t")
	for _, r := range rows {
		one, ofOne := "-", "-"
		if r.one > 0 {
			one, ofOne = short(r.one), fmt.Sprintf("%.2f", float64(r.sodalite.wall)/float64(r.one))
		}
		fmt.Fprintf(w, "%s\t%s\t%d\t%s\t%d\t%d+%d\t%s\t%s\t%d\t%d\t%.3f\t%s\t%.2f\t\n", r.database, r.shape, r.checks,
			short(r.reference.wall), r.reference.memory>>20, r.reference.statements, r.reference.rowStatements, one,
			short(r.sodalite.wall), r.sodalite.memory>>20, r.sodalite.statements,
			float64(r.sodalite.wall)/float64(r.reference.wall), ofOne, float64(r.sodalite.memory)/float64(r.reference.memory))
	}
	w.Flush()
	fmt.Println("statements of the reference: for measuring + to fetch sample rows; one statement: all distinct aggregates of the reference, on an open connection")
}

func short(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}
