// Package web serves the pages: the Checks and Datasets dashboards, scans with their logs, samples, and signing in.
//
// It owns what people see and the addresses of pages, which are stable: every filter, order and page number is in the
// query, and ids, never names, are in paths. What the pages show comes from [Hub], who may see them from [Auth], words
// for values and times from package wording. Pages are made on the server and need no script. The public API (/api/)
// and health (/healthz) are left to others.
package web

import (
	"context"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/klauspost/compress/gzhttp"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
)

// Hub is where the pages read. Unknown and expired ids are errors that match [hub.ErrNotFound].
type Hub interface {
	Checks(ctx context.Context, f hub.CheckFilter) (hub.CheckPage, error)
	Check(ctx context.Context, id string) (hub.Check, error)
	// History is newest first; zero times are open ends, more tells of older results left out.
	History(ctx context.Context, checkID string, from, to time.Time, limit int) (points []hub.Point, more bool, err error)
	Datasets(ctx context.Context, f hub.DatasetFilter) (hub.DatasetPage, error)
	Dataset(ctx context.Context, id string) (hub.DatasetDetail, error)
	DatasetScans(ctx context.Context, datasetID string, limit int) ([]hub.ScanHead, error)
	Scans(ctx context.Context, f hub.ScanFilter) (hub.ScanPage, error)
	Scan(ctx context.Context, id string) (dq.Scan, error)
	Sample(ctx context.Context, id string) (hub.Sample, error)
	// Kin finds what may be the same dataset under another name.
	Kin(ctx context.Context, d dq.DatasetRef) (hub.Kin, error)
	// ContractVersions are newest first; none is no error.
	ContractVersions(ctx context.Context, datasetID string, limit int) ([]hub.ContractVersion, error)
	ContractText(ctx context.Context, file string) (string, error)
	Attributes(ctx context.Context) ([]hub.AttributeSchema, error)
}

// Auth knows who is at the other end. It owns the session cookie.
type Auth interface {
	// Session names the person that a request comes from; ok is false for a visitor.
	Session(r *http.Request) (user string, ok bool)
	// SignIn and SignInLink set the cookie, or return an error and set nothing: one that matches [auth.ErrUnauthorized] or
	// is an [auth.TooManyAttempts] is for the visitor, others are for the operator. A link's token works once; remote is
	// the visitor's network address.
	SignIn(ctx context.Context, w http.ResponseWriter, name, password, remote string) error
	SignInLink(ctx context.Context, w http.ResponseWriter, token string) error
	SignOut(w http.ResponseWriter, r *http.Request)
}

// Config is what the pages need. Hub, Runs and Auth are required.
type Config struct {
	Hub  Hub
	Runs Runs
	Auth Auth
	// Deliveries lists the messages of a scan; nil if there is no notification.
	Deliveries func(ctx context.Context, scanID string) ([]notify.Delivery, error)
	// PublicURL is the address that scanners reach this system at, for the snippet to paste; "" for that of the request.
	PublicURL string
	// Version stands at the foot of each page.
	Version string
	// Now is the clock; nil for the wall clock.
	Now func() time.Time
	// Log gets one line for each page that failed; nil for the default logger.
	Log *slog.Logger
}

type site struct {
	Config
	pages  pages
	assets *assets
}

// New makes the handler of all pages. Paths that are no page get the not-found page, so it can be mounted at "/".
func New(c Config) http.Handler {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	c.PublicURL = strings.TrimRight(c.PublicURL, "/")
	files := loadAssets()
	s := &site{Config: c, assets: files, pages: parsePages(files)}
	return secure(gzhttp.GzipHandler(s.sameOrigin(s.routes())))
}

func (s *site) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.Handle("GET /checks", s.signedIn(s.checks))
	mux.Handle("GET /checks/{id}", s.signedIn(s.check))
	mux.Handle("GET /datasets", s.signedIn(s.datasets))
	mux.Handle("GET /datasets/{id}", s.signedIn(s.dataset))
	mux.Handle("GET /scans", s.signedIn(s.scans))
	mux.Handle("GET /scans/{id}", s.signedIn(s.scan))
	mux.Handle("POST /scans/{id}/cancel", s.signedIn(s.cancelRun))
	mux.Handle("GET /definitions", s.signedIn(s.definitions))
	mux.Handle("POST /definitions", s.signedIn(s.createDefinition))
	mux.Handle("GET /definitions/new", s.signedIn(s.newDefinition))
	mux.Handle("GET /definitions/{id}", s.signedIn(s.definition))
	mux.Handle("POST /definitions/{id}", s.signedIn(s.saveDefinition))
	mux.Handle("POST /definitions/{id}/run", s.signedIn(s.runDefinition))
	mux.Handle("POST /definitions/{id}/delete", s.signedIn(s.deleteDefinition))
	mux.Handle("GET /contracts/{id}", s.signedIn(s.contractFile))
	mux.Handle("GET /samples/{id}", s.signedIn(s.sample))
	mux.Handle("GET /organization/attributes", s.signedIn(s.attributes))
	mux.Handle("GET /connect", s.signedIn(s.connect))
	mux.HandleFunc("GET /sign-in", s.signInForm)
	mux.HandleFunc("POST /sign-in", s.signIn)
	mux.HandleFunc("GET /sign-in/link", s.signInLink)
	mux.HandleFunc("POST /sign-out", s.signOut)
	mux.Handle("GET /assets/{name}", s.assets)
	mux.HandleFunc("/", s.notFound)
	return mux
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/checks", http.StatusSeeOther)
}
