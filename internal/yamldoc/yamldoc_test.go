package yamldoc_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/yamldoc"
)

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text, want   string
		line, column int
	}{
		"too large":     {strings.Repeat("a", 1001), "at most 1000", 0, 0},
		"syntax":        {"a: 1\nb: [", "not valid YAML", 2, 0},
		"unclosed":      {"a: 1\nb: [c\nd: 1\n", "not valid YAML", 2, 0},
		"indentation":   {"a: 1\nb:\n  - c: 1\n    d: 2\n e: 1\n", "not valid YAML", 5, 0},
		"tab":           {"a: 1\nb:\n\t- c\n", "indented with spaces", 3, 0},
		"tab later":     {"a: 1\nb:\n  \t- c\n", "indented with spaces", 3, 0},
		"key twice":     {"a: 1\nb:\n  c: 1\n  c: 2\n", `key "c" is already in line 3`, 4, 3},
		"alias bomb":    {"a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b]\n", "more than 300 nodes", 1, 4},
		"nested deeply": {strings.Repeat("[", 120) + strings.Repeat("]", 120), "nested deeper than 100", 1, 100},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := yamldoc.Parse([]byte(c.text), 1000, 300)
			var refused *yamldoc.Error
			if !errors.As(err, &refused) || !strings.Contains(refused.Message, c.want) {
				t.Fatalf("got %v, want %q", err, c.want)
			}
			if c.line != 0 && refused.Line != c.line {
				t.Errorf("line %d, want %d", refused.Line, c.line)
			}
		})
	}
}

func TestEntriesFollowAliasesAndMergeKeys(t *testing.T) {
	root, err := yamldoc.Parse([]byte("base: &base {a: 1, b: 2}\nown: {<<: *base, b: 3}\nsame: *base\nempty:\n"), 1000, 300)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for key, value := range yamldoc.Entries(yamldoc.Member(root, "own")) {
		got[key.Value] = value.Value
	}
	if len(got) != 2 || got["a"] != "1" || got["b"] != "3" {
		t.Errorf("got %v, want a 1 and b 3", got)
	}
	if v := yamldoc.Member(yamldoc.Member(root, "same"), "b"); v == nil || v.Value != "2" {
		t.Errorf("an alias is not followed: %v", v)
	}
	if !yamldoc.IsNull(yamldoc.Member(root, "empty")) || yamldoc.Member(root, "none") != nil {
		t.Error("an empty value is null, a key that is not there has no value")
	}
}

func FuzzParse(f *testing.F) {
	f.Add("a: &a [*a]\n<<: {b: 1}\n")
	f.Add("a: 1\na: 2\n")
	f.Fuzz(func(_ *testing.T, text string) {
		root, err := yamldoc.Parse([]byte(text), 10_000, 1000)
		if err != nil || root == nil {
			return
		}
		for range yamldoc.Entries(root) {
		}
	})
}
