package auth

import (
	"strings"
	"testing"
	"time"
)

// FuzzOpen looks for tokens that are taken but were not signed, and for crashes.
func FuzzOpen(f *testing.F) {
	key := deriveKey([]byte("fuzz"))
	good := sign(key, "key_abc", time.Unix(1_800_000_000, 0), "NONCE")
	for _, seed := range []string{
		good, "", ".", "....", "s1.key_abc.1800000000.NONCE.", good + ".", strings.Replace(good, "1800000000", "-1", 1),
		"s1..." + strings.Repeat("9", 40), good[:len(good)-1], sign(key, "a.b", time.Unix(1, 0), ""),
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		id, expires, ok := open(key, token)
		if !ok {
			if token == good {
				t.Error("the good token is refused")
			}
			return
		}
		claims, _, _ := strings.Cut(token, "."+signature(key, token[:strings.LastIndexByte(token, '.')]))
		if !strings.HasPrefix(claims, tokenVersion+"."+id+".") || expires.IsZero() || sign(key, id, expires, claims[strings.LastIndexByte(claims, '.')+1:]) != token {
			t.Errorf("open(%q) = %q, %s: not what sign makes", token, id, expires)
		}
	})
}

// FuzzParseHash looks for hashes that would take all memory, and for crashes.
func FuzzParseHash(f *testing.F) {
	for _, seed := range []string{
		noPassword, "", "$$$$$", "$argon2id$v=19$m=4294967295,t=4294967295,p=255$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=19456,t=2,p=0$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2i$v=19$m=1,t=1,p=1$$", "$argon2id$v=19$m=-1,t=2,p=1$AA$AA",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, encoded string) {
		h, ok := parseHash(encoded)
		if ok && (h.memory > 256<<10 || h.passes > 20 || h.passes < 1 || h.threads < 1 || len(h.sum) < 16) {
			t.Errorf("parseHash(%q) = %+v, over the bounds", encoded, h)
		}
	})
}

func TestPlausibleID(t *testing.T) {
	for id, want := range map[string]bool{
		"key_abc9": true, "": false, "a.b": false, "A": false, "a#b": false, "a b": false, "é": false, strings.Repeat("a", 101): false, "a\n": false,
	} {
		if got := plausibleID(id); got != want {
			t.Errorf("plausibleID(%q) = %v, want %v", id, got, want)
		}
	}
}
