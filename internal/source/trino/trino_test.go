package trino_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
	"github.com/sodalite-dq/sodalite/internal/source/sourcetest"
	"github.com/sodalite-dq/sodalite/internal/source/trino"
	"github.com/sodalite-dq/sodalite/internal/source/trino/trinotest"
)

// TestMain has the certificate of package httptest trusted, as an operator does it with that of a private authority.
func TestMain(m *testing.M) {
	file, err := os.CreateTemp("", "sodalite-ca")
	if err != nil {
		panic(err)
	}
	s := httptest.NewTLSServer(nil)
	if err := errors.Join(pem.Encode(file, &pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), file.Close(), os.Setenv("SSL_CERT_FILE", file.Name())); err != nil {
		panic(err)
	}
	s.Close()
	code := m.Run()
	os.Remove(file.Name())
	os.Exit(code)
}

// server speaks Trino's client protocol: a statement is posted, and its answer followed by nextUri. It knows three statements.
func server(t *testing.T) (settings map[string]string, canceled chan string) {
	canceled = make(chan string, 1)
	mux := http.NewServeMux()
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	answer := func(w http.ResponseWriter, members map[string]any) {
		members["id"], members["infoUri"] = "q1", s.URL
		members["stats"] = map[string]any{"state": "RUNNING"}
		_ = json.NewEncoder(w).Encode(members) // the client tells
	}
	mux.HandleFunc("POST /v1/statement", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Trino-Catalog") != "memory" || r.Header.Get("X-Trino-Schema") != "default" || r.Header.Get("X-Trino-User") != "ann" ||
			r.Header.Get("X-Trino-Client-Tags") != "a,b" || r.Header.Get("X-Extra") != "1" {
			t.Errorf("headers %v", r.Header)
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		switch sql := string(body); {
		case strings.Contains(sql, "SLOW"):
			answer(w, map[string]any{"nextUri": s.URL + "/slow"})
		case strings.Contains(sql, "FAIL"):
			answer(w, map[string]any{"error": map[string]any{"message": "line 1:8: Column 'nope' cannot be resolved", "errorName": "COLUMN_NOT_FOUND", "errorCode": 47}})
		default:
			answer(w, map[string]any{"nextUri": s.URL + "/rows"})
		}
	})
	mux.HandleFunc("GET /v1/info", func(w http.ResponseWriter, _ *http.Request) {
		_ = json.NewEncoder(w).Encode(map[string]any{"nodeVersion": map[string]string{"version": "435"}, "starting": false}) // the client tells
	})
	mux.HandleFunc("GET /rows", func(w http.ResponseWriter, _ *http.Request) {
		var columns []map[string]any
		for _, kind := range []string{"bigint", "decimal(10,2)", "double", "boolean", "varchar", "date", "timestamp(3)", "timestamp(3) with time zone"} {
			raw, arguments := strings.Split(strings.ReplaceAll(kind, "(3)", ""), "(")[0], []map[string]any{}
			if raw == "decimal" {
				arguments = []map[string]any{{"kind": "LONG", "value": 10}, {"kind": "LONG", "value": 2}}
			}
			columns = append(columns, map[string]any{"name": raw, "type": kind, "typeSignature": map[string]any{"rawType": raw, "arguments": arguments}})
		}
		answer(w, map[string]any{"columns": columns, "data": [][]any{
			{1, "10.50", 0.1, true, "it's", "2026-03-01", "2026-03-01 10:00:00.000", "2026-03-01 11:00:00.000 Europe/Amsterdam"}, {nil, nil, nil, nil, nil, nil, nil, nil},
		}})
	})
	mux.HandleFunc("GET /slow", func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(50 * time.Millisecond):
		case <-r.Context().Done():
		}
		answer(w, map[string]any{"nextUri": s.URL + "/slow"})
	})
	mux.HandleFunc("DELETE /", func(w http.ResponseWriter, r *http.Request) {
		select {
		case canceled <- r.URL.Path:
		default:
		}
		w.WriteHeader(http.StatusNoContent)
	})
	host, port, _ := strings.Cut(strings.TrimPrefix(s.URL, "http://"), ":")
	return map[string]string{
		"host": host, "port": port, "http_scheme": "http", "catalog": "memory", "schema": "default", "username": "ann", "auth_type": "NoAuthentication",
		"client_tags": "a,b", "http_headers.X-Extra": "1",
	}, canceled
}

