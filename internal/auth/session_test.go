package auth_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/auth"
)

const password = "correct horse"

func (s *system) mustUser(name string) {
	s.t.Helper()
	if err := s.AddUser(s.t.Context(), name, password); err != nil {
		s.t.Fatal(err)
	}
}

func request(cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/checks", nil)
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func wantSession(t *testing.T, a *auth.Auth, cookie *http.Cookie, want string) {
	t.Helper()
	if got, ok := a.Session(request(cookie)); got != want && want != "" || ok != (want != "") {
		t.Errorf("Session = %q, %v, want %q", got, ok, want)
	}
}

func TestUsers(t *testing.T) {
	s := mustStart(t)
	s.mustUser(" Zoë@Example.com")
	s.mustUser("ann")
	if _, err := s.NewSignInLink(t.Context(), "Link-Only"); err != nil {
		t.Fatal(err)
	}
	want := []auth.User{
		{Name: "ann", Created: s.now, HasPassword: true}, {Name: "link-only", Created: s.now}, {Name: "zoë@example.com", Created: s.now, HasPassword: true},
	}
	got, err := s.Users(t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("Users = %v (-want +got):\n%s", err, diff)
	}
	if err := s.AddUser(t.Context(), "ANN", "another password"); !errors.Is(err, auth.ErrUserExists) {
		t.Errorf("AddUser again = %v, want ErrUserExists", err)
	}
	if err := s.AddUser(t.Context(), "link-only", password); err != nil {
		t.Errorf("AddUser for a user without password = %v", err)
	}
	s.mustSignIn("LINK-ONLY ", password)
	for _, bad := range []string{"", "short", strings.Repeat("x", 501)} {
		if err := s.AddUser(t.Context(), "bob", bad); !errors.Is(err, auth.ErrInvalid) || bad != "" && strings.Contains(err.Error(), bad) {
			t.Errorf("AddUser with a password of %d bytes = %v, want ErrInvalid without the password", len(bad), err)
		}
	}
	for what, err := range map[string]error{
		"SetPassword": s.SetPassword(t.Context(), "nobody", password), "RemoveUser": s.RemoveUser(t.Context(), "nobody"),
	} {
		if !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("%s of nobody = %v, want ErrNotFound", what, err)
		}
	}
}

func TestSignIn(t *testing.T) {
	s := mustStart(t)
	s.mustUser("ann")
	if _, err := s.NewSignInLink(t.Context(), "link-only"); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, user, password string
		want                 error
	}{
		{"right", "ann", password, nil},
		{"right, in another case", " ANN ", password, nil},
		{"wrong password", "ann", password + "x", auth.ErrUnauthorized},
		{"password in another case", "ann", strings.ToUpper(password), auth.ErrUnauthorized},
		{"no password", "ann", "", auth.ErrUnauthorized},
		{"long password", "ann", strings.Repeat(password, 1000), auth.ErrUnauthorized},
		{"unknown user", "bob", password, auth.ErrUnauthorized},
		{"user without password", "link-only", "", auth.ErrUnauthorized},
		{"no user", "", "", auth.ErrUnauthorized},
		{"strange user", "a\x00\xff", password, auth.ErrUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			err := s.SignIn(t.Context(), w, tt.user, tt.password, "192.0.2.1")
			if !errors.Is(err, tt.want) {
				t.Errorf("SignIn = %v, want %v", err, tt.want)
			}
			if got := len(w.Result().Cookies()); got != 0 && tt.want != nil {
				t.Errorf("%d cookies for a refused sign-in", got)
			}
		})
	}
	if s.log.Len() > 0 {
		t.Errorf("log: %s", s.log.String())
	}
}

func TestFailedSignInsAreLimited(t *testing.T) {
	s := mustStart(t)
	s.mustUser("ann")
	s.mustUser("bob")
	var wait auth.TooManyAttempts
	for i := range 20 {
		if err := s.SignIn(t.Context(), httptest.NewRecorder(), "ann", "wrong", "192.0.2.1"); errors.As(err, &wait) {
			if i != 10 {
				t.Errorf("limited after %d attempts, want 10", i)
			}
			break
		}
	}
	if err := s.SignIn(t.Context(), httptest.NewRecorder(), "ann", password, "198.51.100.1"); !errors.As(err, &wait) {
		t.Errorf("right password while limited = %v, want TooManyAttempts: or guessing could go on", err)
	}
	s.mustSignIn("bob", password)
	s.now = s.now.Add(wait.After)
	s.mustSignIn("ann", password)
}

func TestCookies(t *testing.T) {
	for _, tt := range []struct {
		name   string
		secure bool
		want   string
	}{{"http", false, "sodalite"}, {"https", true, "__Host-sodalite"}} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStart(t, func(c *auth.Config) { c.Secure = tt.secure })
			s.mustUser("ann")
			c := s.mustSignIn("ann", password)
			if c.Name != tt.want || c.Secure != tt.secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || len(c.Value) != 43 {
				t.Errorf("cookie = %v", c)
			}
			wantSession(t, s.Auth, c, "ann")
		})
	}
}

