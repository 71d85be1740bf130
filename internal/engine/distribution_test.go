package engine_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/engine"
)

// TestDistribution: the values of a column are compared with a reference, whatever the order of labels; what cannot be
// compared is not evaluated, and says why.
func TestDistribution(t *testing.T) {
	dir := t.TempDir()
	reference := filepath.Join(dir, "references.yml")
	text := `ages:
  distribution_type: continuous
  distribution_reference: {bins: [0, 20, 40], weights: [0, 0.5, 0.5]}
names:
  distribution_type: categorical
  distribution_reference: {bins: [null, Cid, Ann], weights: [0.25, 0.25, 0.5]}
`
	if err := os.WriteFile(reference, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	check := func(name, line string, more ...string) string {
		return "  - distribution_difference(" + line + ":\n      name: " + name + "\n      distribution reference file: " + reference + "\n" + strings.Join(more, "")
	}
	scan := sampled(t, "filter people [none]:\n  where: id > 99\nchecks for people:\n"+
		check("ks", "age, ages) > 0.05", "      filter: age < 100\n")+
		check("labels", "name, names) < 0.1", "      method: psi\n")+
		check("too few", "name, names) > 0.05")+
		check("text", "name, ages) > 0.05")+
		check("nothing", "age, ages) > 0.05", "      filter: id = 5\n")+
		check("warns", "age, ages)", "      method: psi\n      filter: age < 100\n      warn: when > 0.01\n"), nil, nil)
	want := map[string]dq.Outcome{"ks": dq.Pass, "labels": dq.Pass, "too few": dq.NotEvaluated, "text": dq.NotEvaluated, "nothing": dq.NotEvaluated, "warns": dq.Warn}
	reasons := map[string]string{"too few": `"Ann" occurs 2 times`, "text": `"Ann" is not a number`, "nothing": "there are no values"}
	for _, r := range scan.Results {
		if r.Outcome != want[r.Name] {
			t.Errorf("%s is %s, want %s; value %s, %v", r.Name, r.Outcome, want[r.Name], r.Value, r.Reasons)
		}
		if says := reasons[r.Name]; says != "" && (len(r.Reasons) == 0 || !strings.Contains(r.Reasons[0].Message, says)) {
			t.Errorf("%s: %v, want %q", r.Name, r.Reasons, says)
		}
		if r.Kind != "distribution" {
			t.Errorf("%s is of kind %s", r.Name, r.Kind)
		}
	}
	if len(scan.Results) != len(want) || engine.ExitCode(scan) != 3 {
		t.Errorf("%d results, exit code %d\n%s", len(scan.Results), engine.ExitCode(scan), logText(scan))
	}
}
