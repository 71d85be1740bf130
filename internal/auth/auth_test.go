package auth_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/table"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
)

// counted counts reads and can fail them.
type counted struct {
	table.Table
	reads atomic.Int64
	fail  atomic.Bool
}

var errDown = errors.New("storage is down")

func (c *counted) Get(ctx context.Context, k table.Key) (table.Item, error) {
	c.reads.Add(1)
	if c.fail.Load() {
		return table.Item{}, errDown
	}
	return c.Table.Get(ctx, k)
}

// system is an Auth over a fresh store, with a clock that stands still until it is moved.
type system struct {
	*auth.Auth
	t     *testing.T
	store *counted
	now   time.Time
	log   bytes.Buffer
}

func mustStart(t *testing.T, edit ...func(*auth.Config)) *system {
	t.Helper()
	s := &system{t: t, now: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)}
	store, err := sqlite.Open(filepath.Join(t.TempDir(), "test.db"), s.clock)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	s.store = &counted{Table: store}
	s.Auth = s.another(edit...)
	return s
}

// another is a second process on the same store.
func (s *system) another(edit ...func(*auth.Config)) *auth.Auth {
	c := auth.Config{Table: s.store, Now: s.clock, Log: slog.New(slog.NewTextHandler(&s.log, nil))}
	for _, e := range edit {
		e(&c)
	}
	return auth.New(c)
}

func (s *system) clock() time.Time { return s.now }

func (s *system) mustKey(name string) (auth.Key, string) {
	s.t.Helper()
	key, secret, err := s.CreateKey(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	return key, secret
}

func (s *system) mustLogin(id, secret string) string {
	s.t.Helper()
	token, err := s.Login(s.t.Context(), id, secret, "192.0.2.1")
	if err != nil {
		s.t.Fatal(err)
	}
	return token
}

func TestKeys(t *testing.T) {
	s := mustStart(t)
	first, secret := s.mustKey(" nightly scans ")
	s.now = s.now.Add(time.Second)
	second, _ := s.mustKey("日本")
	if !regexp.MustCompile(`^key_[a-z0-9]{26}$`).MatchString(first.ID) || first.ID == second.ID {
		t.Errorf("ids %q, %q, want two with letters", first.ID, second.ID)
	}
	if !regexp.MustCompile(`^sodalite_[A-Za-z0-9_-]{43}$`).MatchString(secret) {
		t.Errorf("the secret has %d characters, want the prefix and 256 bits as base64url", len(secret))
	}
	keys, err := s.Keys(t.Context())
	if diff := cmp.Diff([]auth.Key{first, second}, keys); err != nil || diff != "" {
		t.Errorf("Keys = %v (-want +got):\n%s", err, diff)
	}
	if first.Name != "nightly scans" {
		t.Errorf("name = %q, want it trimmed", first.Name)
	}
	if err := s.RevokeKey(t.Context(), first.ID); err != nil {
		t.Fatal(err)
	}
	keys, err = s.Keys(t.Context())
	if diff := cmp.Diff([]auth.Key{second}, keys); err != nil || diff != "" {
		t.Errorf("Keys after revoking = %v (-want +got):\n%s", err, diff)
	}
	for _, id := range []string{first.ID, "key_unknown", "", "#", strings.Repeat("x", 5000), "\xff"} {
		if err := s.RevokeKey(t.Context(), id); !errors.Is(err, auth.ErrNotFound) {
			t.Errorf("RevokeKey(%.20q) = %v, want ErrNotFound", id, err)
		}
	}
}

func TestNames(t *testing.T) {
	for _, tt := range []struct{ name, text string }{
		{"empty", ""}, {"blank", " \t"}, {"too long", strings.Repeat("é", 101)}, {"control characters", "a\x00b"},
		{"line end", "a\nb"}, {"not UTF-8", "a\xffb"}, {"invisible turn of writing", "a\u202eb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStart(t)
			if _, _, err := s.CreateKey(t.Context(), tt.text); !errors.Is(err, auth.ErrInvalid) {
				t.Errorf("CreateKey(%q) = %v, want ErrInvalid", tt.text, err)
			}
			if err := s.AddUser(t.Context(), tt.text, "long enough"); !errors.Is(err, auth.ErrInvalid) {
				t.Errorf("AddUser(%q) = %v, want ErrInvalid", tt.text, err)
			}
			if _, err := s.NewSignInLink(t.Context(), tt.text); !errors.Is(err, auth.ErrInvalid) {
				t.Errorf("NewSignInLink(%q) = %v, want ErrInvalid", tt.text, err)
			}
		})
	}
}

