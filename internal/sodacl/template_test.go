package sodacl_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

func variables() sodacl.Variables {
	return sodacl.Variables{
		Env:    func(name string) (string, bool) { return "env", name == "E" },
		Values: map[string]string{"X": "x", "N": "4", "NOW": "2026-01-02T03:04:05"},
	}
}

// TestTemplates compares with what the reference client's Jinja made of the same texts.
func TestTemplates(t *testing.T) {
	different := map[string]string{
		"${ N|int * 2 }":            "multiplication could make texts of any size",
		"${ NOW.replace('T',' ') }": "the filter replace is bounded, the method is not",
		"${ 'a' 'b' }":              "the library does not join adjacent texts",
		"${ N|round }":              "the library rounds texts that are numbers",
		"${ None }":                 "the library writes nothing for None",
		"${ 'it''s' }":              "the library does not join adjacent texts",
	}
	f, err := os.Open("testdata/templates.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var c struct {
			Template, Want string
			Error          bool
		}
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			t.Fatal(err)
		}
		got, err := variables().Resolve(c.Template)
		same := got == c.Want && (err != nil) == c.Error
		if _, known := different[c.Template]; same == known {
			t.Errorf("%q: %q, %v; the reference: %q, error %v", c.Template, got, err, c.Want, c.Error)
		}
	}
}

// TestTemplateLimits holds templates to work that is bounded by their size, and errors to places and no secrets.
func TestTemplateLimits(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"loop":                   {"secret ${X}{% for i in range(9) %}i{% endfor %}", "only the blocks {% if %} and {% raw %} are supported"},
		"macro":                  {"${X}{% macro m() %}${ m() }{% endmacro %}", "only the blocks"},
		"include":                {"${X}{% include '/etc/passwd' %}", "only the blocks"},
		"multiplication":         {"secret\n${ 'a' * 1000000000 }", "line 2, column 8: multiplication is not supported"},
		"long replace":           {"${ '" + strings.Repeat("a", 10_000) + "'|replace('a', '" + strings.Repeat("b", 10_000) + "') }", "the filter replace would make more than 1048576 bytes"},
		"padding":                {"secret ${ X|center(1000000000) }", "filter 'center' not found; there are replace, abs"},
		"deep":                   {"${ " + strings.Repeat("(", 100_000), "an expression has more than 500 parts"},
		"many blocks":            {"${X}" + strings.Repeat("{% if X %}", 1000), "more than 200 blocks"},
		"number, dot, letter":    {"secret\n${ 'text' 0.é}", "line 2, column 13: a number has no attributes"},
		"numbers, dots, letter":  {"${X} 1.é ${ '1.é' ~ 1.5.é}", "a number has no attributes"},
		"number after a mistake": {"${ ! 0.é }", `line 1, column 5: unexpected "!"`},
		"unclosed text":          {"${X}\r\n${ 'secret }", "line 2, column 13: a text is not closed"},
		"unclosed comment":       {"${X} {# secret", "line 1, column 8: unclosed comment"},
		"unbalanced":             {"${ (X] }", `line 1, column 7: unbalanced delimiters, expected ")", got "]"`},
		"unclosed":               {"password: secret\nhost: ${ HOST", "line 2, column 14"},
	} {
		_, err := variables().Resolve(c.text)
		var problem *sodacl.TemplateError
		if !errors.As(err, &problem) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error shows the text: %v", name, err)
		}
	}
}

// TestTextsOutsideASCII: what only looks like a number with attributes stays as it is.
func TestTextsOutsideASCII(t *testing.T) {
	text := "version 1.é ${ '2.é' } ${X} 3.ü"
	if got, err := variables().Resolve(text); err != nil || got != "version 1.é 2.é x 3.ü" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzTemplate(f *testing.F) {
	for _, s := range []string{"a ${X} b", "${ X | upper }", "${ NOW[:10] }", "{% if X == 'x' %}yes{% else %}no{% endif %}${X}", "${ env_var('E', 'd') }", "{% raw %}${X}{% endraw %}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		out, err := variables().Resolve(text)
		if len(out) > maxRendered(text) {
			t.Fatalf("%d bytes became %d (%v)", len(text), len(out), err)
		}
	})
}

// maxRendered is what a template of this size may grow to: each name can stand for the longest value, and replace for a mebibyte.
func maxRendered(text string) int { return 2<<20 + 64*len(text) }
