package main

import (
	"cmp"
	"encoding/xml"
	"fmt"
	"os"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// The JUnit XML that CI systems read: a suite per dataset, a test case per check. A failed check is a failure, one that could
// not be evaluated because of an error is an error, any other that was not evaluated is skipped.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Skipped  int         `xml:"skipped,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
		Skipped *junitMessage `xml:"skipped"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

func writeJUnit(path string, s *dq.Scan) error {
	body, err := xml.MarshalIndent(junit(s), "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append([]byte(xml.Header), append(body, '\n')...), 0o644)
}

func junit(s *dq.Scan) junitSuites {
	all := junitSuites{Name: s.Definition}
	place := map[string]int{}
	for i := range s.Results {
		r := &s.Results[i]
		name := cmp.Or(r.Dataset.Name, r.Dataset.DataSource)
		at, ok := place[name]
		if !ok {
			at = len(all.Suites)
			place[name] = at
			all.Suites = append(all.Suites, junitSuite{Name: name})
		}
		suite := &all.Suites[at]
		c := junitCase{Name: r.Name, Class: r.Dataset.DataSource + "." + cmp.Or(shownPlace(r), name)}
		if r.Location != nil {
			c.File, c.Line = r.Location.File, r.Location.Line
		}
		value, _ := shownValue(r)
		message := fmt.Sprintf("%s: %s", r.Name, cmp.Or(value, "no value"))
		switch {
		case r.Outcome == dq.Fail:
			c.Failure = &junitMessage{message, r.Source}
			suite.Failures++
			all.Failures++
		case r.Outcome == dq.Warn:
			c.Out = "warning: " + message
		case r.Outcome == dq.NotEvaluated:
			why := "not evaluated"
			severity := ""
			if len(r.Reasons) > 0 {
				why, severity = r.Reasons[0].Message, r.Reasons[0].Severity
			}
			if severity == "error" {
				c.Error = &junitMessage{why, r.Source}
				suite.Errors++
				all.Errors++
			} else {
				c.Skipped = &junitMessage{why, ""}
				suite.Skipped++
			}
		}
		suite.Cases = append(suite.Cases, c)
		suite.Tests++
		all.Tests++
	}
	if s.Errored && all.Errors == 0 { // a mistake that belongs to no check must not look like a pass
		all.Errors, all.Tests = 1, all.Tests+1
		all.Suites = append(all.Suites, junitSuite{Name: "scan", Tests: 1, Errors: 1, Cases: []junitCase{
			{Name: "scan", Class: s.Definition, Error: &junitMessage{(&dq.Scan{State: dq.Failed, Logs: s.Logs}).Why(), ""}},
		}})
	}
	return all
}
