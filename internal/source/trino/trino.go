// Package trino is Trino as a data source: its client protocol, and how its values become the engine's. It also owns the
// dialect and the texts of values, which Athena shares.
package trino

import (
	"context"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	at := &url.URL{Scheme: s.Text("http_scheme", "https"), Host: net.JoinHostPort(s.Text("host", "localhost"), strconv.Itoa(port))}
	if at.Scheme != "http" && at.Scheme != "https" {
		return nil, s.Errorf("data source %s: http_scheme %q is neither http nor https", s.Name, at.Scheme)
	}
	headers, err := headers(s, at)
	if err != nil {
		return nil, err
	}
	return &engine.Source{
		Name: s.Name, Type: s.Type, Dialect: Dialect("trino"), Database: s.Text("catalog", ""), Schema: s.Text("schema", ""),
		Open: func(ctx context.Context) (engine.Connection, error) {
			c := newClient(at, headers)
			if _, err := c.Query(ctx, "SELECT 1", 1); err != nil {
				return nil, err
			}
			return c, nil
		},
	}, nil
}

// headers are those of every request.
func headers(s *source.Settings, at *url.URL) (http.Header, error) {
	h := http.Header{}
	for name, value := range map[string]string{
		"User-Agent": "sodalite", "X-Trino-User": s.Text("username", "sodalite"), "X-Trino-Source": s.Text("source", "sodalite"), "X-Trino-Catalog": s.Text("catalog", ""),
		"X-Trino-Schema": s.Text("schema", ""), "X-Trino-Client-Tags": s.Text("client_tags", ""), "X-Trino-Time-Zone": "UTC",
		"X-Trino-Client-Capabilities": "PARAMETRIC_DATETIME", // types of times then say their precision
	} {
		if value != "" {
			h.Set(name, value)
		}
	}
	for name, value := range s.Group("http_headers") {
		h.Set(name, value)
	}
	return h, authenticate(s, at, h)
}

func authenticate(s *source.Settings, at *url.URL, h http.Header) error {
	password, token := s.Text("password", ""), s.Text("token", "")
	switch kind := s.Text("auth_type", "BasicAuthentication"); {
	case kind == "NoAuthentication":
	case kind == "JWTAuthentication" && token == "":
		return s.Errorf("data source %s needs a \"token\"", s.Name)
	case kind != "JWTAuthentication" && kind != "BasicAuthentication":
		return s.Errorf("data source %s: auth_type %q is not supported; there are BasicAuthentication, JWTAuthentication and NoAuthentication", s.Name, kind)
	case kind == "JWTAuthentication" && at.Scheme != "https":
		return s.Errorf("data source %s: a token goes over https only", s.Name)
	case kind == "JWTAuthentication":
		h.Set("Authorization", "Bearer "+token)
	case password != "" && at.Scheme != "https":
		return s.Errorf("data source %s: a password goes over https only; take it out, or say auth_type: NoAuthentication", s.Name)
	case password != "":
		r := http.Request{Header: h}
		r.SetBasicAuth(h.Get("X-Trino-User"), password)
	}
	return nil
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
