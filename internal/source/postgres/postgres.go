// Package postgres is PostgreSQL as a data source, and Redshift, which speaks its wire protocol.
package postgres

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

var synonyms = map[string][]string{
	"character varying":           {"varchar", "text"},
	"double precision":            {"decimal", "numeric"},
	"timestamp without time zone": {"timestamp"},
	"timestamp with time zone":    {"timestamptz"},
}

// sameTypes are names of one type each.
var sameTypes = [][]string{
	{"varchar", "character varying"}, {"char", "character", "bpchar"}, {"integer", "int", "int4"}, {"bigint", "int8"}, {"smallint", "int2"},
	{"real", "float4"}, {"double precision", "float8"}, {"timestamp", "timestamp without time zone"}, {"decimal", "numeric"},
}

// types reads the system's catalogue, which shows columns to whoever may connect, with the parameters that were declared. Of
// a domain it gives the type below.
func types(s *engine.Source, prefix []string, table string) string {
	conditions := []string{"c.relname = " + engine.Text(table), "c.relkind IN ('r', 'p', 'v', 'm', 'f')", "a.attnum > 0", "NOT a.attisdropped"}
	if n := len(prefix); n > 0 {
		conditions = append(conditions, "lower(n.nspname) = "+engine.Text(strings.ToLower(prefix[n-1])))
	} else if s.Schema != "" {
		conditions = append(conditions, "lower(n.nspname) = "+engine.Text(strings.ToLower(s.Schema)))
	} else {
		conditions = append(conditions, "pg_catalog.pg_table_is_visible(c.oid)")
	}
	if n := len(prefix); n > 1 {
		conditions = append(conditions, "lower(current_database()) = "+engine.Text(strings.ToLower(prefix[n-2])))
	}
	return "SELECT a.attname, pg_catalog.format_type(COALESCE(NULLIF(t.typbasetype, 0), a.atttypid), CASE WHEN t.typbasetype = 0 THEN a.atttypmod ELSE t.typtypmod END)\n" +
		"FROM pg_catalog.pg_class c\nJOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace\nJOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid\n" +
		"JOIN pg_catalog.pg_type t ON t.oid = a.atttypid\nWHERE " + strings.Join(conditions, " AND ") + "\nORDER BY a.attnum"
}

func dialect() *engine.Dialect {
	columns, tables := engine.InformationSchema(true)
	return &engine.Dialect{
		Name: "postgres", Quote: `"`, Fold: strings.ToLower, MaxItems: 500,
		Regex:     func(x, pattern string) string { return x + " ~ " + pattern },
		Deviation: true, SortApart: true,
		Percentile: func(x, fraction string) string {
			return "PERCENTILE_DISC(" + fraction + ") WITHIN GROUP (ORDER BY " + x + ")"
		},
		NumberType: "FLOAT", RegexReplaceAll: ", 'g'",
		Columns: columns, Tables: tables, Types: types, Synonyms: synonyms, SameTypes: sameTypes,
	}
}

// New makes a PostgreSQL source. Settings: host (required), port, username, password, database, schema, sslmode,
// connection_timeout (seconds).
func New(s *source.Settings) (*engine.Source, error) {
	host, err := s.Required("host")
	if err != nil {
		return nil, err
	}
	d := dialect()
	d.Slices = cut
	return open(s, host, 5432, s.Text("sslmode", "prefer"), s.Text("connection_timeout", "15"), d)
}

// NewRedshift makes a Redshift source. Settings: host, port, username, password, database, schema, connection_timeout_sec.
func NewRedshift(s *source.Settings) (*engine.Source, error) {
	d := dialect()
	d.Name, d.EscapeRegex, d.Percentile = "redshift", true, nil
	d.Average = func(x string) string { return "AVG(" + x + "::real)" }
	if s.User() == "" || s.Text("password", "") == "" {
		return nil, s.Errorf("data source %s needs username and password; temporary credentials of IAM are not supported yet", s.Name)
	}
	return open(s, s.Text("host", "localhost"), 5439, s.Text("sslmode", "prefer"), s.Text("connection_timeout_sec", "15"), d)
}

