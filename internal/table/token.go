package table

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/fnv"
)

// Position is the last item of a page: its key and, on a page of the index, its index sort key.
type Position struct {
	Key
	IndexSK string
}

// token is a position as the caller holds it. Of is a hash of the range, so that a token that came from elsewhere is found
// out; it is no protection against forgery, and needs none: a forged position is still within the range.
type token struct {
	Of uint64
	PK string `json:",omitempty"`
	SK string
	IX string `json:",omitempty"`
}

// NewToken makes the token that continues r after p. An implementation's QueryIndex gives index true.
func NewToken(r Range, index bool, p Position) string {
	t := token{Of: rangeHash(r, index), SK: p.SK}
	if index {
		t.PK, t.IX = p.PK, p.IndexSK
	}
	text, err := json.Marshal(t)
	if err != nil {
		return "" // strings and a number always marshal
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ReadToken gives the position in r.Token and whether there is one. ErrInvalid if it is not a token of this range.
func ReadToken(r Range, index bool) (Position, bool, error) {
	if r.Token == "" {
		return Position{}, false, nil
	}
	var t token
	text, err := base64.RawURLEncoding.DecodeString(r.Token)
	if err == nil {
		err = json.Unmarshal(text, &t)
	}
	p := Position{Key: Key{PK: r.PK, SK: t.SK}, IndexSK: t.IX}
	sort := t.SK
	if index {
		p.PK, sort = t.PK, t.IX
	}
	if err != nil || t.Of != rangeHash(r, index) || sort == "" || ValidateKey(p.Key) != nil || !r.Holds(sort) {
		return Position{}, false, fmt.Errorf("%w: not a page token of this range", ErrInvalid)
	}
	return p, true, nil
}

// Holds tells whether a sort key is within the range's prefix and bounds.
func (r Range) Holds(sortKey string) bool {
	if len(sortKey) < len(r.Prefix) || sortKey[:len(r.Prefix)] != r.Prefix {
		return false
	}
	return sortKey >= r.From && (r.To == "" || sortKey <= r.To)
}

func rangeHash(r Range, index bool) uint64 {
	h := fnv.New64a()
	for _, part := range []string{r.PK, r.Prefix, r.From, r.To, fmt.Sprint(index, r.Desc)} {
		var length [8]byte
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write([]byte(part))
	}
	return h.Sum64()
}
