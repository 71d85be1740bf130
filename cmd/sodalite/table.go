package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/term"
)

// resultRow is a result as the table shows it. Long tells that the value is words, which get lines of their own where the
// terminal is too narrow for them.
type resultRow struct {
	outcome, colour, place, check, value string
	long                                 bool
}

// resultTable prints rows in columns, at most width wide; 0 is no limit.
type resultTable struct {
	out      io.Writer
	coloured bool
	width    int
	columns  [3]int // of outcome, place and check
}

// widthOf is how many columns a terminal has, 0 of anything else.
func widthOf(w any) int {
	f, ok := w.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}

var resultHeading = resultRow{outcome: "OUTCOME", place: "DATASET", check: "CHECK", value: "VALUE"}

// print prints all rows under their heading, if there are any.
func (t *resultTable) print(rows []resultRow) {
	if len(rows) == 0 {
		return
	}
	rows = append([]resultRow{resultHeading}, rows...)
	natural, value := 0, 0
	for _, r := range rows {
		for i, text := range []string{r.outcome, r.place, r.check} {
			t.columns[i] = max(t.columns[i], utf8.RuneCountInString(text))
		}
		n := utf8.RuneCountInString(r.value)
		natural = max(natural, n)
		if !r.long {
			value = max(value, n)
		}
	}
	fits := func(value int) bool { return t.columns[0]+t.columns[1]+t.columns[2]+value+6 <= t.width }
	below := t.width > 0 && !fits(natural)
	if below && !fits(value) { // names of checks are folded, down to a width that can still be read
		t.columns[2] = min(t.columns[2], max(t.width-t.columns[0]-t.columns[1]-value-6, 20))
	}
	for _, r := range rows {
		t.row(r, below && r.long)
	}
}

// row prints one, with the value on lines below it or in its column.
func (t *resultTable) row(r resultRow, below bool) {
	indent := t.columns[0] + 2 + t.columns[1] + 2
	name := fold(r.check, t.columns[2])
	line := t.colour(r) + pad("", t.columns[0]-utf8.RuneCountInString(r.outcome)+2) + pad(r.place, t.columns[1]+2)
	if below || r.value == "" {
		line += name[0]
	} else {
		line += pad(name[0], t.columns[2]+2) + r.value
	}
	lines := []string{line}
	for _, more := range name[1:] {
		lines = append(lines, pad("", indent)+more)
	}
	if below {
		for _, more := range fold(r.value, max(t.width-t.columns[0]-4, 20)) {
			lines = append(lines, pad("", t.columns[0]+4)+more)
		}
	}
	fmt.Fprintln(t.out, strings.Join(lines, "\n"))
}

func (t *resultTable) colour(r resultRow) string {
	if !t.coloured || r.colour == "" {
		return r.outcome
	}
	return r.colour + r.outcome + plainText
}

func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-utf8.RuneCountInString(s)))
}

// fold breaks a text into lines between words, and words that are longer than a line.
func fold(s string, width int) []string {
	lines, used := []string{""}, 0
	for word := range strings.SplitSeq(s, " ") {
		for first := true; first || word != ""; first = false {
			n := utf8.RuneCountInString(word)
			last := &lines[len(lines)-1]
			switch {
			case used == 0 && n > width:
				letters := []rune(word)
				*last, word, used = string(letters[:width]), string(letters[width:]), width
			case used == 0:
				*last, word, used = word, "", n
			case used+1+n <= width:
				*last, word, used = *last+" "+word, "", used+1+n
			default:
				lines, used = append(lines, ""), 0
			}
		}
	}
	return lines
}
