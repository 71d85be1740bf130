// Package doctor looks at a deployment and says, a line for each thing, whether it is right, and if not, how to put it right.
//
// It owns what is looked at. What the things are made of is left to others: AWS is described by [Cloud], which the command
// line fills from the SDK.
package doctor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
)

// State is how a thing is.
type State string

// The states.
const (
	OK      State = "ok"
	Warning State = "warning" // works, but look at it
	Wrong   State = "wrong"
	Skipped State = "skipped" // not there to be looked at
)

// Finding is one line.
type Finding struct {
	Check string `json:"check"`
	State State  `json:"state"`
	Says  string `json:"says"`
	Fix   string `json:"fix,omitempty"`
}

// Check looks at one thing. Its Finding needs no name.
type Check struct {
	Name string
	Run  func(context.Context) Finding
}

// Fine is a finding with nothing to do.
func Fine(format string, a ...any) Finding {
	return Finding{State: OK, Says: fmt.Sprintf(format, a...)}
}

// Bad is a finding with something to do.
func Bad(s State, fix, format string, a ...any) Finding {
	return Finding{State: s, Says: fmt.Sprintf(format, a...), Fix: fix}
}

// Unset is a thing that is not there to be looked at.
func Unset(why string) Finding { return Finding{State: Skipped, Says: why} }

// Failed is a thing that could not be looked at.
func Failed(err error) Finding {
	return Bad(Wrong, "the message says what is missing; run it again when that is mended", "%v", err)
}

// limit is how long one check may take.
const limit = 15 * time.Second

// Run makes all checks side by side and gives the findings in their order.
func Run(ctx context.Context, checks []Check) []Finding {
	found := make([]Finding, len(checks))
	var all sync.WaitGroup
	for i, c := range checks {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			found[i] = c.Run(ctx)
			found[i].Check = c.Name
		})
	}
	all.Wait()
	return found
}

// Healthy tells whether nothing is wrong.
func Healthy(found []Finding) bool {
	for _, f := range found {
		if f.State == Wrong {
			return false
		}
	}
	return true
}

// System is what the checks of every deployment need.
type System struct {
	Hub       *hub.Hub
	Auth      *auth.Auth
	PublicURL string
	// KeyID and Secret are an API key to try; "" for none.
	KeyID, Secret string
	Now           func() time.Time
}

// Common are the checks of every deployment.
func Common(s System) []Check {
	return []Check{
		{"storage", s.storage}, {"people", s.people}, {"API keys", s.keys}, {"newest scan", s.newestScan},
		{"public address", s.address}, {"API key of the environment", s.ownKey},
	}
}

func (s System) storage(ctx context.Context) Finding {
	begin := s.Now()
	if _, err := s.Hub.Attributes(ctx); err != nil {
		return Failed(err)
	}
	return Fine("answers in %s", s.Now().Sub(begin).Round(100*time.Microsecond))
}

func (s System) people(ctx context.Context) Finding {
	users, err := s.Auth.Users(ctx)
	switch {
	case err != nil:
		return Failed(err)
	case len(users) == 0:
		return Bad(Warning, "sodalite users add you@example.com", "nobody can sign in")
	}
	return Fine("%d may sign in", len(users))
}

func (s System) keys(ctx context.Context) Finding {
	keys, err := s.Auth.Keys(ctx)
	switch {
	case err != nil:
		return Failed(err)
	case len(keys) == 0:
		return Bad(Warning, "sodalite keys create --name scanner", "no scanner can push")
	}
	return Fine("%d", len(keys))
}

// lagging is how long a scan may wait to be digested before somebody should look.
const lagging = 5 * time.Minute

func (s System) newestScan(ctx context.Context) Finding {
	page, err := s.Hub.Scans(ctx, hub.ScanFilter{Size: 1})
	if err != nil {
		return Failed(err)
	}
	if len(page.Rows) == 0 {
		return Bad(Warning, "push one: docs/connect.md", "no scan arrived yet")
	}
	scan := page.Rows[0]
	age := s.Now().Sub(scan.Received).Round(time.Second)
	digested, err := s.Hub.Digested(ctx, scan.Definition, dq.NewOrder(scan.DataTime, scan.Ended, scan.Received, scan.ID))
	switch {
	case err != nil:
		return Failed(err)
	case !digested && age > lagging:
		return Bad(Wrong, "see the log of function digest, then: sodalite replay --scan "+scan.ID, "arrived %s ago and is not shown yet", age)
	case !digested:
		return Bad(Warning, "look again in a minute", "arrived %s ago and is not shown yet", age)
	}
	return Fine("arrived %s ago and is shown", age)
}

func (s System) address(ctx context.Context) Finding {
	if s.PublicURL == "" {
		return Unset("SODALITE_PUBLIC_URL is not set")
	}
	resp, err := get(ctx, s.PublicURL+"/healthz", "", "")
	if err != nil {
		return Bad(Wrong, "check SODALITE_PUBLIC_URL, and that the system runs", "%v", err)
	}
	if resp.StatusCode != http.StatusOK {
		return Bad(Wrong, "see the log of function dashboard, or of serve", "%s answers %s", s.PublicURL, resp.Status)
	}
	return Fine("%s answers", s.PublicURL)
}

func (s System) ownKey(ctx context.Context) Finding {
	if s.KeyID == "" || s.PublicURL == "" {
		return Unset("SODALITE_API_KEY_ID, SODALITE_API_KEY_SECRET or the public address is not set")
	}
	resp, err := get(ctx, s.PublicURL+"/api/v1/test-login", s.KeyID, s.Secret)
	switch {
	case err != nil:
		return Failed(err)
	case resp.StatusCode == http.StatusUnauthorized:
		return Bad(Wrong, "make a new one: sodalite keys create --name scanner", "key %s is not accepted", s.KeyID)
	case resp.StatusCode != http.StatusOK:
		return Bad(Wrong, "see the log of function dashboard, or of serve", "the API answers %s", resp.Status)
	}
	return Fine("key %s is accepted", s.KeyID)
}

// get makes a request and drops the body. Its errors have no query and no user.
func get(ctx context.Context, address, user, password string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	if user != "" {
		req.SetBasicAuth(user, password)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	return resp, resp.Body.Close()
}

// Reachable checks the address of a destination without sending anything: its name, its port, and for https its certificate.
func Reachable(ctx context.Context, address string) Finding {
	u, err := url.Parse(address)
	if err != nil || u.Hostname() == "" {
		return Bad(Wrong, "see docs/settings.md", "the address cannot be read") // nor printed: it is a secret
	}
	port := u.Port()
	if port == "" {
		port = u.Scheme
	}
	fix := "check the address, and that this machine may go there"
	if u.Scheme == "http" {
		c, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
		if err != nil {
			return Bad(Wrong, fix, "%s: %v", u.Hostname(), err)
		}
		c.Close()
		return Fine("%s listens; nothing was sent", u.Hostname())
	}
	if err := handshake(ctx, u.Hostname(), port); err != nil {
		return Bad(Wrong, fix, "%s: %v", u.Hostname(), err)
	}
	return Fine("%s listens, its certificate is good; nothing was sent", u.Hostname())
}
