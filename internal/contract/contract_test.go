package contract_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

var update = flag.Bool("update", false, "write testdata anew")

func parse(t *testing.T, path string, in contract.Inputs) *contract.Contract {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return contract.Parse(sodacl.File{Name: filepath.Base(path), Text: text}, in)
}

// TestMistakes reads files with one mistake each and compares what is said, and where, with the files beside.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.yml")
	if err != nil || len(files) < 30 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yml"), func(t *testing.T) {
			c := parse(t, path, contract.Inputs{})
			var got strings.Builder
			for _, m := range c.Mistakes {
				fmt.Fprintln(&got, m.Error())
			}
			if !c.Failed() {
				t.Errorf("no mistake was found")
			}
			golden := strings.TrimSuffix(path, ".yml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got.String() != string(want) {
				t.Errorf("got\n%swant\n%s", got.String(), want)
			}
		})
	}
}

func orders(t *testing.T, in contract.Inputs) *contract.Contract {
	t.Helper()
	c := parse(t, "testdata/orders.yml", in)
	if len(c.Mistakes) > 0 {
		t.Fatal(c.Mistakes)
	}
	return c
}

func TestContract(t *testing.T) {
	c := orders(t, contract.Inputs{})
	if got := c.Dataset.QualifiedName(); got != "warehouse/sales/public/orders" {
		t.Errorf("dataset %s", got)
	}
	if c.Filter != "created >= '2026-03-01'" {
		t.Errorf("filter %q", c.Filter)
	}
	var paths []string
	for _, check := range c.Checks {
		paths = append(paths, check.Path())
	}
	want := []string{
		"checks.schema", "checks.row_count", "checks.duplicate", "columns.id.checks.missing", "columns.id.checks.missing.strict",
		"columns.id.checks.invalid", "columns.id.checks.duplicate", "columns.amount.checks.aggregate",
	}
	if !slices.Equal(paths, want) {
		t.Errorf("paths %q, want %q", paths, want)
	}
	rows := c.Checks[1].Fail
	if rows.Op != "between" || rows.Low.Number != 5 || rows.High.Number != 100 || rows.LowOpen || !rows.HighOpen {
		t.Errorf("row count %+v; a variable that is all of a value keeps its type", rows)
	}
	if !c.Checks[2].Percent || c.Checks[1].Percent {
		t.Error("percent is where it is asked for")
	}
	strict := c.Checks[4]
	if strict.Name != "at 2026-03-01" || strict.Fail.Op != "<" || strict.Warn == nil || strict.Warn.Op != "=" {
		t.Errorf("strict is %+v", strict)
	}
	attributes, err := json.Marshal(strict.Attributes)
	if err != nil || string(attributes) != `[{"name":"owner","value":"people"},{"name":"level","value":"3"},{"name":"pii","value":true},{"name":"tags","value":["a","b"]}]` {
		t.Errorf("attributes %s (%v)", attributes, err)
	}
	if last := c.Checks[7]; last.Function != "avg_length" || last.Fail.Op != "not between" || last.Fail.Low.Number != 1 || last.Fail.High.Number != 9 || last.Fail.LowOpen || last.Fail.HighOpen {
		t.Errorf("aggregate %+v %+v", last, last.Fail)
	}
	if w := c.Checks[6]; w.Fail != nil || w.Warn == nil {
		t.Errorf("a threshold of level warn alone: %+v", w)
	}
}

func TestInheritanceIsAllOrNothingOfEachGroup(t *testing.T) {
	c := orders(t, contract.Inputs{})
	plain, strict, invalid := c.Checks[3].Values, c.Checks[4].Values, c.Checks[5].Values
	if len(plain.Missing) != 2 || plain.ValidFormat != "^[A-Z]" {
		t.Errorf("a check that says nothing inherits all: %+v", plain)
	}
	if len(strict.Missing) != 1 || strict.ValidFormat != "^[A-Z]" {
		t.Errorf("one that says what is missing inherits only what is valid: %+v", strict)
	}
	if invalid.ValidFormat != "" || len(invalid.Missing) != 2 || *invalid.MinLength != 3 {
		t.Errorf("one that says what is valid inherits only what is missing: %+v", invalid)
	}
}

func TestPositionsAreOfTheBody(t *testing.T) {
	c := orders(t, contract.Inputs{})
	for i, want := range map[int]string{0: "orders.yml:10:7", 3: "orders.yml:23:9", 4: "orders.yml:25:11"} {
		if got := c.Checks[i].At.String(); got != want {
			t.Errorf("%s is at %s, want %s", c.Checks[i].Path(), got, want)
		}
	}
}