func TestLogin(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	other, otherSecret := s.mustKey("other")
	for _, tt := range []struct {
		name, id, secret string
		want             error
	}{
		{"right", key.ID, secret, nil},
		{"wrong secret", key.ID, secret + "x", auth.ErrUnauthorized},
		{"secret of another key", key.ID, otherSecret, auth.ErrUnauthorized},
		{"id of another key", other.ID, secret, auth.ErrUnauthorized},
		{"secret cut", key.ID, secret[:len(secret)-1], auth.ErrUnauthorized},
		{"no secret", key.ID, "", auth.ErrUnauthorized},
		{"hash as secret", key.ID, s.stored(key.ID), auth.ErrUnauthorized},
		{"unknown id", "key_aaaaaaaaaaaaaaaaaaaaaaaaaa", secret, auth.ErrUnauthorized},
		{"unknown id without secret", "key_aaaaaaaaaaaaaaaaaaaaaaaaaa", "", auth.ErrUnauthorized},
		{"nothing", "", "", auth.ErrUnauthorized},
		{"id of digits", "12345", secret, auth.ErrUnauthorized},
		{"long", strings.Repeat("k", 1<<20), strings.Repeat("s", 1<<20), auth.ErrUnauthorized},
		{"secret with much after it", key.ID, secret + strings.Repeat("s", 1<<20), auth.ErrUnauthorized},
		{"not UTF-8", "\xff\xfe", "\xff", auth.ErrUnauthorized},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.now = s.now.Add(time.Hour) // failures of the rows before are forgiven
			token, err := s.Login(t.Context(), tt.id, tt.secret, "192.0.2.1")
			if !errors.Is(err, tt.want) || (token == "") != (tt.want != nil) {
				t.Errorf("Login = %q, %v, want %v", token, err, tt.want)
			}
			p, err := s.Basic(t.Context(), tt.id, tt.secret, "192.0.2.1")
			if !errors.Is(err, tt.want) || tt.want == nil && p != (auth.Principal{KeyID: key.ID, Name: "scanner"}) {
				t.Errorf("Basic = %v, %v, want %v", p, err, tt.want)
			}
			if err != nil && (len(err.Error()) > 200 || tt.secret != "" && strings.Contains(err.Error(), tt.secret)) {
				t.Errorf("error shows the secret: %.300v", err)
			}
		})
	}
}

// stored is the body of a key's item.
func (s *system) stored(id string) string {
	item, err := s.store.Table.Get(s.t.Context(), table.Key{PK: "KEY#" + id, SK: "DOC"})
	if err != nil {
		s.t.Fatal(err)
	}
	return string(item.Body)
}

func TestTokens(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	token := s.mustLogin(key.ID, secret)
	if !regexp.MustCompile(`^[A-Za-z0-9_.-]{1,300}$`).MatchString(token) {
		t.Errorf("token %q cannot go into a header", token)
	}
	if token == s.mustLogin(key.ID, secret) {
		t.Error("two logins gave the same token")
	}
	accept := func(what string, want error) {
		t.Helper()
		if _, err := s.Authorize(t.Context(), token); !errors.Is(err, want) {
			t.Errorf("%s: Authorize = %v, want %v", what, err, want)
		}
	}
	accept("at once", nil)
	if _, err := s.another().Authorize(t.Context(), token); err != nil {
		t.Errorf("another process: Authorize = %v", err)
	}
	s.now = s.now.Add(auth.TokenLife - time.Second)
	accept("at the end of its life", nil)
	s.now = s.now.Add(time.Second)
	accept("after its life", auth.ErrUnauthorized)
}

func TestTokensOfOthers(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	token := s.mustLogin(key.ID, secret)
	parts := strings.Split(token, ".")
	changed := func(i int, to string) string {
		p := append([]string(nil), parts...)
		p[i] = to
		return strings.Join(p, ".")
	}
	configured := s.another(func(c *auth.Config) {
		c.SigningSecret = func(context.Context) (string, error) { return "another secret, which has 32 characters", nil }
	})
	foreign, err := configured.Login(t.Context(), key.ID, secret, "")
	if err != nil {
		t.Fatal(err)
	}
	for name, bad := range map[string]string{
		"empty": "", "dots": "....", "no signature": strings.Join(parts[:4], "."), "empty signature": changed(4, ""),
		"later expiry": changed(2, "99999999999"), "another key": changed(1, "key_other"), "another version": changed(0, "s2"),
		"another nonce": changed(3, "X"), "space before": " " + token, "space after": token + " ", "bearer": "Bearer " + token,
		"padding": token + "=", "other case": strings.ToUpper(token), "signed with another secret": foreign,
		"long": strings.Repeat("s1.", 1<<20) + token, "zero bytes": token + "\x00",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := s.Authorize(t.Context(), bad); !errors.Is(err, auth.ErrUnauthorized) {
				t.Errorf("Authorize(%.80q) = %v, want ErrUnauthorized", bad, err)
			}
		})
	}
	if _, err := configured.Authorize(t.Context(), foreign); err != nil {
		t.Errorf("configured secret: Authorize of its own = %v", err)
	}
}