func TestSessions(t *testing.T) {
	s := mustStart(t)
	s.mustUser("ann")
	cookie := s.mustSignIn("ann", password)
	wantSession(t, s.another(), cookie, "ann")
	for name, c := range map[string]*http.Cookie{
		"none": {Name: "other", Value: "x"}, "empty": {Name: cookie.Name}, "another value": {Name: cookie.Name, Value: cookie.Value + "x"},
		"long": {Name: cookie.Name, Value: strings.Repeat("x", 4000)}, "another name": {Name: "__Host-sodalite", Value: cookie.Value},
	} {
		t.Run(name, func(t *testing.T) { wantSession(t, s.Auth, c, "") })
	}
	w := httptest.NewRecorder()
	s.SignOut(w, request(cookie))
	if c := s.cookieOf(w); c.MaxAge >= 0 || c.Value != "" {
		t.Errorf("SignOut left the cookie %v", c)
	}
	wantSession(t, s.Auth, cookie, "")
	wantSession(t, s.another(), cookie, "")
	s.SignOut(httptest.NewRecorder(), request()) // nobody: nothing happens
}

func TestSessionsSlide(t *testing.T) {
	s := mustStart(t)
	s.mustUser("ann")
	unused, used := s.mustSignIn("ann", password), s.mustSignIn("ann", password)
	start := s.now
	for s.now.Sub(start) < auth.SessionIdle {
		s.now = s.now.Add(5 * 24 * time.Hour)
		wantSession(t, s.Auth, used, "ann")
	}
	wantSession(t, s.Auth, unused, "")
	for s.now.Sub(start)+5*24*time.Hour < auth.SessionMax {
		s.now = s.now.Add(5 * 24 * time.Hour)
		wantSession(t, s.Auth, used, "ann")
	}
	s.now = start.Add(auth.SessionMax)
	wantSession(t, s.Auth, used, "")
	if s.log.Len() > 0 {
		t.Errorf("log: %s", s.log.String())
	}
}

func TestSessionsEndWithThePassword(t *testing.T) {
	for name, end := range map[string]func(*system) error{
		"SetPassword": func(s *system) error { return s.SetPassword(s.t.Context(), "ann", "another password") },
		"RemoveUser":  func(s *system) error { return s.RemoveUser(s.t.Context(), "ann") },
	} {
		t.Run(name, func(t *testing.T) {
			s := mustStart(t)
			s.mustUser("ann")
			cookie := s.mustSignIn("ann", password)
			link, err := s.NewSignInLink(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			if err := end(s); err != nil {
				t.Fatal(err)
			}
			wantSession(t, s.Auth, cookie, "")
			if err := s.SignInLink(t.Context(), httptest.NewRecorder(), link); !errors.Is(err, auth.ErrUnauthorized) {
				t.Errorf("link from before = %v, want ErrUnauthorized", err)
			}
			if err := s.SignIn(t.Context(), httptest.NewRecorder(), "ann", password, ""); !errors.Is(err, auth.ErrUnauthorized) {
				t.Errorf("password from before = %v, want ErrUnauthorized", err)
			}
		})
	}
}

func TestSessionWithoutStorage(t *testing.T) {
	s := mustStart(t)
	s.mustUser("ann")
	cookie := s.mustSignIn("ann", password)
	s.store.fail.Store(true)
	wantSession(t, s.Auth, cookie, "")
	if log := s.log.String(); !strings.Contains(log, errDown.Error()) || strings.Contains(log, cookie.Value) {
		t.Errorf("log = %s, want the storage's error and no cookie", log)
	}
	s.store.fail.Store(false)
	wantSession(t, s.Auth, cookie, "ann")
}

func TestSignInLinks(t *testing.T) {
	s := mustStart(t)
	link, err := s.NewSignInLink(t.Context(), "Ann")
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	if err := s.SignInLink(t.Context(), w, link); err != nil {
		t.Fatal(err)
	}
	wantSession(t, s.Auth, s.cookieOf(w), "ann")
	late, err := s.NewSignInLink(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	s.now = s.now.Add(auth.LinkLife)
	for name, token := range map[string]string{"used": link, "too old": late, "unknown": "x", "empty": "", "session": s.cookieOf(w).Value} {
		w := httptest.NewRecorder()
		if err := s.SignInLink(t.Context(), w, token); !errors.Is(err, auth.ErrUnauthorized) || len(w.Result().Cookies()) > 0 {
			t.Errorf("%s link: SignInLink = %v, want ErrUnauthorized and no cookie", name, err)
		}
	}
}

func TestSignInLinkWorksOnceAmongMany(t *testing.T) {
	s := mustStart(t)
	link, err := s.NewSignInLink(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var signedIn atomic.Int64
	for range 16 {
		wg.Go(func() {
			if s.SignInLink(t.Context(), httptest.NewRecorder(), link) == nil {
				signedIn.Add(1)
			}
		})
	}
	wg.Wait()
	if got := signedIn.Load(); got != 1 {
		t.Errorf("the link signed in %d times, want once", got)
	}
}
