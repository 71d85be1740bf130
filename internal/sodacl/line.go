package sodacl

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// reserved are the words that cannot stand for a name unless quoted.
var reserved = map[string]bool{
	"for": true, "and": true, "between": true, "not": true, "in": true, "warn": true, "fail": true, "pass": true, "change": true,
	"last": true, "default": true, "filter": true, "percent": true, "must": true, "with": true, "d": true, "h": true, "m": true,
}

var (
	numberText   = regexp.MustCompile(`^[+-]?(\d+(\.\d*)?|\.\d+)`)
	durationText = regexp.MustCompile(`^(\d+[dhm])+`)
	bareName     = regexp.MustCompile(`^\d*[A-Za-z_$][^ <=>()\[\],]*`)
)

// lineError is a check line that cannot be read. Offset counts bytes from the line's beginning.
type lineError struct {
	offset  int
	problem string
}

func (e *lineError) Error() string { return e.problem }

// scanner reads one line of text. Its methods give false, or panic with a *lineError caught by the caller of read.
type scanner struct {
	text string
	at   int
}

func (s *scanner) rest() string { return s.text[s.at:] }

func (s *scanner) fail(format string, args ...any) {
	panic(&lineError{s.at, fmt.Sprintf(format, args...)})
}

// take reads exactly word.
func (s *scanner) take(word string) bool {
	if strings.HasPrefix(s.rest(), word) {
		s.at += len(word)
		return true
	}
	return false
}

func (s *scanner) want(word, after string) {
	if !s.take(word) {
		s.fail("want %q after %s, found %s", word, after, s.found())
	}
}

func (s *scanner) found() string {
	if s.rest() == "" {
		return "the end of the line"
	}
	return strconv.Quote(clip(s.rest()))
}

// end demands that nothing is left.
func (s *scanner) end() {
	if s.rest() != "" && strings.Contains(s.text, "${ ") {
		s.fail("cannot read %s; on a check line write ${NAME} without blanks in it", s.found())
	}
	if s.rest() != "" {
		s.fail("cannot read %s (words are set apart by one space, nothing else)", s.found())
	}
}

// peekName gives the name at this place and its length, quotes included; 0 if there is none.
func (s *scanner) peekName() (string, int) {
	t := s.rest()
	if t == "" {
		return "", 0
	}
	switch t[0] {
	case '"', '`':
		if end := strings.IndexByte(t[1:], t[0]); end >= 0 {
			return t[:end+2], end + 2
		}
		return "", 0
	case '[':
		if end := strings.LastIndexByte(t, ']'); end > 2 && bareName.MatchString(t[1:]) && !strings.ContainsAny(t[1:2], "0123456789") {
			return t[:end+1], end + 1
		}
		return "", 0
	}
	name := bareName.FindString(t)
	if reserved[name] || name != "" && durationText.FindString(name) == name {
		return "", 0
	}
	return name, len(name)
}

// name reads a name: a bare word, or one in "…", `…` or […], given with its quotes.
func (s *scanner) name(what string) string {
	name, n := s.peekName()
	if n == 0 {
		word := bareName.FindString(s.rest())
		if reserved[word] {
			s.fail(`%q is a word of the language; write "%s" in double quotes to use it as %s`, word, word, what)
		}
		s.fail("want %s, found %s", what, s.found())
	}
	s.at += n
	return name
}

// read runs f over the whole of text.
func read(text string, f func(*scanner)) (err *lineError) {
	s := &scanner{text: text}
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(*lineError)
			if !ok {
				panic(r)
			}
			err = e
		}
	}()
	f(s)
	return nil
}