func open(s *source.Settings, host string, port int, sslmode, timeout string, d *engine.Dialect) (*engine.Source, error) {
	port, err := s.Port(port)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.Atoi(timeout)
	if err != nil || seconds < 1 {
		return nil, s.Errorf("data source %s: the time-out %q is not a number of seconds", s.Name, timeout)
	}
	database := s.Text("database", "")
	// The host is parsed with the mode, because the mode means nothing for the socket that stands in for no host.
	config, err := pgx.ParseConfig(fmt.Sprintf("host=%s port=%d sslmode=%s", quote(host), port, quote(sslmode)))
	if err != nil {
		return nil, s.Errorf("data source %s: sslmode %q is not known", s.Name, sslmode)
	}
	config.User, config.Password, config.Database = s.User(), s.Text("password", ""), database
	config.ConnectTimeout = time.Duration(seconds) * time.Second
	// The statements are sent once each; preparing them would be a round trip more.
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	config.RuntimeParams["application_name"] = "sodalite"
	config.BuildContextWatcherHandler = cancelling
	schema := s.Text("schema", "")
	if schema != "" {
		config.RuntimeParams["search_path"] = schema
	}
	return &engine.Source{
		Name: s.Name, Type: s.Type, Dialect: d, Database: database, Schema: schema,
		Open: func(ctx context.Context) (engine.Connection, error) {
			return source.SQL(ctx, stdlib.OpenDB(*config, stdlib.OptionAfterConnect(withoutJIT)), convert)
		},
	}, nil
}

// cancelWithin is how long the server may take to end a statement; then its connection is closed.
const cancelWithin = 10 * time.Second

// cancelling has the server end a statement whose context ended, and waits for that. Else a program that ends now would leave it
// running there.
func cancelling(c *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: c, DeadlineDelay: cancelWithin}
}

// withoutJIT keeps the server from compiling statements: for hundreds of aggregates that takes longer than it saves. It is not
// a start-up parameter, because poolers refuse those; servers that do not know it run as they are.
func withoutJIT(ctx context.Context, c *pgx.Conn) error {
	if _, err := c.PgConn().Exec(ctx, "SET jit = off").ReadAll(); err != nil && c.IsClosed() {
		return err
	}
	return nil
}

// tidRangeScans is the first version that reads the blocks between two row identifiers without the others.
const tidRangeScans = 140000

// cut makes slices of a table by its blocks. Its estimate of rows is that of the last ANALYZE or VACUUM.
func cut(ctx context.Context, c engine.Connection, _ *engine.Source, t engine.Sliceable) ([]string, error) {
	rows, err := c.Query(ctx, "SELECT CAST(reltuples AS bigint), pg_relation_size(oid) / CAST(current_setting('block_size') AS bigint), CAST(current_setting('server_version_num') AS bigint)\n"+
		"FROM pg_class WHERE oid = CAST("+engine.Text(t.From)+" AS regclass) AND relkind IN ('r', 'm')", 1)
	if err != nil || len(rows.Rows) == 0 {
		return nil, err
	}
	estimate, _ := rows.Rows[0][0].(int64)
	blocks, _ := rows.Rows[0][1].(int64)
	if version, _ := rows.Rows[0][2].(int64); version < tidRangeScans {
		return nil, errors.New("that needs PostgreSQL 14 or newer")
	}
	if estimate < t.Least || blocks < int64(t.Count) {
		return nil, nil
	}
	return engine.Ranges("ctid", 0, blocks, t.Count, "'(%d,0)'"), nil
}

func quote(s string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(s) + "'"
}

func convert(column *sql.ColumnType, v any) any {
	switch column.DatabaseTypeName() {
	case "NUMERIC":
		return source.Number(v)
	case "DATE":
		if t, ok := v.(time.Time); ok {
			return engine.Date{Time: t}
		}
	}
	return v
}
