package auth

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Passwords are hashed with argon2id at OWASP's setting of 19 MiB and two passes, and written as the usual
// "$argon2id$v=19$m=…,t=…,p=…$salt$hash", so that the setting can be raised later.
const (
	argonMemory  = 19 << 10 // KiB
	argonPasses  = 2
	argonThreads = 1
	saltBytes    = 16
	hashBytes    = 32

	maxHashing = 2 // at once, which bounds the memory

	minPassword = 10  // characters
	maxPassword = 500 // bytes
)

var b64 = base64.RawStdEncoding

func checkPassword(password string) error {
	switch n := utf8.RuneCountInString(password); {
	case n < minPassword:
		return fmt.Errorf("%w: the password has %d characters, at least %d are needed", ErrInvalid, n, minPassword)
	case len(password) > maxPassword:
		return fmt.Errorf("%w: the password has %d bytes, at most %d", ErrInvalid, len(password), maxPassword)
	}
	return nil
}

// hashPassword waits for a place to hash, as long as the context allows.
func (a *Auth) hashPassword(ctx context.Context, password string) (string, error) {
	salt := make([]byte, saltBytes)
	rand.Read(salt) // never fails
	sum, err := a.argon(ctx, password, salt, argonPasses, argonMemory, argonThreads, hashBytes)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
		argon2.Version, argonMemory, argonPasses, argonThreads, b64.EncodeToString(salt), b64.EncodeToString(sum)), nil
}

func (a *Auth) argon(ctx context.Context, password string, salt []byte, passes, memory uint32, threads uint8, size int) ([]byte, error) {
	select {
	case a.hashing <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-a.hashing }()
	return argon2.IDKey([]byte(password), salt, passes, memory, threads, uint32(size)), nil
}

// samePassword tells whether a password has the hash. An unreadable hash is that of no password, but takes as long.
func (a *Auth) samePassword(ctx context.Context, password, encoded string) (bool, error) {
	h, ok := parseHash(encoded)
	if !ok {
		h, _ = parseHash(noPassword)
	}
	sum, err := a.argon(ctx, password, h.salt, h.passes, h.memory, h.threads, len(h.sum))
	return err == nil && subtle.ConstantTimeCompare(sum, h.sum) == 1 && ok, err
}

// noPassword is a hash of the usual setting that stands in where there is none.
var noPassword = fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s",
	argon2.Version, argonMemory, argonPasses, argonThreads, b64.EncodeToString(make([]byte, saltBytes)), b64.EncodeToString(make([]byte, hashBytes)))

type passwordHash struct {
	passes, memory uint32
	threads        uint8
	salt, sum      []byte
}

// parseHash reads a hash within bounds that keep a damaged one from taking all memory.
func parseHash(encoded string) (h passwordHash, ok bool) {
	parts := strings.Split(encoded, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return h, false
	}
	if n, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &h.memory, &h.passes, &h.threads); n != 3 || err != nil {
		return h, false
	}
	salt, err1 := b64.DecodeString(parts[4])
	sum, err2 := b64.DecodeString(parts[5])
	h.salt, h.sum = salt, sum
	ok = err1 == nil && err2 == nil && len(salt) >= 8 && len(sum) >= 16 && len(sum) <= 64 &&
		h.passes >= 1 && h.passes <= 20 && h.memory >= 8 && h.memory <= 256<<10 && h.threads >= 1
	return h, ok
}
