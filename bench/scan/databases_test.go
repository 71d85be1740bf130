package scan

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib"

	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
)

// database is where both tools scan.
type database interface {
	// fill makes the shape's tables, once.
	fill(b *testing.B, s shape)
	// tools are ours and the reference client with these checks.
	tools(b *testing.B, dir, checks string) (ours, theirs *tool)
	// time is how long a statement takes on an open connection.
	time(b *testing.B, statement string) time.Duration
}

// databases are what is scanned. PostgreSQL is scanned by the program that is built as a scanner only, and by the whole program, which
// differ in memory alone. The file is read by the program without cgo, and by DuckDB within the program; the reference client reads
// it by DuckDB, too.
var databases = []struct {
	name   string
	open   func(*testing.B) database
	shapes []shape
}{
	{"postgres", postgresFor("scanner"), shapes}, {"postgres, whole program", postgresFor(""), shapes[:1]}, {"duckdb", openDuckDB, shapes},
	{"csv pure Go", func(b *testing.B) database { return &csvFile{duckDB: openDuckDB(b).(*duckDB), kind: "files"} }, fileShapes},
	{"csv DuckDB", func(b *testing.B) database {
		return &csvFile{duckDB: openDuckDB(b).(*duckDB), kind: "duckdb", tags: "duckdb"}
	}, fileShapes},
}

// installed is what a variable of test/provide names.
func installed(b *testing.B, variable string) string {
	b.Helper()
	path := os.Getenv(variable)
	if path == "" {
		b.Fatal(variable + ` is not set. Say eval "$(test/provide)" to have what it needs.`)
	}
	return path
}

type postgres struct {
	tags   string // of the program that scans it
	server *postgrestest.Server
	db     *sql.DB
	filled map[string]bool
}

func postgresFor(tags string) func(*testing.B) database {
	return func(b *testing.B) database {
		installed(b, "SODALITE_SODA_POSTGRES")
		p := &postgres{tags: tags, server: postgrestest.Start(b), filled: map[string]bool{}}
		var err error
		if p.db, err = sql.Open("pgx", fmt.Sprintf("postgres://postgres@127.0.0.1:%d/postgres", p.server.Port)); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { p.db.Close() })
		return p
	}
}

func (p *postgres) fill(b *testing.B, s shape) {
	for table, statement := range s.tables(2_000_000) {
		if !p.filled[table] {
			p.filled[table] = true
			p.server.Exec(b, "CREATE TABLE "+table+" AS "+statement+";\nVACUUM ANALYZE "+table)
		}
	}
}

func (p *postgres) tools(b *testing.B, dir, checks string) (ours, theirs *tool) {
	return pair(b, dir, built(b, p.tags), installed(b, "SODALITE_SODA_POSTGRES"), fmt.Sprintf(`data_source src:
  type: postgres
  host: 127.0.0.1
  port: "%d"
  username: postgres
  password: unused
  database: postgres
  schema: public
`, p.server.Port), checks)
}

func (p *postgres) time(b *testing.B, statement string) time.Duration {
	begin := time.Now()
	rows, err := p.db.QueryContext(b.Context(), statement)
	if err != nil {
		b.Fatal(err)
	}
	for rows.Next() {
	}
	if err := rows.Close(); err != nil {
		b.Fatal(err)
	}
	return time.Since(begin)
}

// duckDB is a file that the reference client's own DuckDB writes. The program is built with the tag duckdb for it.
type duckDB struct {
	path, python string
}

func openDuckDB(b *testing.B) database {
	dir := os.Getenv("SODALITE_BENCH_DATA")
	if dir == "" {
		dir = b.TempDir()
	}
	soda := installed(b, "SODALITE_SODA_DUCKDB")
	return &duckDB{path: filepath.Join(dir, "bench.duckdb"), python: filepath.Join(filepath.Dir(soda), "python")}
}

// script runs a program with the database file and a statement as its arguments.
func (d *duckDB) script(b *testing.B, program, statement string) string {
	b.Helper()
	cmd := exec.Command(d.python, "-c", "import duckdb, sys, time\n"+program, d.path, statement)
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("DuckDB: %v\n%s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func (d *duckDB) fill(b *testing.B, s shape) {
	for table, statement := range s.tables(10_000_000) {
		d.script(b, "duckdb.connect(sys.argv[1]).execute(sys.argv[2])", "CREATE TABLE IF NOT EXISTS "+table+" AS "+statement)
	}
}

func (d *duckDB) tools(b *testing.B, dir, checks string) (ours, theirs *tool) {
	return pair(b, dir, built(b, "duckdb"), installed(b, "SODALITE_SODA_DUCKDB"), "data_source src:\n  type: duckdb\n  path: "+d.path+"\n  read_only: true\n", checks)
}

func (d *duckDB) time(b *testing.B, statement string) time.Duration {
	took, err := time.ParseDuration(d.script(b, `db = duckdb.connect(sys.argv[1], read_only=True)
db.execute("SET enable_progress_bar = false")
begin = time.time()
db.execute(sys.argv[2]).fetchall()
print("%fs" % (time.time() - begin))`, statement))
	if err != nil {
		b.Fatal(err)
	}
	return took
}

// csvFile is the CSV file of a shape's one table, which DuckDB writes.
type csvFile struct {
	*duckDB
	kind, tags, table string
}

func (c *csvFile) file() string { return filepath.Join(filepath.Dir(c.path), c.table+".csv") }

func (c *csvFile) fill(b *testing.B, s shape) {
	for table, statement := range s.tables(0) {
		c.table = table
		if _, err := os.Stat(c.file()); err != nil {
			c.script(b, "duckdb.connect().execute(sys.argv[2])", "COPY ("+statement+") TO '"+c.file()+"' (HEADER)")
		}
	}
}

func (c *csvFile) tools(b *testing.B, dir, checks string) (ours, theirs *tool) {
	config := "data_source src:\n  type: %s\n  path: " + c.file() + "\n"
	_, theirs = pair(b, filepath.Join(dir, "theirs"), "", installed(b, "SODALITE_SODA_DUCKDB"), fmt.Sprintf(config, "duckdb"), checks)
	ours, _ = pair(b, filepath.Join(dir, "ours"), built(b, c.tags), "", fmt.Sprintf(config, c.kind), checks)
	return ours, theirs
}

// time is 0: nothing is open before the file is read.
func (c *csvFile) time(*testing.B, string) time.Duration { return 0 }
