package postgres_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/source/postgres"
	"github.com/sodalite-dq/sodalite/internal/source/postgres/postgrestest"
	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
)

func TestSuite(t *testing.T) {
	server := postgrestest.Start(t)
	statements := []string{"CREATE ROLE locked LOGIN PASSWORD 'another'; CREATE SCHEMA suite; SET search_path TO suite"}
	for _, table := range sourcetest.Tables() {
		statements = append(statements, table.SQL(map[sourcetest.Kind]string{
			sourcetest.Integer: "bigint", sourcetest.Decimal: "numeric(10,2)", sourcetest.Float: "double precision", sourcetest.Boolean: "boolean", sourcetest.String: "text",
			sourcetest.Day: "date", sourcetest.Timestamp: "timestamp", sourcetest.TimestampZone: "timestamptz",
		}, `"`)...)
	}
	server.Exec(t, strings.Join(statements, ";\n")+";")
	settings := map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "postgres", "password": sourcetest.Secret, "database": "postgres", "schema": "suite"}
	sourcetest.Run(t, sourcetest.Subject{
		New: postgres.New, Kind: "postgres", Settings: settings, Slow: "SELECT pg_sleep(120)",
		Broken: map[string]sourcetest.Broken{
			"no server":        sourcetest.Says("refused", "port", "1"),
			"no database":      sourcetest.Says("does not exist", "database", "none"),
			"no user":          sourcetest.Says("nobody", "username", "nobody"),
			"a wrong password": sourcetest.Says("password authentication failed", "username", "locked"),
			"no host":          sourcetest.Says("host", "host", ""),
			"a bad port":       sourcetest.Says("port", "port", "many"),
			"an unknown mode":  sourcetest.Says("sslmode", "sslmode", "sometimes"),
			"TLS not on offer": sourcetest.Says("TLS", "sslmode", "require"),
		},
	})
}

func TestSlices(t *testing.T) {
	server := postgrestest.Start(t)
	readings := sourcetest.Readings("DOUBLE PRECISION", func(n string) string { return "TIMESTAMP '2026-03-01 00:00:00' + " + n + " * INTERVAL '1 second'" })
	server.Exec(t, strings.Join(append(readings, "ANALYZE readings"), ";\n"))
	settings := map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.Port), "username": "postgres", "database": "postgres"}
	sourcetest.Slices(t, sourcetest.Subject{New: postgres.New, Kind: "postgres", Settings: settings})
}