// readCheckLine reads a check line into c. The whole-line forms (schema, failed rows, group by …) are told apart before.
func readCheckLine(c *Check, text string) *lineError {
	c.Line = text
	switch text {
	case "schema":
		c.Kind = Schema
		return nil
	case "failed rows":
		c.Kind = FailedRows
		return nil
	case "group by":
		c.Kind = GroupBy
		return nil
	case "group evolution":
		c.Kind = GroupEvolution
		return nil
	}
	return read(text, func(s *scanner) {
		switch {
		case s.take("row_count same as "):
			sameRowCount(s, c)
		case s.take("values in "):
			reference(s, c)
		case s.take("freshness using "):
			freshnessUsing(s, c)
		default:
			metric(s, c)
		}
	})
}

func sameRowCount(s *scanner, c *Check) {
	c.Kind, c.SameAs = SameRowCount, &OtherTable{}
	c.SameAs.Table = s.name("the name of the other dataset")
	if _, n := (&scanner{text: s.text, at: min(s.at+1, len(s.text))}).peekName(); n > 0 && s.take(" ") {
		c.SameAs.Partition = unbracket(s.name("the name of a partition"))
	}
	if s.take(" in ") {
		c.SameAs.Source = s.name("the name of the other data source")
	}
	s.end()
}

func unbracket(name string) string {
	if strings.HasPrefix(name, "[") {
		return name[1 : len(name)-1]
	}
	return name
}

func reference(s *scanner, c *Check) {
	c.Kind, c.Reference = Reference, &ReferenceTo{}
	many := s.take("(")
	c.Reference.Columns = columns(s, many)
	if s.take(" must not exist in ") {
		c.Reference.Not = true
	} else {
		s.want(" must exist in ", "the columns")
	}
	c.Reference.Table = s.name("the name of the other dataset")
	s.want(" ", "the other dataset")
	if many {
		s.want("(", "the other dataset")
	}
	c.Reference.TableColumns = columns(s, many)
	if a, b := len(c.Reference.Columns), len(c.Reference.TableColumns); a != b {
		s.fail("%d columns are compared with %d of the other dataset; their numbers must be equal", a, b)
	}
}

func columns(s *scanner, many bool) []string {
	list := []string{s.name("the name of a column")}
	for many && s.take(", ") {
		list = append(list, s.name("the name of a column"))
	}
	if many {
		s.want(")", "the last column (columns are set apart by a comma and one space)")
	}
	return list
}

func freshnessUsing(s *scanner, c *Check) {
	c.Kind, c.Metric = Freshness, "freshness"
	c.Args = []string{s.name("the name of a column")}
	if s.take(" with ") {
		c.Args = append(c.Args, s.name("the name of a variable"))
	}
	if s.take(" ") {
		c.Pass = s.condition()
	}
	s.end()
}

func metric(s *scanner, c *Check) {
	switch {
	case s.take("anomaly score for "), s.take("anomaly detection for "):
		c.Kind = Anomaly
	case s.take("change "):
		c.Change = change(s)
	}
	c.Metric = s.name("the name of a metric")
	if s.take("(") {
		c.Args = []string{argument(s)}
		for s.take(", ") {
			c.Args = append(c.Args, argument(s))
		}
		s.want(")", "the arguments of "+c.Metric+" (arguments are set apart by a comma and one space)")
	}
	switch {
	case c.Metric == "freshness":
		c.Kind, c.Change = Freshness, nil
	case c.Metric == "distribution_difference":
		c.Kind = Distribution
	}
	if s.take(" < default") {
		if c.Kind != Anomaly {
			s.fail(`"< default" belongs to anomaly checks only`)
		}
	} else if s.take(" ") {
		c.Pass = s.condition()
	}
	s.end()
}

func argument(s *scanner) string {
	if n := numberText.FindString(s.rest()); n != "" {
		if next := s.rest()[len(n):]; next == "" || next[0] == ')' || next[0] == ',' {
			s.at += len(n)
			return n
		}
	}
	return s.name("an argument of the metric")
}

