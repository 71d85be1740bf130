package sodacl

import (
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// metrics are the built-in metrics, by whether they need a column.
var metrics = map[string]bool{
	"row_count": false, "missing_count": true, "missing_percent": true, "invalid_count": true, "invalid_percent": true, "valid_count": true,
	"duplicate_count": true, "duplicate_percent": true, "avg": true, "sum": true, "min": true, "max": true, "avg_length": true, "min_length": true,
	"max_length": true, "stddev": true, "stddev_pop": true, "stddev_samp": true, "variance": true, "var_pop": true, "var_samp": true,
	"percentile": true, "percentile_disc": true, "freshness": true, "distribution_difference": true,
}

// keys of configurations, for suggestions.
var (
	commonKeys   = []string{"name", "identity", "attributes", "samples limit", "warn", "fail"}
	validityKeys = []string{"missing values", "missing format", "missing regex", "valid values", "valid format", "valid regex", "valid length", "valid min length",
		"valid max length", "valid min", "valid max", "invalid values", "invalid format", "invalid regex", "include null"}
	schemaRules = []string{"when required column missing", "when forbidden column present", "when wrong column type", "when wrong column index", "when mismatching columns",
		"with optional columns", "when schema changes"}
	sectionWords = []string{"checks for", "filter", "configurations for", "for each dataset", "checks", "variables", "discover datasets", "profile columns", "sample datasets", "automated monitoring"}
)

// keysOf are the keys that a check of the kind may have.
func keysOf(kind Kind) []string {
	switch kind {
	case Metric, Freshness, Anomaly, Distribution:
		return slices.Concat(commonKeys, validityKeys, []string{"filter", "method", "failed rows query"})
	case FailedRows:
		return append(slices.Clone(commonKeys), "fail condition", "fail query")
	case GroupBy:
		return append(slices.Clone(commonKeys), "query", "fields", "checks", "group_limit")
	case GroupEvolution:
		return append(slices.Clone(commonKeys), "query")
	}
	return commonKeys
}

// suggest adds what was probably meant, if anything known is near.
func suggest(word string, known []string) string {
	best, distance := "", max(2, len(word)/4)+1
	for _, k := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(word), k); d < distance {
			best, distance = k, d
		}
	}
	if best == "" || best == word {
		return ""
	}
	return `; did you mean "` + best + `"`
}

// hint is what was probably meant, or else all that is known.
func hint(word string, known []string) string {
	if s := suggest(word, known); s != "" {
		return s
	}
	return "; there are " + strings.Join(known, ", ")
}

func metricNames() []string {
	names := make([]string, 0, len(metrics))
	for name := range metrics {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// unknown says what is wrong with a check's metric, "" if nothing is.
func (c *Check) unknown() string {
	if c.Kind != Metric && c.Kind != Anomaly || c.Expression != "" || c.Query != "" {
		return ""
	}
	needs, ok := metrics[c.Metric]
	switch {
	case !ok:
		return `metric "` + c.Metric + `" is not known` + hint(c.Metric, metricNames()) + `. A metric of your own needs "` + c.Metric + ` expression" or "` + c.Metric + ` query" below the check`
	case needs && len(c.Args) == 0:
		return c.Metric + " needs a column: " + c.Metric + "(COLUMN)"
	case strings.HasPrefix(c.Metric, "percentile") && len(c.Args) < 2:
		return c.Metric + " needs a fraction: " + c.Metric + "(" + c.Args[0] + ", 0.5)"
	}
	return ""
}

// incomparable is why a number cannot be compared with the check's threshold, as far as that is known before variables are.
func (c *Check) incomparable() string {
	conditions := []*Condition{c.Pass}
	if c.Pass == nil { // which would hide them
		conditions = []*Condition{c.Fail, c.Warn}
	}
	for _, condition := range conditions {
		if condition == nil {
			continue
		}
		for _, v := range []Value{condition.Low, condition.High} {
			if strings.Contains(v.Text, "${") {
				continue
			}
			v, err := v.Resolve(Variables{})
			switch {
			case err != nil:
				return err.Error()
			case v.IsDuration:
				return "the threshold is a duration, but the metric is a number"
			}
		}
	}
	return ""
}
