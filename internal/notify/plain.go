package notify

import (
	"bytes"
	"encoding/json"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// NumberOrNil is a value ready for JSON: its original digits, nil if there is none, a string if it is no JSON number
// (which encoding/json would refuse, and with it the message).
func NumberOrNil(n json.Number) any {
	switch {
	case n == "":
		return nil
	case isNumber(n):
		return n
	}
	return string(n)
}

func isNumber(n json.Number) bool {
	var parsed json.Number
	return json.Valid([]byte(n)) && json.Unmarshal([]byte(n), &parsed) == nil && parsed == n
}

// PlainThreshold is the threshold without bounds that are no JSON numbers, nil if none is left.
func PlainThreshold(t *dq.Threshold) *dq.Threshold {
	if t == nil {
		return nil
	}
	plain := *t
	for _, n := range []*json.Number{&plain.GreaterThan, &plain.GreaterThanOrEqual, &plain.LessThan, &plain.LessThanOrEqual} {
		if !isNumber(*n) {
			*n = ""
		}
	}
	if plain == (dq.Threshold{}) {
		return nil
	}
	return &plain
}

// PlainAttributes are the attributes without values that are no JSON.
func PlainAttributes(list []dq.Attribute) []dq.Attribute {
	var plain []dq.Attribute
	for _, a := range list {
		if len(a.Value) > 0 && !json.Valid(a.Value) {
			a.Value = nil
		}
		plain = append(plain, a)
	}
	return plain
}

// JSON writes v as JSON on one line, without the HTML escapes of encoding/json, which make six characters of each < > &
// and are hard to read for people.
func JSON(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}
