// Package auth knows who may talk to the system: scanners and API clients by API keys and tokens, people by passwords,
// one-time links and session cookies.
//
// It owns keys, tokens, users and sessions, how they are stored (see keys of items below), and how often one may try.
// Who may do what, once known, is left to the edges (sodacloud, api, web): today everyone who is known may do everything.
// Secrets are never stored in clear, never in an error, and never logged.
//
//	KEY#<id>       DOC  an API key; name and creation in Head, the hash of its secret in the body; listed under KEYS
//	USER#<name>    DOC  a person, by lower-cased name; the hash of the password in the body; listed under USERS
//	SESSION#<hash> DOC  a browser's session, by the hash of its cookie; expires
//	LINK#<hash>    DOC  a one-time sign-in link, by the hash of its token; expires
//	SECRET#signing DOC  what signs tokens, when no secret is configured
package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// The errors that callers tell apart. Anything else is a failure of ours, such as of the storage.
var (
	// ErrUnauthorized is a wrong or unknown key, token, name, password or link. It does not say which.
	ErrUnauthorized = errors.New("the credentials are not valid")
	// ErrNotFound is a key or user that does not exist, told to operators only.
	ErrNotFound = table.ErrNotFound
	// ErrUserExists is a user who has a password already.
	ErrUserExists = errors.New("there is a user of that name")
	// ErrInvalid is a name or password that cannot be used; its text says why.
	ErrInvalid = errors.New("not usable")
)

// TooManyAttempts refuses an attempt because too many failed before. It is an error to be found with errors.As.
type TooManyAttempts struct {
	// After is how long to wait before the next attempt.
	After time.Duration
}

func (e TooManyAttempts) Error() string {
	return fmt.Sprintf("too many failed attempts, try again in %s", max(e.After, time.Second).Round(time.Second))
}

// Config is what [New] needs. Only Table is required.
type Config struct {
	Table table.Table
	// Now is the clock; nil for the wall clock.
	Now func() time.Time
	// SigningSecret reads what signs tokens, at the first need and again after an error. Nil for a random secret that is
	// made at first need and kept in the table. Processes that share tokens must share it.
	SigningSecret func(context.Context) (string, error)
	// Secure says that people come by https: cookies are then never sent in clear.
	Secure bool
	// Log gets what Session cannot return; nil for the default logger.
	Log *slog.Logger
}

// Auth answers who somebody is. It is safe for concurrent use. Answers are kept for up to [KeyCache], so that a key
// revoked by another process is good for that long; within one process revoking works at once.
type Auth struct {
	table  table.Table
	now    func() time.Time
	log    *slog.Logger
	secure bool

	signing  signingKey
	keys     *cache[keyRecord]
	users    *cache[userRecord]
	sessions *cache[session]

	keyTries, userTries *tries
	hashing             chan struct{} // bounds the memory that password hashing takes
}

// How long answers of the table are remembered.
const (
	KeyCache     = time.Minute
	SessionCache = 15 * time.Second
)

// New makes an Auth on a table. It reads nothing yet.
func New(c Config) *Auth {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	a := &Auth{
		table: c.Table, now: c.Now, log: c.Log, secure: c.Secure,
		keys:      newCache[keyRecord](KeyCache),
		users:     newCache[userRecord](KeyCache),
		sessions:  newCache[session](SessionCache),
		keyTries:  newTries(keyLimit),
		userTries: newTries(userLimit),
		hashing:   make(chan struct{}, maxHashing),
	}
	a.signing.read = a.storedSecret
	if c.SigningSecret != nil {
		a.signing.read = func(ctx context.Context) ([]byte, error) {
			secret, err := c.SigningSecret(ctx)
			return []byte(secret), err
		}
	}
	return a
}

// signingKey is derived from the configured secret or the stored one when it is first needed.
type signingKey struct {
	sync.Mutex
	read func(context.Context) ([]byte, error)
	key  []byte
}

const (
	secretBytes = 32 // 256 random bits: of a key's secret, a session, a link
	docSK       = "DOC"
)

func newSecret() string {
	b := make([]byte, secretBytes)
	rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

// fingerprint is how random secrets are stored and looked up. They have 256 bits of their own, so a fast hash is enough:
// there is nothing to guess. Passwords have not, see password.go.
func fingerprint(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