func TestRevokedKeysEndTokens(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	token := s.mustLogin(key.ID, secret)
	other := s.another()
	if _, err := other.Authorize(t.Context(), token); err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeKey(t.Context(), key.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Authorize(t.Context(), token); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("same process: Authorize = %v, want ErrUnauthorized at once", err)
	}
	s.now = s.now.Add(auth.KeyCache)
	if _, err := other.Authorize(t.Context(), token); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("other process: Authorize = %v, want ErrUnauthorized after %s", err, auth.KeyCache)
	}
	if _, err := other.Login(t.Context(), key.ID, secret, ""); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("other process: Login = %v, want ErrUnauthorized", err)
	}
}

func TestVerifyingReadsOnceAMinute(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	token := s.mustLogin(key.ID, secret)
	s.store.reads.Store(0)
	for range 100 {
		if _, err := s.Authorize(t.Context(), token); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Basic(t.Context(), key.ID, secret, ""); err != nil {
			t.Fatal(err)
		}
		s.now = s.now.Add(time.Second)
	}
	if got := s.store.reads.Load(); got > 2 {
		t.Errorf("%d reads for 200 requests in 100 s, want 2 at most", got)
	}
}

func TestStorageTroubleIsNotARefusal(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	if err := s.AddUser(t.Context(), "ann", "correct horse"); err != nil {
		t.Fatal(err)
	}
	s.store.fail.Store(true)
	for name, try := range map[string]func() error{
		"Login":      func() error { _, err := s.Login(t.Context(), key.ID, secret, ""); return err },
		"Basic":      func() error { _, err := s.Basic(t.Context(), key.ID, secret, ""); return err },
		"Authorize":  func() error { _, err := s.Authorize(t.Context(), "s1.x"); return err },
		"SignIn":     func() error { return s.SignIn(t.Context(), httptest.NewRecorder(), "ann", "correct horse", "") },
		"SignInLink": func() error { return s.SignInLink(t.Context(), httptest.NewRecorder(), "x") },
	} {
		if err := try(); !errors.Is(err, errDown) || errors.Is(err, auth.ErrUnauthorized) {
			t.Errorf("%s = %v, want the storage's error", name, err)
		}
	}
	s.store.fail.Store(false)
	if _, err := s.Login(t.Context(), key.ID, secret, ""); err != nil {
		t.Errorf("Login after the trouble = %v", err)
	}
}

func TestFailedLoginsAreLimited(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	var wait auth.TooManyAttempts
	for i := range 11 {
		_, err := s.Login(t.Context(), key.ID, "wrong", fmt.Sprintf("192.0.2.%d", i))
		if limited := errors.As(err, &wait); limited != (i == 10) || !limited && !errors.Is(err, auth.ErrUnauthorized) {
			t.Fatalf("wrong login %d = %v, want the limit after 10", i+1, err)
		}
	}
	if wait.After <= 0 || wait.After > 10*time.Second {
		t.Errorf("After = %s, want some seconds", wait.After)
	}
	if _, err := s.Login(t.Context(), key.ID, secret, "192.0.2.99"); err != nil {
		t.Errorf("right login while limited = %v: a scanner would lose its scan", err)
	}
	s.now = s.now.Add(wait.After)
	if _, err := s.Login(t.Context(), key.ID, "wrong", "192.0.2.99"); !errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("wrong login after waiting = %v, want ErrUnauthorized", err)
	}
}

func TestFailedLoginsAreLimitedByAddress(t *testing.T) {
	for _, tt := range []struct{ name, address string }{
		{"IPv4", "192.0.2.1"}, {"IPv6 within one network", "2001:db8::%d"}, {"unknown", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := mustStart(t)
			for i := range 200 {
				address := tt.address
				if strings.Contains(address, "%") {
					address = fmt.Sprintf(address, i)
				}
				_, err := s.Login(t.Context(), fmt.Sprintf("key_%d", i), "wrong", address)
				if errors.As(err, new(auth.TooManyAttempts)) {
					return
				}
			}
			t.Error("200 wrong logins with different ids were not limited")
		})
	}
}

