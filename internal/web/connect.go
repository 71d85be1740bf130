package web

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/hub"
)

type connectView struct {
	Snippet string
	// Insecure means that scanners are told to send over plain http.
	Insecure bool
}

func (s *site) connect(w http.ResponseWriter, r *http.Request) error {
	return s.render(w, r, http.StatusOK, "connect", view{Title: "Connect a scanner", Body: s.snippet(r)})
}

// snippet is the part of a Soda configuration that points scanners here.
func (s *site) snippet(r *http.Request) connectView {
	u := s.publicURL(r)
	var b strings.Builder
	b.WriteString("soda_cloud:\n")
	if u.Scheme == "http" {
		b.WriteString("  scheme: http\n")
	}
	b.WriteString("  host: " + yamlText(u.Host) + "\n  api_key_id: ${SODA_API_KEY_ID}\n  api_key_secret: ${SODA_API_KEY_SECRET}\n")
	return connectView{Snippet: b.String(), Insecure: u.Scheme == "http"}
}

// yamlText quotes what is not a plain host name and port; JSON strings are YAML strings.
func yamlText(s string) string {
	plain := !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune(".-:", c)
	})
	if plain && s != "" {
		return s
	}
	quoted, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(quoted)
}

func (s *site) publicURL(r *http.Request) *url.URL {
	if u, err := url.Parse(s.PublicURL); err == nil && u.Host != "" {
		return u
	}
	u := &url.URL{Scheme: "http", Host: r.Host}
	if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" {
		u.Scheme = "https"
	}
	return u
}

type attributesView struct {
	Rows []attributeRow
}

type attributeRow struct {
	Name, Label, Type, Description string
	Allowed                        []string
	Href                           string // the checks that carry it
}

func (s *site) attributes(w http.ResponseWriter, r *http.Request) error {
	list, err := s.Hub.Attributes(r.Context())
	if err != nil {
		return err
	}
	var v attributesView
	for _, a := range list {
		v.Rows = append(v.Rows, newAttributeRow(a))
	}
	return s.render(w, r, http.StatusOK, "attributes", view{Title: "Check attributes", Body: v})
}

var attributeTypes = map[string]string{
	"text": "text", "number": "number", "datetime": "date and time", "checkbox": "checkbox (true or false)",
	"singleSelect": "one of a list", "multiSelect": "several of a list",
}

func newAttributeRow(a hub.AttributeSchema) attributeRow {
	row := attributeRow{
		Name: a.Name, Label: a.Label, Type: a.Type, Description: a.Description,
		Href: address{path: "/checks"}.with("attr", a.Name).String(),
	}
	if words, ok := attributeTypes[a.Type]; ok {
		row.Type = words
	}
	for _, v := range a.AllowedValues[:min(len(a.AllowedValues), 100)] {
		raw, err := json.Marshal(v)
		if err == nil {
			row.Allowed = append(row.Allowed, plainValue(raw))
		}
	}
	return row
}
