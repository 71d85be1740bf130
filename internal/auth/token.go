package auth

import (
	"context"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// A token is what a scanner carries through one scan. It is stateless: "s1.<key id>.<expiry>.<nonce>.<signature>", of
// letters, digits, "_", "-" and "." only, since it also goes into a header. Expiry is in Unix seconds, the signature
// HMAC-SHA256 over what is before it.

// TokenLife is how long a token is good. Scanners log in when a scan starts and use the token when it ends, and cannot
// log in again before an upload, so it outlives the longest scan.
const TokenLife = 72 * time.Hour

const (
	tokenVersion = "s1"
	maxToken     = 300
	entitySecret = "secret"
)

var signingItem = table.Key{PK: "SECRET#signing", SK: docSK}

// Principal is a client who proved to have a key.
type Principal struct {
	KeyID string
	Name  string // of the key
}

// Login trades an API key for a token, good for [TokenLife] as long as the key is not revoked. remote is the sender's
// address. Errors: [ErrUnauthorized], [TooManyAttempts], or the table's.
func (a *Auth) Login(ctx context.Context, keyID, secret, remote string) (string, error) {
	key, err := a.verify(ctx, keyID, secret, remote)
	if err != nil {
		return "", err
	}
	signing, err := a.signingKey(ctx)
	if err != nil {
		return "", err
	}
	return sign(signing, key.ID, a.now().Add(TokenLife), rand.Text()), nil
}

// Authorize accepts a token of [Auth.Login] that has not expired and whose key is not revoked. All else is
// [ErrUnauthorized], or an error of the table. It reads the table at most once a [KeyCache] and key.
func (a *Auth) Authorize(ctx context.Context, token string) (Principal, error) {
	signing, err := a.signingKey(ctx)
	if err != nil {
		return Principal{}, err
	}
	keyID, expires, ok := open(signing, token)
	if !ok || !a.now().Before(expires) {
		return Principal{}, ErrUnauthorized
	}
	key, found, err := a.key(ctx, keyID)
	if err == nil && !found {
		err = ErrUnauthorized
	}
	return Principal{KeyID: key.ID, Name: key.Name}, err
}

// Basic accepts an API key and its secret themselves, as the public API does. Errors are those of [Auth.Login].
func (a *Auth) Basic(ctx context.Context, keyID, secret, remote string) (Principal, error) {
	key, err := a.verify(ctx, keyID, secret, remote)
	if err != nil {
		return Principal{}, err
	}
	return Principal{KeyID: key.ID, Name: key.Name}, nil
}

func sign(key []byte, keyID string, expires time.Time, nonce string) string {
	claims := strings.Join([]string{tokenVersion, keyID, strconv.FormatInt(expires.Unix(), 10), nonce}, ".")
	return claims + "." + signature(key, claims)
}

func signature(key []byte, claims string) string {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(claims))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// open reads a token; ok tells whether we signed it.
func open(key []byte, token string) (keyID string, expires time.Time, ok bool) {
	if len(token) > maxToken {
		return "", time.Time{}, false
	}
	dot := strings.LastIndexByte(token, '.')
	if dot < 0 || !hmac.Equal([]byte(signature(key, token[:dot])), []byte(token[dot+1:])) {
		return "", time.Time{}, false
	}
	claims := strings.Split(token[:dot], ".")
	if len(claims) != 4 || claims[0] != tokenVersion {
		return "", time.Time{}, false
	}
	seconds, err := strconv.ParseInt(claims[2], 10, 64)
	return claims[1], time.Unix(seconds, 0), err == nil
}

// deriveKey makes the signing key of a secret, which may be used for other purposes too.
func deriveKey(secret []byte) []byte {
	key, err := hkdf.Key(sha256.New, secret, nil, "sodalite scanner token 1", sha256.Size)
	if err != nil { // only for absurd lengths
		panic(err)
	}
	return key
}

// signingKey gives the key that signs tokens.
func (a *Auth) signingKey(ctx context.Context) ([]byte, error) {
	a.signing.Lock()
	defer a.signing.Unlock()
	if a.signing.key != nil {
		return a.signing.key, nil
	}
	secret, err := a.signing.read(ctx)
	if err != nil {
		return nil, fmt.Errorf("signing secret: %w", err)
	}
	a.signing.key = deriveKey(secret)
	return a.signing.key, nil
}

// storedSecret is the one in the table; the first process to need it makes it.
func (a *Auth) storedSecret(ctx context.Context) ([]byte, error) {
	item, err := a.table.Get(ctx, signingItem)
	if !errors.Is(err, table.ErrNotFound) {
		return item.Body, err
	}
	item = table.Item{Key: signingItem, Entity: entitySecret, Version: 1, Body: []byte(newSecret())}
	err = a.table.Write(ctx, table.Put(item, table.IfAbsent()))
	if errors.Is(err, table.ErrCondition) || errors.Is(err, table.ErrConflict) { // another process was faster
		item, err = a.table.Get(ctx, signingItem)
	}
	return item.Body, err
}
