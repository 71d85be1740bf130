package engine

import (
	"regexp"
	"slices"
	"strings"
)

// Sampling says which rows may leave a data source as samples.
type Sampling struct {
	// Off is why none may, empty if some may.
	Off string
	// Limit is how many rows a sample has where the check does not say, nil for 100.
	Limit *int
	// Exclude are the columns that may not be in a sample, by patterns of datasets. In patterns * and % stand for any text, and
	// case does not count.
	Exclude map[string][]string
}

// limit is how many rows a sample has where nothing else is said.
func (s *Sampling) limit() int {
	switch {
	case s.Off != "":
		return 0
	case s.Limit != nil:
		return min(*s.Limit, maxRows)
	}
	return sampleRows
}

// excluded gives the patterns of columns that may not leave a table; those of all tables if it is not known which are read.
func (s *Sampling) excluded(table string) columnPatterns {
	name := unquoted(table)
	last := unquoted(name[strings.LastIndexByte(name, '.')+1:])
	var list columnPatterns
	for pattern, columns := range s.Exclude {
		if of := anyCase(pattern); table == "" || of.MatchString(name) || of.MatchString(last) {
			for _, c := range columns {
				list = append(list, anyCase(c))
			}
		}
	}
	return list
}

// anyCase is a pattern of Soda's: a regular expression in which * stands alone for any text.
func anyCase(pattern string) *regexp.Regexp {
	pattern = strings.ToValidUTF8(pattern, "\uFFFD")
	wild := strings.NewReplacer("*", ".*", "%", ".*")
	if re, err := regexp.Compile("(?is)^(?:" + wild.Replace(pattern) + ")$"); err == nil {
		return re
	}
	return regexp.MustCompile("(?is)^(?:" + wild.Replace(regexp.QuoteMeta(strings.NewReplacer("*", "%").Replace(pattern))) + ")$")
}

type columnPatterns []*regexp.Regexp

func (p columnPatterns) match(column string) bool {
	return slices.ContainsFunc(p, func(re *regexp.Regexp) bool { return re.MatchString(column) })
}

// words of SQL: texts and comments, which say nothing of columns, names in quotes, names, and single characters.
var sqlWords = regexp.MustCompile(`(?s)'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|"(?:[^"]|"")*"|` + "`[^`]*`" + `|\[\w[^\]]*\]|[\pL_][\pL\pN_$]*|\S`)

// notColumns are words within a SELECT list that are no columns.
var notColumns = strings.Fields("ALL AND AS BETWEEN CASE CAST DISTINCT ELSE END FALSE IN IS LIKE NOT NULL OR OVER THEN TRUE WHEN")

// matchSelected gives a column that one of the SELECT lists of a statement takes and that the patterns mean, "*" if it takes
// all columns; empty if there is none. Whole rows under the name of a table are not seen.
func (p columnPatterns) matchSelected(sql string) string {
	if len(p) == 0 {
		return ""
	}
	type place struct{ list, own bool } // within a SELECT list; after a SELECT at this depth of parentheses
	places, before := []place{{}}, ""
	for _, word := range sqlWords.FindAllString(sql, -1) {
		here, upper := &places[len(places)-1], strings.ToUpper(word)
		switch {
		case word[0] == '\'' || strings.HasPrefix(word, "--") || strings.HasPrefix(word, "/*"):
			continue
		case word == "(":
			places = append(places, place{list: here.list})
		case word == ")":
			places = places[:max(len(places)-1, 1)]
		case upper == "SELECT":
			*here = place{list: true, own: true}
		case upper == "FROM" && here.own: // and not that of EXTRACT(… FROM …)
			here.list = false
		case !here.list || slices.Contains(notColumns, upper):
		case word == "*" && slices.Contains([]string{"SELECT", "DISTINCT", "ALL", ",", "."}, before):
			return "*"
		case p.match(unquoted(word)) && word != "*":
			return unquoted(word)
		}
		before = upper
	}
	return ""
}
