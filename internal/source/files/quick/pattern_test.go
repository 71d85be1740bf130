package quick

import (
	"regexp"
	"testing"
)

// FuzzPattern: patterns find what package regexp finds, with an automaton and without.
func FuzzPattern(f *testing.F) {
	for _, pattern := range []string{
		"", "^$", "$^", "a$|^b", "^(a|ab)(c|bcd)*$", "(?i)k|ſ", "a.c", "(?s)a.c", "^.*$", `\bx\b`, "(?m)^a$", "[^a]", "a{2,4}b", "x*", "(a*)*$", "[^\\x00-\\x{10FFFF}]",
		`(?s)\A.*a_d.*\z`, `^[a-zA-ZÀ-ÿĀ-ſƀ-ȳ0-9.\-_%+]+@[a-zA-ZÀ-ÿĀ-ſƀ-ȳ0-9.\-_%]+\.[A-Za-z]{2,4}$`, `^\+?1? ?\(?[0-9]{3}\)?[-. ][0-9]{3}[-. ]?[0-9]{4}$`, "(a|b)*a(a|b){20}",
	} {
		for _, text := range []string{"", "a", "b", "aab", "abcd", "abcbcd", "a\nc", "K", "user7@example.com", "broken", "é@example.com", "+1 202 555 0101", "\xff", "bbbaaaaaaaaaaaaaaaaaaaaaaaa"} {
			f.Add(pattern, text)
		}
	}
	f.Fuzz(func(t *testing.T, pattern, text string) {
		want, err := regexp.MatchString(pattern, text)
		p, failed := newPattern(pattern)
		if (err == nil) != (failed == nil) {
			t.Fatalf("%q: %v, want %v", pattern, failed, err)
		}
		if err != nil {
			return
		}
		if got := p.matches([]string{text, "", text}, []bool{false, true, false}); got[0] != want || got[1] || got[2] != want {
			t.Errorf("%q in %q: %v, want %v", pattern, text, got, want)
		}
	})
}

// TestAutomata: the formats that checks have names for are tried by an automaton.
func TestAutomata(t *testing.T) {
	for pattern, want := range map[string]bool{
		`^[a-zA-ZÀ-ÿĀ-ſƀ-ȳ0-9.\-_%+]+@[a-zA-ZÀ-ÿĀ-ſƀ-ȳ0-9.\-_%]+\.[A-Za-z]{2,4}$`: true, "^[A-Z]{2}$": true, likePattern("%a_d"): true,
		`\bx`: false, "(?m)^a": false, "(a|b)*a(a|b){20}": false,
	} {
		if p, err := newPattern(pattern); err != nil || (p.automaton != nil) != want {
			t.Errorf("%s: %v, %v", pattern, p, err)
		}
	}
}
