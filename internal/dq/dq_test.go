package dq

import (
	"encoding/json"
	"testing"
	"time"
)

func TestIDsKeepPartsApart(t *testing.T) {
	seen := map[string]DatasetRef{}
	for _, d := range []DatasetRef{
		{DataSource: "ab", Name: "c"}, {DataSource: "a", Name: "bc"}, {DataSource: "a", Prefix: []string{"b"}, Name: "c"},
		{DataSource: "a", Prefix: []string{"b", ""}, Name: "c"}, {DataSource: "a", Name: "b/c"}, {DataSource: "a/b", Name: "c"}, {},
	} {
		id := d.ID()
		if other, ok := seen[id]; ok {
			t.Errorf("%+v and %+v have one id", d, other)
		}
		if len(id) != 16 || DatasetOfCheck(CheckID(id, "definition", "identity")) != id {
			t.Errorf("id %q of %+v", id, d)
		}
		seen[id] = d
	}
	if CheckID("0123456789abcdef", "a", "bc") == CheckID("0123456789abcdef", "ab", "c") {
		t.Error("definition and identity run together")
	}
	for _, id := range []string{"", "short", "0123456789abcdef0123456789abcdef"} {
		if got := DatasetOfCheck(id); got != "" {
			t.Errorf("DatasetOfCheck(%q) = %q, want none", id, got)
		}
	}
}

func TestOrder(t *testing.T) {
	at := func(minute int) time.Time { return time.Date(2026, 11, 1, 0, minute, 0, 0, time.UTC) }
	for name, c := range map[string]struct{ older, newer Order }{
		"data time decides":     {NewOrder(at(1), at(9), at(9), "z"), NewOrder(at(2), at(2), at(2), "a")},
		"then the end":          {NewOrder(at(1), at(2), at(9), "z"), NewOrder(at(1), at(3), at(3), "a")},
		"then the arrival":      {NewOrder(at(1), at(2), at(3), "z"), NewOrder(at(1), at(2), at(4), "a")},
		"then the id":           {NewOrder(at(1), at(2), at(3), "a"), NewOrder(at(1), at(2), at(3), "b")},
		"a future is not":       {NewOrder(at(1).AddDate(50, 0, 0), at(1), at(5), "z"), NewOrder(at(6), at(6), at(6), "a")},
		"no data time: the end": {NewOrder(time.Time{}, at(1), at(9), "z"), NewOrder(at(2), at(2), at(9), "a")},
		"zero before all":       {Order{}, NewOrder(at(1), at(1), at(1), "a")},
	} {
		t.Run(name, func(t *testing.T) {
			if !c.newer.After(c.older) || c.older.After(c.newer) || c.older.After(c.older) {
				t.Errorf("%+v is not after %+v", c.newer, c.older)
			}
		})
	}
}

func TestCounts(t *testing.T) {
	var c Counts
	if c.Health() != -1 || c.Worst() != "" {
		t.Errorf("nothing counted: health %d, worst %q", c.Health(), c.Worst())
	}
	for _, o := range []Outcome{Pass, Pass, Warn, NotEvaluated} {
		c.Add(o)
	}
	if c.Health() != 66 || c.Worst() != Warn || c.Total() != 4 || c.Evaluated() != 3 {
		t.Errorf("%+v: health %d, worst %q", c, c.Health(), c.Worst())
	}
}

func TestAttributeText(t *testing.T) {
	for value, want := range map[string]string{`"a"`: "a", `3`: "3", `true`: "true", `["a","b",1]`: "a, b, 1", `null`: "", ``: "", `[]`: ""} {
		if got := (Attribute{Value: json.RawMessage(value)}).Text(); got != want {
			t.Errorf("%s reads %q, want %q", value, got, want)
		}
	}
}

func TestTruncate(t *testing.T) {
	for _, c := range []struct {
		in   string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abcd", 3, "ab…"}, {"äöü", 3, "äöü"}, {"äöüx", 3, "äö…"}, {"", 3, ""}, {"abc", 1, "…"}, {"a", 1, "a"}} {
		if got := Truncate(c.in, c.n); got != c.want {
			t.Errorf("Truncate(%q, %d) = %q, want %q", c.in, c.n, got, c.want)
		}
	}
}

func TestWhyIsTheFirstError(t *testing.T) {
	s := Scan{Errored: true, Logs: []LogLine{{Level: LevelInfo, Message: "x"}, {Level: LevelError, Message: "no such host\ndetail"}, {Level: LevelError, Message: "more"}}}
	s.State = s.Conclude(true)
	if s.State != Failed || s.Why() != "no such host" {
		t.Errorf("%s because %q", s.State, s.Why())
	}
	s = Scan{State: Incomplete}
	if s.Why() == "" {
		t.Error("an incomplete scan needs a reason")
	}
	s = Scan{State: Completed}
	if s.Why() != "" {
		t.Errorf("a clean scan has the reason %q", s.Why())
	}
}