func TestVariables(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	text := `dataset: a/b
columns: []
variables: {n: {default: 1}, day: , untouched: {default: x}}
filter: d = '${var.day}' AND t < '${soda.NOW}' AND e = '${env.HOME_OF}' AND r = '${env.NONE}'
checks:
  - row_count: {threshold: {must_be: "${ var.n }"}}
`
	in := contract.Inputs{Now: now, Variables: map[string]any{"day": contract.Value("2026-03-01"), "n": contract.Value("7")}, Env: func(name string) (string, bool) {
		return "here", name == "HOME_OF"
	}}
	c := contract.Parse(sodacl.File{Name: "c.yml", Text: []byte(text)}, in)
	if c.Failed() || len(c.Mistakes) != 1 {
		t.Fatalf("%v, want only a warning of NONE", c.Mistakes)
	}
	if want := "d = '2026-03-01' AND t < '2026-03-04T05:06:07+00:00' AND e = 'here' AND r = '${env.NONE}'"; c.Filter != want {
		t.Errorf("filter %q, want %q", c.Filter, want)
	}
	if c.Checks[0].Fail.Low.Number != 7 {
		t.Errorf("threshold %+v", c.Checks[0].Fail)
	}
}

func TestSelection(t *testing.T) {
	all := len(orders(t, contract.Inputs{}).Checks)
	for name, c := range map[string]struct {
		filters []string
		paths   []string
		want    []string
	}{
		"path":               {paths: []string{"checks.schema", "columns.id.checks.missing"}, want: []string{"checks.schema", "columns.id.checks.missing"}},
		"path with wildcard": {paths: []string{"columns.*.checks.d?plicate"}, want: []string{"columns.id.checks.duplicate"}},
		"type and column":    {filters: []string{"type=missing", "type=invalid", "column=id", "qualifier!=strict"}, want: []string{"columns.id.checks.missing", "columns.id.checks.invalid"}},
		"attribute":          {filters: []string{"attributes.owner=people"}, want: []string{"columns.id.checks.missing.strict"}},
		"member of a list":   {filters: []string{"attributes.tags=b"}, want: []string{"columns.id.checks.missing.strict"}},
		"whole list":         {filters: []string{`attributes.tags=[b,"a"]`}, want: []string{"columns.id.checks.missing.strict"}},
		"part of a list":     {filters: []string{"attributes.tags=[b]"}},
		"path and filter":    {paths: []string{"checks.*"}, filters: []string{"type=schema"}, want: []string{"checks.schema"}},
	} {
		t.Run(name, func(t *testing.T) {
			var in contract.Inputs
			for _, f := range c.filters {
				s, err := contract.ParseSelector(f)
				if err != nil {
					t.Fatal(err)
				}
				in.Select = append(in.Select, s)
			}
			for _, p := range c.paths {
				in.Select = append(in.Select, contract.CheckPath(p))
			}
			var got []string
			for _, check := range orders(t, in).Checks {
				if !check.Excluded {
					got = append(got, check.Path())
				}
			}
			if !slices.Equal(got, c.want) || len(got) == all {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	for _, text := range []string{"missing", "colour=red", "=x", "type!="} {
		if s, err := contract.ParseSelector(text); err == nil {
			t.Errorf("ParseSelector(%q) = %+v, want an error", text, s)
		}
	}
}

func TestTypesHaveSynonyms(t *testing.T) {
	for pair, want := range map[[2]string]bool{
		{"varchar", "character varying(20)"}: true, {"VARCHAR(20)", "character varying(20)"}: true, {"varchar(22)", "character varying(20)"}: false,
		{"numeric(10, 2)", "numeric(10,2)"}: true, {"decimal", "numeric(10,2)"}: true, {"int", "integer"}: true, {"int", "bigint"}: false,
		{"timestamp", "timestamp(6) without time zone"}: true, {"timestamptz", "timestamp with time zone"}: true, {"timestamp", "timestamp with time zone"}: false,
	} {
		if got := contract.SameType(pair[0], pair[1]); got != want {
			t.Errorf("%q and %q are the same: %v, want %v", pair[0], pair[1], got, want)
		}
	}
}

func TestReview(t *testing.T) {
	for name, c := range map[string]struct {
		text, dataset string
		failed        bool
		want          string // part of the first mistake or warning
	}{
		"good":                         {"dataset: a/b\ncolumns: []\nchecks: [{row_count: }]\n", "a/b", false, ""},
		"not YAML":                     {"dataset: a/b\ncolumns: [unclosed\n", "a/b", true, "c.yml:2: the file is not valid YAML"},
		"a value without its variable": {"dataset: a/b\nvariables: {n: }\ncolumns: []\nchecks: [{row_count: {threshold: {must_be: '${var.n}'}}}]\n", "a/b", false, ""},
		"a text without its variable":  {"dataset: a/b\nvariables: {n: }\ncolumns: []\nfilter: '${var.n}'\nchecks: [{row_count: }]\n", "a/b", false, ""},
		"wrong whatever its variable":  {"dataset: a/b\nvariables: {n: }\ncolumns: []\nchecks: [{row_count: {threshold: {must_be: ['${var.n}']}}}]\n", "a/b", true, "c.yml:4:44: must_be must be a number"},
		"dataset by default":           {"dataset: a/${var.s}/b\nvariables: {s: {default: c}}\ncolumns: []\n", "a/c/b", false, ""},
		"dataset by a variable":        {"dataset: a/${var.s}/b\nvariables: {s: }\ncolumns: []\n", "", true, "depends on a variable"},
		"environment":                  {"dataset: a/b\ncolumns: []\nfilter: ${env.NONE}\n", "a/b", false, ""},
		"scope":                        {"dataset: a/b\nscopes: {x: {name: X}}\ncolumns: []\nchecks: [{row_count: {scope: x}}]\n", "a/b", false, "cannot be run here"},
		"reconciliation":               {"dataset: a/b\nreconciliation: {checks: [{row_count_diff: }]}\ncolumns: []\n", "a/b", false, "cannot be run here"},
		"another kind":                 {"dataset: a/b\nkind: data_standard\nrules: []\n", "a/b", false, "cannot be run here"},
		"an unknown check type":        {"dataset: a/b\ncolumns: []\nchecks: [{llm_check: {prompt: hi}}]\n", "a/b", false, "c.yml:3:11: unknown check type"},
		"a newer way to be valid":      {"dataset: a/b\ncolumns: [{name: id, checks: [{invalid: {valid_currency: EUR}}]}]\n", "a/b", false, "nothing says which values are valid"},
		"valid of what":                {"dataset: a/b\ncolumns: [{name: id, checks: [{invalid: }]}]\n", "a/b", true, "nothing says which values are valid"},
	} {
		t.Run(name, func(t *testing.T) {
			got := contract.Review(sodacl.File{Name: "c.yml", Text: []byte(c.text)})
			if got.Failed() != c.failed || got.Dataset.Name != "" && got.Dataset.QualifiedName() != c.dataset {
				t.Errorf("dataset %+v, mistakes %v", got.Dataset, got.Mistakes)
			}
			if (len(got.Mistakes) > 0) != (c.want != "") || len(got.Mistakes) > 0 && !strings.Contains(fmt.Sprint(got.Mistakes), c.want) {
				t.Errorf("mistakes %v, want %q", got.Mistakes, c.want)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"size":    "dataset: a/b\ncolumns: []\ndescription: " + strings.Repeat("x", contract.MaxFileSize),
		"columns": "dataset: a/b\ncolumns:\n" + strings.Repeat("- {name: x}\n", contract.MaxColumns+1),
		"checks":  "dataset: a/b\ncolumns: []\nchecks:\n" + strings.Repeat("- row_count:\n", contract.MaxChecks+1),
	} {
		c := contract.Parse(sodacl.File{Text: []byte(text)}, contract.Inputs{})
		if !c.Failed() || len(c.Checks) > contract.MaxChecks {
			t.Errorf("%s: no limit", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	text, err := os.ReadFile("testdata/orders.yml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	files, _ := filepath.Glob("testdata/mistakes/*.yml") // none: no seeds
	for _, path := range files {
		if text, err := os.ReadFile(path); err == nil {
			f.Add(string(text))
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		c := contract.Parse(sodacl.File{Name: "c.yml", Text: []byte(text)}, contract.Inputs{Select: []contract.Selector{{Field: "name", Value: "*a?"}}})
		if !c.Failed() && c.Dataset.Name == "" {
			t.Error("a contract without a dataset is a mistake")
		}
		if r := contract.Review(sodacl.File{Name: "c.yml", Text: []byte(text)}); !r.Failed() && r.Dataset.Name == "" || r.Failed() && !c.Failed() {
			t.Errorf("a review finds %v", r.Mistakes)
		}
		for _, check := range c.Checks {
			if check.Path() == "" || check.At.Line == 0 {
				t.Errorf("check %+v has no path or place", check)
			}
		}
	})
}