func TestGoodLoginsAreNotLimited(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	for range 500 {
		s.mustLogin(key.ID, secret)
	}
}

// TestManyStrangers walks far over the bounds of caches and buckets: what is known stays right.
func TestManyStrangers(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	token := s.mustLogin(key.ID, secret)
	for i := range 10_000 {
		_, _ = s.Login(t.Context(), fmt.Sprintf("key_%d", i), "x", fmt.Sprintf("10.0.%d.%d", i/250, i%250))
	}
	if _, err := s.Authorize(t.Context(), token); err != nil {
		t.Errorf("Authorize = %v", err)
	}
}

func TestSigningSecretIsMadeOnce(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	tokens := make([]string, 8)
	processes := make([]*auth.Auth, len(tokens))
	var wg sync.WaitGroup
	for i := range tokens {
		processes[i] = s.another()
		wg.Go(func() {
			var err error
			if tokens[i], err = processes[i].Login(t.Context(), key.ID, secret, ""); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for i, token := range tokens {
		if _, err := processes[(i+1)%len(tokens)].Authorize(t.Context(), token); err != nil {
			t.Errorf("token of process %d at the next one = %v", i, err)
		}
	}
}

// TestSigningSecretIsReadAgainAfterAnError: a secret that could not be read fails that request, not the process.
func TestSigningSecretIsReadAgainAfterAnError(t *testing.T) {
	s := mustStart(t)
	key, secret := s.mustKey("scanner")
	reads := 0
	configured := s.another(func(c *auth.Config) {
		c.SigningSecret = func(context.Context) (string, error) {
			if reads++; reads == 1 {
				return "", errors.New("access denied")
			}
			return "a secret of the operator's own", nil
		}
	})
	if _, err := configured.Login(t.Context(), key.ID, secret, ""); err == nil || errors.Is(err, auth.ErrUnauthorized) {
		t.Errorf("without the secret: %v", err)
	}
	for range 2 {
		token, err := configured.Login(t.Context(), key.ID, secret, "")
		if err == nil {
			_, err = configured.Authorize(t.Context(), token)
		}
		if err != nil {
			t.Errorf("with the secret: %v", err)
		}
	}
	if reads != 2 {
		t.Errorf("the secret was read %d times, want 2", reads)
	}
}

// TestNothingSecretIsStored looks through everything that was written.
func TestNothingSecretIsStored(t *testing.T) {
	s := mustStart(t)
	_, secret := s.mustKey("scanner")
	if err := s.AddUser(t.Context(), "ann", "correct horse"); err != nil {
		t.Fatal(err)
	}
	link, err := s.NewSignInLink(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	cookie := s.mustSignIn("ann", "correct horse")
	items := map[string]table.Item{}
	for _, index := range []string{"KEYS", "USERS"} {
		page, err := s.store.QueryIndex(t.Context(), table.Range{PK: index})
		if err != nil || len(page.Items) != 1 {
			t.Fatalf("%s = %d items, %v", index, len(page.Items), err)
		}
		items[index] = page.Items[0]
		if items[index+" whole"], err = s.store.Get(t.Context(), page.Items[0].Key); err != nil {
			t.Fatal(err)
		}
	}
	for name, item := range items {
		all, _ := json.Marshal(item)
		text := string(all) + string(item.Head) + string(item.Body)
		for _, leak := range []string{secret, strings.TrimPrefix(secret, "sodalite_"), "correct horse", link, cookie.Value} {
			if strings.Contains(text, leak) {
				t.Errorf("%s has a secret in clear", name)
			}
		}
	}
	for _, prefix := range []string{"SESSION#", "LINK#"} {
		for _, token := range []string{link, cookie.Value} {
			if _, err := s.store.Get(t.Context(), table.Key{PK: prefix + token, SK: "DOC"}); !errors.Is(err, table.ErrNotFound) {
				t.Errorf("a token in clear is a key of the table: %v", err)
			}
		}
	}
}

// mustSignIn gives the cookie of a new session.
func (s *system) mustSignIn(name, password string) *http.Cookie {
	s.t.Helper()
	w := httptest.NewRecorder()
	if err := s.SignIn(s.t.Context(), w, name, password, "192.0.2.1"); err != nil {
		s.t.Fatal(err)
	}
	return s.cookieOf(w)
}

func (s *system) cookieOf(w *httptest.ResponseRecorder) *http.Cookie {
	s.t.Helper()
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		s.t.Fatalf("%d cookies, want 1", len(cookies))
	}
	return cookies[0]
}
