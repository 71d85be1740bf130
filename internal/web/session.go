package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

const maxForm = 16 << 10 // bytes of a form that is read

type pageFunc func(w http.ResponseWriter, r *http.Request) error

// signedIn guards a page: a visitor is sent to sign in, and back afterwards.
func (s *site) signedIn(page pageFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, ok := s.Auth.Session(r)
		if !ok {
			http.Redirect(w, r, "/sign-in?"+url.Values{"next": {r.URL.RequestURI()}}.Encode(), http.StatusSeeOther)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), userKey{}, user))
		if err := page(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// userKey is where the context of a request has the name of the person who is signed in.
type userKey struct{}

func (s *site) user(r *http.Request) string {
	if user, ok := r.Context().Value(userKey{}).(string); ok {
		return user
	}
	user, _ := s.Auth.Session(r)
	return user
}

type signInView struct {
	Next string
	Name string
	// Problem is what went wrong with the last try.
	Problem string
}

func (s *site) signInForm(w http.ResponseWriter, r *http.Request) {
	next := localPath(r.URL.Query().Get("next"))
	if _, ok := s.Auth.Session(r); ok {
		http.Redirect(w, r, next, http.StatusSeeOther)
		return
	}
	s.showSignIn(w, r, http.StatusOK, signInView{Next: next})
}

func (s *site) showSignIn(w http.ResponseWriter, r *http.Request, status int, v signInView) {
	if err := s.render(w, r, status, "sign-in", view{Title: "Sign in", Body: v}); err != nil {
		s.fail(w, r, err)
	}
}

func (s *site) signIn(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.showSignIn(w, r, http.StatusBadRequest, signInView{Next: "/checks", Problem: "The form could not be read. Please try again."})
		return
	}
	next, name := localPath(r.PostForm.Get("next")), r.PostForm.Get("name")
	err := s.Auth.SignIn(r.Context(), w, name, r.PostForm.Get("password"), r.RemoteAddr)
	if err != nil {
		s.refuse(w, r, err, signInView{Next: next, Name: clip(name, 100), Problem: "The name or the password is not right."})
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

// refuse shows the form again after a failed attempt to sign in, with the problem of v if the attempt was wrong.
func (s *site) refuse(w http.ResponseWriter, r *http.Request, err error, v signInView) {
	var tooMany auth.TooManyAttempts
	switch {
	case errors.As(err, &tooMany):
		wait := max(tooMany.After, time.Second).Round(time.Second)
		w.Header().Set("Retry-After", strconv.Itoa(int(wait/time.Second)))
		v.Problem = "Too many attempts failed. Try again in " + wording.FormatDuration(wait) + "."
		s.showSignIn(w, r, http.StatusTooManyRequests, v)
	case errors.Is(err, auth.ErrUnauthorized):
		s.showSignIn(w, r, http.StatusUnauthorized, v)
	default:
		s.fail(w, r, err)
	}
}

// signInLink uses up a one-time link. Only a person who follows it counts: programs that look at links (HEAD) or browsers
// that load pages ahead would use it up unseen.
func (s *site) signInLink(w http.ResponseWriter, r *http.Request) {
	ahead := r.Header.Get("Sec-Purpose") + r.Header.Get("Purpose") + r.Header.Get("X-Moz")
	if r.Method == http.MethodHead || strings.Contains(ahead, "prefetch") {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	q := r.URL.Query()
	next := localPath(q.Get("next"))
	if err := s.Auth.SignInLink(r.Context(), w, q.Get("token")); err != nil {
		s.refuse(w, r, err, signInView{
			Next: next, Problem: "This link was used already, or is too old. Ask for a new one, or sign in with a password.",
		})
		return
	}
	http.Redirect(w, r, next, http.StatusSeeOther)
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) {
	s.Auth.SignOut(w, r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}

// localPath is next if it leads to a page of this site, else the first page. Browsers read "\" as "/" and drop tabs and
// line ends, so such paths could lead to another host.
func localPath(next string) string {
	const home = "/checks"
	if !strings.HasPrefix(next, "/") || strings.HasPrefix(next, "//") || len(next) > 4000 {
		return home
	}
	if strings.ContainsFunc(next, func(c rune) bool { return c < 0x20 || c == 0x7f || c == '\\' }) {
		return home
	}
	u, err := url.Parse(next)
	if err != nil || u.IsAbs() || u.Host != "" || u.User != nil || strings.HasPrefix(u.Path, "//") || strings.HasPrefix(u.Path, "/sign-") {
		return home
	}
	return next
}
