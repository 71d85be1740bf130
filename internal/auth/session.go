package auth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// A session is a random cookie of which the table has the hash. It lasts as long as it is used, within a limit.
const (
	SessionIdle = 14 * 24 * time.Hour // without use
	SessionMax  = 90 * 24 * time.Hour // in all
	LinkLife    = 15 * time.Minute

	// extendEvery saves writes: a session's expiry is moved once in so long.
	extendEvery = 24 * time.Hour

	sessionPrefix = "SESSION#"
	linkPrefix    = "LINK#"
	entitySession = "session"
	entityLink    = "link"
	cookieName    = "sodalite"
)

// session is what the table knows of a session or a link.
type session struct {
	User       string    `json:"user"`
	Generation string    `json:"generation"`
	Started    time.Time `json:"started"`
	expires    time.Time
	version    int64
}

// NewSignInLink makes a token that signs the user in once within [LinkLife]; a user not known yet is made, without a
// password. ErrInvalid for a name that cannot be used. The address to follow is /sign-in/link?token=….
func (a *Auth) NewSignInLink(ctx context.Context, user string) (token string, err error) {
	name, err := userName(user)
	if err != nil {
		return "", err
	}
	u, err := a.readUser(ctx, name)
	if errors.Is(err, ErrNotFound) {
		if err = a.writeUser(ctx, userRecord{User: User{Name: name}}); err == nil || errors.Is(err, table.ErrCondition) {
			u, err = a.readUser(ctx, name)
		}
	}
	if err != nil {
		return "", err
	}
	token = newSecret()
	now := a.now()
	s := session{User: u.Name, Generation: u.Generation, Started: now, expires: now.Add(LinkLife)}
	return token, a.writeSession(ctx, linkPrefix, entityLink, token, s)
}

// SignIn sets a session's cookie for a name and password. remote is the sender's address. Errors: [ErrUnauthorized] for a
// wrong pair, [TooManyAttempts] while too many failed (then the right pair is refused too), or the table's.
func (a *Auth) SignIn(ctx context.Context, w http.ResponseWriter, name, password, remote string) error {
	name, err := userName(name)
	if err != nil || len(password) > maxPassword {
		return a.userTries.failed("", remote, a.now())
	}
	if wait := a.userTries.wait(name, remote, a.now()); wait > 0 {
		return TooManyAttempts{After: wait}
	}
	u, err := a.readUser(ctx, name)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	same, err := a.samePassword(ctx, password, u.hash) // also for users that do not exist, to take as long
	if err != nil {
		return err
	}
	if !same {
		return a.userTries.failed(name, remote, a.now())
	}
	return a.startSession(ctx, w, u)
}

// SignInLink uses up a token of [Auth.NewSignInLink] and sets a session's cookie. [ErrUnauthorized] for a token that is
// unknown, too old, or used before, also if somebody else uses it at this moment.
func (a *Auth) SignInLink(ctx context.Context, w http.ResponseWriter, token string) error {
	link, found, err := a.readSession(ctx, linkPrefix, token)
	if err != nil {
		return err
	}
	if !found {
		return ErrUnauthorized
	}
	key := sessionItem(linkPrefix, token)
	err = a.table.Write(ctx, table.Delete(key, table.IfVersion(link.version)))
	if errors.Is(err, table.ErrCondition) || errors.Is(err, table.ErrConflict) {
		return ErrUnauthorized
	}
	if err != nil {
		return fmt.Errorf("use up link: %w", err)
	}
	u, err := a.readUser(ctx, link.User)
	if errors.Is(err, ErrNotFound) || err == nil && u.Generation != link.Generation {
		return ErrUnauthorized
	}
	if err != nil {
		return err
	}
	return a.startSession(ctx, w, u)
}

func (a *Auth) startSession(ctx context.Context, w http.ResponseWriter, u userRecord) error {
	token, now := newSecret(), a.now()
	s := session{User: u.Name, Generation: u.Generation, Started: now, expires: now.Add(SessionIdle)}
	if err := a.writeSession(ctx, sessionPrefix, entitySession, token, s); err != nil {
		return err
	}
	http.SetCookie(w, a.cookie(token, SessionMax))
	return nil
}

