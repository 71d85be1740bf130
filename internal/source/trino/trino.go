// Package trino is Trino as a data source. It also owns the dialect, which Athena shares.
package trino

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	driver "github.com/trinodb/trino-go-client/trino"

	"github.com/sodalite-dq/sodalite/internal/engine"
	"github.com/sodalite-dq/sodalite/internal/source"
)

// New makes a Trino source. Settings: host, port (443), http_scheme (https), catalog, schema, username, password, auth_type
// (BasicAuthentication, JWTAuthentication with a token, or NoAuthentication), token, source, client_tags, http_headers.
func New(s *source.Settings) (*engine.Source, error) {
	port, err := s.Port(443)
	if err != nil {
		return nil, err
	}
	at := &url.URL{Scheme: s.Text("http_scheme", "https"), Host: net.JoinHostPort(s.Text("host", "localhost"), strconv.Itoa(port)), User: url.User(s.Text("username", "sodalite"))}
	if at.Scheme != "http" && at.Scheme != "https" {
		return nil, fmt.Errorf("%s: data source %s: http_scheme %q is neither http nor https", s.At, s.Name, at.Scheme)
	}
	patience := 15 * time.Second
	config := &driver.Config{
		Source: s.Text("source", "sodalite"), Catalog: s.Text("catalog", ""), Schema: s.Text("schema", ""), TimeZone: "UTC",
		RequestRetryTimeout: &patience, HTTPClient: &http.Client{Transport: headers(s.Group("http_headers"))},
	}
	if tags := s.List("client_tags"); len(tags) > 0 {
		config.ClientTags = tags
	}
	if err := authenticate(s, at, config); err != nil {
		return nil, err
	}
	config.ServerURI = at.String()
	return &engine.Source{
		Name: s.Name, Type: s.Type, Dialect: Dialect("trino"), Database: config.Catalog, Schema: config.Schema,
		Open: func(ctx context.Context) (engine.Connection, error) {
			connector, err := driver.NewConnector(config)
			if err != nil {
				return nil, err
			}
			db := sql.OpenDB(connector)
			if _, err := db.ExecContext(ctx, "SELECT 1"); err != nil { // a ping asks nobody
				_ = db.Close() // the error that counts is the first
				return nil, err
			}
			return source.SQL(ctx, db, convert)
		},
	}, nil
}

func authenticate(s *source.Settings, at *url.URL, config *driver.Config) error {
	password, token := s.Text("password", ""), s.Text("token", "")
	switch kind := s.Text("auth_type", "BasicAuthentication"); {
	case kind == "NoAuthentication":
	case kind == "JWTAuthentication" && token != "":
		config.AccessToken = token
	case kind == "JWTAuthentication":
		return fmt.Errorf("%s: data source %s needs a \"token\"", s.At, s.Name)
	case kind != "BasicAuthentication":
		return fmt.Errorf("%s: data source %s: auth_type %q is not supported; there are BasicAuthentication, JWTAuthentication and NoAuthentication", s.At, s.Name, kind)
	case password != "" && at.Scheme != "https":
		return fmt.Errorf("%s: data source %s: a password goes over https only; take it out, or say auth_type: NoAuthentication", s.At, s.Name)
	case password != "":
		at.User = url.UserPassword(at.User.Username(), password)
	}
	return nil
}

// headers adds headers to each request.
type headers map[string]string

// RoundTrip implements [http.RoundTripper].
func (h headers) RoundTrip(r *http.Request) (*http.Response, error) {
	if len(h) > 0 {
		r = r.Clone(r.Context())
		for name, value := range h {
			r.Header.Set(name, value)
		}
	}
	return http.DefaultTransport.RoundTrip(r)
}

// Dialect is that of Trino and what is made of it.
func Dialect(name string) *engine.Dialect {
	columns, tables := engine.InformationSchema(true)
	return &engine.Dialect{
		Name: name, Quote: `"`, Fold: strings.ToLower, MaxItems: 200, Deviation: true, NumberType: "DOUBLE",
		Regex:   func(x, pattern string) string { return "REGEXP_LIKE(" + x + ", " + pattern + ")" },
		Columns: columns, Tables: tables,
		Synonyms: map[string][]string{
			"varchar": {"character varying", "text", "string"}, "double": {"double precision", "decimal"}, "timestamp(3)": {"timestamp"}, "timestamp(6)": {"timestamp"},
			"integer": {"int"},
		},
	}
}

func convert(column *sql.ColumnType, v any) any {
	switch t, isTime := v.(time.Time); column.DatabaseTypeName() {
	case "DECIMAL":
		return source.Number(v)
	case "DATE":
		if isTime {
			return engine.Date{Time: t}
		}
	case "TIME":
		if isTime {
			return t.Format("15:04:05.999999")
		}
	}
	return v
}
