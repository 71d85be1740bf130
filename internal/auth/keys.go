package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sodalite-dq/sodalite/internal/table"
)

// Key is an API key without its secret.
type Key struct {
	ID      string    `json:"id"`
	Name    string    `json:"name"` // what people call it, not unique
	Created time.Time `json:"created"`
}

// keyRecord is a key as the table has it.
type keyRecord struct {
	Key
	fingerprint string
}

const (
	keyPrefix    = "KEY#"
	keyIndex     = "KEYS"
	entityKey    = "key"
	idPrefix     = "key_"      // makes sure that an id is never read as a number, as YAML would 20 digits
	secretPrefix = "sodalite_" // lets scanners of source code recognise a secret that was checked in
	maxName      = 100         // characters of a key's or user's name
	maxKeyID     = 100
	maxSecret    = 200
)

// CreateKey makes an API key. The secret is given out here and nowhere else; the table has only its hash. ErrInvalid for
// a name that is empty, too long, or has control characters.
func (a *Auth) CreateKey(ctx context.Context, name string) (Key, string, error) {
	name, err := usableName(name)
	if err != nil {
		return Key{}, "", err
	}
	key := Key{ID: idPrefix + strings.ToLower(rand.Text()), Name: name, Created: a.now().UTC().Truncate(time.Millisecond)}
	secret := secretPrefix + newSecret()
	head, err := json.Marshal(key)
	if err != nil {
		return Key{}, "", err
	}
	item := table.Item{
		Key: keyItem(key.ID), Entity: entityKey, Version: 1, IndexPK: keyIndex,
		IndexSK: key.Created.Format("2006-01-02T15:04:05.000Z") + "#" + key.ID, Head: head, Body: []byte(fingerprint(secret)),
	}
	if err := a.table.Write(ctx, table.Put(item, table.IfAbsent())); err != nil {
		return Key{}, "", fmt.Errorf("store API key: %w", err)
	}
	return key, secret, nil
}

func keyItem(id string) table.Key { return table.Key{PK: keyPrefix + id, SK: docSK} }

// Keys lists the keys that are good, oldest first.
func (a *Auth) Keys(ctx context.Context) ([]Key, error) {
	items, err := table.All(ctx, a.table.QueryIndex, table.Range{PK: keyIndex})
	if err != nil {
		return nil, fmt.Errorf("list API keys: %w", err)
	}
	keys := make([]Key, len(items))
	for i, item := range items {
		if err := json.Unmarshal(item.Head, &keys[i]); err != nil {
			return nil, fmt.Errorf("API key %v: %w", item.Key, err)
		}
	}
	return keys, nil
}

// RevokeKey ends a key and all tokens made with it: here at once, in other processes within [KeyCache]. ErrNotFound if
// there is no such key.
func (a *Auth) RevokeKey(ctx context.Context, id string) error {
	if !plausibleID(id) {
		return fmt.Errorf("API key %q: %w", id, ErrNotFound)
	}
	err := a.table.Write(ctx, table.Delete(keyItem(id), table.IfVersion(1)))
	if errors.Is(err, table.ErrCondition) {
		return fmt.Errorf("API key %q: %w", id, ErrNotFound)
	}
	if err != nil {
		return fmt.Errorf("revoke API key %q: %w", id, err)
	}
	a.keys.forget(id)
	return nil
}

// key finds a key, through the cache. found is false for one that does not exist.
func (a *Auth) key(ctx context.Context, id string) (record keyRecord, found bool, err error) {
	if !plausibleID(id) {
		return keyRecord{}, false, nil
	}
	now := a.now()
	if r, ok := a.keys.get(id, now); ok {
		return r.value, r.found, nil
	}
	item, err := a.table.Get(ctx, keyItem(id))
	if errors.Is(err, table.ErrNotFound) {
		a.keys.put(id, keyRecord{}, false, now)
		return keyRecord{}, false, nil
	}
	if err != nil {
		return keyRecord{}, false, fmt.Errorf("read API key: %w", err)
	}
	if err := json.Unmarshal(item.Head, &record.Key); err != nil {
		return keyRecord{}, false, fmt.Errorf("read API key %q: %w", id, err)
	}
	record.fingerprint = string(item.Body)
	a.keys.put(id, record, true, now)
	return record, true, nil
}

// plausibleID tells whether id can be one that we made. Such ids are also safe within a token.
func plausibleID(id string) bool {
	return id != "" && len(id) <= maxKeyID && !strings.ContainsFunc(id, func(r rune) bool {
		return r != '_' && (r < 'a' || r > 'z') && (r < '0' || r > '9')
	})
}

// verify finds the key of an id and secret. A wrong pair is ErrUnauthorized, or TooManyAttempts when that happened too
// often. A right pair always passes: a secret of 256 bits cannot be guessed, while a scanner that was turned away because
// its neighbour has a wrong secret would lose its scan, since scanners do not try again.
func (a *Auth) verify(ctx context.Context, id, secret, remote string) (Key, error) {
	record, found, err := a.key(ctx, id)
	if err != nil {
		return Key{}, err
	}
	want := record.fingerprint
	if !found {
		want = noFingerprint // as much work as for a key that exists
	}
	got := fingerprint(secret[:min(len(secret), maxSecret)])
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 && found && len(secret) <= maxSecret {
		return record.Key, nil
	}
	return Key{}, a.keyTries.failed(id[:min(len(id), maxKeyID)], remote, a.now())
}

var noFingerprint = fingerprint("")

// usableName trims and checks the name of a key or user.
func usableName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch n := utf8.RuneCountInString(name); {
	case n == 0:
		return "", fmt.Errorf("%w: the name is empty", ErrInvalid)
	case n > maxName:
		return "", fmt.Errorf("%w: the name has %d characters, at most %d", ErrInvalid, n, maxName)
	case !utf8.ValidString(name):
		return "", fmt.Errorf("%w: the name is not UTF-8", ErrInvalid)
	case strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", fmt.Errorf("%w: the name has characters that cannot be printed", ErrInvalid)
	}
	return name, nil
}