func change(s *scanner) *Change {
	c := &Change{}
	for _, aggregate := range []string{"avg", "min", "max"} {
		if s.take(aggregate + " last ") {
			c.Aggregate = aggregate
			digits := regexp.MustCompile(`^\d{1,4}`).FindString(s.rest())
			s.at += len(digits)
			if c.Last, _ = strconv.Atoi(digits); c.Last < 1 {
				s.fail("want the number of measurements after %q, found %s", aggregate+" last", s.found())
			}
			s.want(" ", "the number of measurements")
		}
	}
	if c.Aggregate == "" && s.take("same day last week ") {
		c.SameDayLastWeek = true
	}
	c.Percent = s.take("percent ")
	s.want("for ", `"change" (change [avg|min|max last N|same day last week] [percent] for METRIC)`)
	return c
}

// condition reads a threshold.
func (s *scanner) condition() *Condition {
	start, c := s.at, &Condition{}
	if s.take("not between ") {
		c.Op = "not between"
	} else if s.take("between ") {
		c.Op = "between"
	}
	if c.Op != "" {
		c.LowOpen = s.take("(")
		if !c.LowOpen {
			s.take("[")
		}
		c.Low = s.value()
		s.want(" and ", "the lower end of the range")
		c.High = s.value()
		c.HighOpen = s.take(")")
		if !c.HighOpen {
			s.take("]")
		}
		c.Text = s.text[start:s.at]
		return c
	}
	for _, op := range []string{"<=", ">=", "<>", "!=", "<", ">", "="} {
		if s.take(op + " ") {
			if c.Op = op; op == "<>" {
				c.Op = "!="
			}
			c.Low = s.value()
			c.Text = s.text[start:s.at]
			return c
		}
	}
	s.fail("want a threshold such as \"> 0\" or \"between 1 and 10\" (one space around each part), found %s", s.found())
	return nil
}

// empty tells whether the condition is a range without anything in it.
func (c *Condition) empty() bool {
	numbers := c.Low.Text == "" && c.High.Text == "" && c.Low.IsDuration == c.High.IsDuration
	return (c.Op == "between" || c.Op == "not between") && numbers && (c.Low.Number > c.High.Number || c.Low.Duration > c.High.Duration)
}

func (s *scanner) value() Value {
	t := s.rest()
	if d := durationText.FindString(t); d != "" && bareName.FindString(t) == d {
		s.at += len(d)
		return Value{Duration: readDuration(d), IsDuration: true}
	}
	if name, n := s.peekName(); n > 0 && !strings.ContainsAny(name[:1], "\"`[") {
		s.at += n
		return Value{Text: name}
	}
	n := numberText.FindString(t)
	if n == "" {
		s.fail("want a number, a duration such as 1d6h, or a variable, found %s", s.found())
	}
	s.at += len(n)
	number, err := strconv.ParseFloat(n, 64)
	if err != nil {
		s.fail("%s is too large a number", n)
	}
	if !s.take("%") {
		s.take(" %")
	}
	return Value{Number: number}
}

func readDuration(text string) time.Duration {
	var sum time.Duration
	for text != "" {
		i := strings.IndexAny(text, "dhm")
		n, _ := strconv.ParseInt(text[:i], 10, 32) // the pattern allows digits only; too many count as 0
		unit := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute}[text[i]]
		sum += time.Duration(min(n, 100_000)) * unit
		text = text[i+1:]
	}
	return sum
}

// Resolve gives the value with variables filled in. Text must then be a number as Python's float() takes it, or a duration.
func (v Value) Resolve(vars Variables) (Value, error) {
	if v.Text == "" {
		return v, nil
	}
	text, err := vars.Resolve(v.Text)
	if err != nil {
		return v, err
	}
	text = strings.TrimSpace(text)
	if d := durationText.FindString(text); d != "" && d == text {
		return Value{Duration: readDuration(d), IsDuration: true}, nil
	}
	n, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
	if err != nil || strings.HasPrefix(strings.ToLower(strings.TrimLeft(text, "+-")), "0x") {
		if text == v.Text {
			return v, fmt.Errorf("threshold %q is not a number", text)
		}
		return v, fmt.Errorf("threshold %s is %q, which is not a number", v.Text, text)
	}
	return Value{Number: n}, nil
}