func TestProtocol(t *testing.T) {
	settings, canceled := server(t)
	src, err := trino.New(source.NewSettings("src", "trino", settings))
	if err != nil {
		t.Fatal(err)
	}
	c, err := src.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	rows, err := c.Query(t.Context(), "SELECT *", 10)
	if err != nil || rows.Count != 2 {
		t.Fatal(rows, err)
	}
	at := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	want := []any{int64(1), 10.5, 0.1, true, "it's", engine.Date{Time: at.Truncate(24 * time.Hour)}, at, at}
	for i, w := range want {
		got := rows.Rows[0][i]
		same := got == w
		switch g := got.(type) {
		case time.Time:
			x, ok := w.(time.Time)
			same = ok && g.Equal(x)
		case engine.Date:
			x, ok := w.(engine.Date)
			same = ok && g.Equal(x.Time)
		}
		if !same || rows.Rows[1][i] != nil {
			t.Errorf("%s: got %#v and %#v, want %#v and nil", rows.Columns[i].Name, got, rows.Rows[1][i], w)
		}
	}
	if _, err := c.Query(t.Context(), "FAIL", 1); err == nil || !strings.Contains(err.Error(), "Column 'nope' cannot be resolved") {
		t.Errorf("error %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer stop()
	if _, err := c.Query(ctx, "SLOW", 1); err == nil {
		t.Error("a statement without an end ended")
	}
	select {
	case <-canceled:
	case <-time.After(10 * time.Second):
		t.Error("the server was not told that nobody waits any more")
	}
}

func TestSuite(t *testing.T) {
	server := trinotest.Start(t)
	settings := map[string]string{
		"host": "127.0.0.1", "port": fmt.Sprint(server.HTTP), "http_scheme": "http", "catalog": "memory", "schema": "default", "username": "suite", "auth_type": "NoAuthentication",
	}
	open := func(settings map[string]string) engine.Connection {
		src, err := trino.New(source.NewSettings("src", "trino", settings))
		if err != nil {
			t.Fatal(err)
		}
		c, err := src.Open(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := open(settings)
	for _, table := range sourcetest.Tables() {
		for _, statement := range table.SQL(map[sourcetest.Kind]string{
			sourcetest.Integer: "bigint", sourcetest.Decimal: "decimal(10,2)", sourcetest.Float: "double", sourcetest.Boolean: "boolean", sourcetest.String: "varchar",
			sourcetest.Day: "date", sourcetest.Timestamp: "timestamp(6)", sourcetest.TimestampZone: "timestamp(3) with time zone",
		}, `"`) {
			if _, err := c.Query(t.Context(), statement, 0); err != nil {
				t.Fatalf("%s: %v", statement, err)
			}
		}
	}
	sourcetest.Run(t, sourcetest.Subject{
		New: trino.New, Kind: "trino", Settings: settings, Lacks: []string{sourcetest.Percentiles, sourcetest.OddNames},
		Slow: "SELECT COUNT(*) FROM UNNEST(SEQUENCE(1, 10000)) a (x) CROSS JOIN UNNEST(SEQUENCE(1, 10000)) b (y) CROSS JOIN UNNEST(SEQUENCE(1, 10000)) c (z) WHERE x * y % 7 = z % 5",
	})
	tls := map[string]string{"host": "127.0.0.1", "port": fmt.Sprint(server.HTTPS), "username": "suite", "auth_type": "JWTAuthentication", "token": server.Token}
	rows, err := open(tls).Query(t.Context(), "SELECT CURRENT_USER", 1)
	if err != nil || rows.Rows[0][0] != "suite" {
		t.Errorf("with a token: %v, %v", rows, err)
	}
}

func TestSettings(t *testing.T) {
	for name, b := range map[string]sourcetest.Broken{
		"a bad port":          sourcetest.Says("port", "port", "many"),
		"a bad scheme":        sourcetest.Says("neither http nor https", "http_scheme", "ftp"),
		"a password in clear": sourcetest.Says("over https only", "http_scheme", "http", "password", sourcetest.Secret),
		"no token":            sourcetest.Says("token", "auth_type", "JWTAuthentication"),
		"Kerberos":            sourcetest.Says("not supported", "auth_type", "KerberosAuthentication"),
		"no server":           sourcetest.Says("refused", "host", "127.0.0.1", "port", "1", "password", sourcetest.Secret),
	} {
		t.Run(name, func(t *testing.T) {
			src, err := trino.New(source.NewSettings("src", "trino", b.Settings))
			if err == nil {
				_, err = src.Open(t.Context())
			}
			if err == nil || !strings.Contains(err.Error(), b.Says) || strings.Contains(err.Error(), sourcetest.Secret) {
				t.Errorf("error %v, want %q", err, b.Says)
			}
		})
	}
}