// Session names the user whose browser sent the request; ok is false for a visitor. Trouble with the table makes everybody
// a visitor, and is logged.
func (a *Auth) Session(r *http.Request) (user string, ok bool) {
	cookie, err := r.Cookie(a.cookieName())
	if err != nil {
		return "", false
	}
	s, ok, err := a.session(r.Context(), cookie.Value)
	if err != nil {
		a.log.ErrorContext(r.Context(), "session not read", "error", err)
	}
	return s.User, ok && err == nil
}

// session finds a good session and extends it.
func (a *Auth) session(ctx context.Context, token string) (session, bool, error) {
	name, now := fingerprint(token), a.now()
	r, ok := a.sessions.get(name, now)
	if !ok {
		s, found, err := a.readSession(ctx, sessionPrefix, token)
		if err != nil {
			return session{}, false, err
		}
		if found {
			s = a.extend(ctx, token, s)
		}
		r.value, r.found = s, found
		a.sessions.put(name, s, found, now)
	}
	if !r.found || !now.Before(r.value.expires) {
		return session{}, false, nil
	}
	u, found, err := a.user(ctx, r.value.User)
	return r.value, found && u.Generation == r.value.Generation, err
}

// extend moves a session's expiry if it is time for that. If that fails, the next request tries again.
func (a *Auth) extend(ctx context.Context, token string, s session) session {
	expires := a.now().Add(SessionIdle)
	if last := s.Started.Add(SessionMax); expires.After(last) {
		expires = last
	}
	if expires.Sub(s.expires) < extendEvery {
		return s
	}
	longer := s
	longer.expires = expires
	err := a.writeSession(ctx, sessionPrefix, entitySession, token, longer)
	switch {
	case err == nil:
		longer.version++
		return longer
	case !errors.Is(err, table.ErrCondition): // or else another request was faster, or signed out
		a.log.WarnContext(ctx, "session not extended", "error", err)
	}
	return s
}

// SignOut ends the request's session and takes its cookie away. Other processes may know it for [SessionCache].
func (a *Auth) SignOut(w http.ResponseWriter, r *http.Request) {
	http.SetCookie(w, a.cookie("", 0))
	cookie, err := r.Cookie(a.cookieName())
	if err != nil {
		return
	}
	if err := a.table.Write(r.Context(), table.Delete(sessionItem(sessionPrefix, cookie.Value), table.Always())); err != nil {
		a.log.ErrorContext(r.Context(), "session not ended", "error", err)
	}
	a.sessions.forget(fingerprint(cookie.Value))
}

// cookieName has the prefix that makes browsers insist on https, this host and no domain.
func (a *Auth) cookieName() string {
	if a.secure {
		return "__Host-" + cookieName
	}
	return cookieName
}

// cookie carries a token for so long; 0 takes the cookie away.
func (a *Auth) cookie(token string, life time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: a.cookieName(), Value: token, Path: "/", MaxAge: int(life / time.Second),
		HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: a.secure,
	}
	if life == 0 {
		c.MaxAge = -1
	}
	return c
}

func sessionItem(prefix, token string) table.Key {
	return table.Key{PK: prefix + fingerprint(token), SK: docSK}
}

// writeSession stores a session or link as the version after the one that was read.
func (a *Auth) writeSession(ctx context.Context, prefix, entity, token string, s session) error {
	body, err := json.Marshal(s)
	if err != nil {
		return err
	}
	item := table.Item{Key: sessionItem(prefix, token), Entity: entity, Version: s.version + 1, Expires: s.expires, Body: body}
	if err := a.table.Write(ctx, table.Put(item, table.IfVersion(s.version))); err != nil {
		return fmt.Errorf("store %s: %w", entity, err)
	}
	return nil
}

// readSession reads a session or link that has not expired; found is false if there is none.
func (a *Auth) readSession(ctx context.Context, prefix, token string) (s session, found bool, err error) {
	item, err := a.table.Get(ctx, sessionItem(prefix, token))
	if errors.Is(err, table.ErrNotFound) {
		return session{}, false, nil
	}
	if err != nil {
		return session{}, false, fmt.Errorf("read session: %w", err)
	}
	s.expires, s.version = item.Expires, item.Version
	if err := json.Unmarshal(item.Body, &s); err != nil {
		return session{}, false, fmt.Errorf("read session: %w", err)
	}
	return s, true, nil
}
