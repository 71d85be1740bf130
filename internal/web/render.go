package web

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"sync"
	"time"
)

//go:embed templates
var templateFiles embed.FS

// pages are the templates by page name, each with the layout around it. A page is parsed when it is first shown: a Lambda
// function that starts is to show one.
type pages map[string]func() *template.Template

var pageNames = []string{
	"checks", "check", "datasets", "dataset", "scans", "scan", "run", "definitions", "definition", "editor", "contract", "sample", "attributes", "connect", "sign-in", "problem",
}

func parsePages(a *assets) pages {
	funcs := template.FuncMap{
		"asset": a.url, "icon": icon, "outcome": outcomeBadge, "state": stateBadge, "name": isolate, "short": isolateShort,
		"delivery": deliveryBadge, "level": levelBadge,
	}
	all := pages{}
	for _, name := range pageNames {
		all[name] = sync.OnceValue(func() *template.Template {
			return template.Must(template.New("").Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html"))
		})
	}
	return all
}

// view is what the layout needs around a page's own Body.
type view struct {
	Title   string
	Section string // the entry of the navigation that the page belongs to: checks, datasets, scans
	User    string
	Version string
	Sprite  template.HTML
	Body    any
	// Refresh is after how many seconds the page is to show itself again where there are no scripts, 0 for never.
	Refresh int
}

// render answers with a page. It is made in memory first, so that an error in the middle can still become an error page.
func (s *site) render(w http.ResponseWriter, r *http.Request, status int, page string, v view) error {
	v.Version, v.Sprite, v.User = s.Version, sprite, s.user(r)
	var b bytes.Buffer
	if err := s.pages[page]().ExecuteTemplate(&b, "layout", v); err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // the visitor may have left
	return nil
}

// clock is the time of a request: all that a page tells is seen from one moment.
type clock struct{ now time.Time }
