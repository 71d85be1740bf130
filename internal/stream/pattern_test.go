package stream

import "testing"

func mustPattern(tb testing.TB, text string) *Pattern {
	tb.Helper()
	p, err := ParsePattern(text)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}
