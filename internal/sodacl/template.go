package sodacl

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/nikolalohinski/gonja/v2/builtins"
	"github.com/nikolalohinski/gonja/v2/config"
	"github.com/nikolalohinski/gonja/v2/exec"
	"github.com/nikolalohinski/gonja/v2/loaders"
	gonja "github.com/nikolalohinski/gonja/v2/parser"
	"github.com/nikolalohinski/gonja/v2/tokens"
)

// Templates are Jinja's, by the library gonja. What people who may write checks, but not run programs, could use to make the
// process grow or loop without end is left out: loops, macros, includes, assignments, multiplication (of texts), and filters
// that pad.

// The limits of a template, so that reading and rendering it are bounded by its size.
const (
	maxExpression = 500     // tokens within one ${…} or {%…%}
	maxBlocks     = 200     // {%…%} in one text
	maxReplaced   = 1 << 20 // bytes that the filter replace may make
)

// TemplateError is a template that cannot be read or rendered. It never contains values of variables, nor the text.
type TemplateError struct {
	// Line and Column are the place in the text, from 1; 0 if not known.
	Line, Column int
	Problem      string
}

func (e *TemplateError) Error() string {
	if e.Line == 0 {
		return "template: " + e.Problem
	}
	return fmt.Sprintf("template, line %d, column %d: %s", e.Line, e.Column, e.Problem)
}

var (
	filters = []string{"abs", "capitalize", "default", "d", "first", "float", "int", "join", "last", "length", "count", "list", "lower", "max", "min",
		"reverse", "round", "string", "title", "tojson", "trim", "truncate", "upper", "urlencode", "wordcount"}
	methods = []string{"capitalize", "endswith", "find", "isalpha", "isdigit", "lower", "lstrip", "removeprefix", "removesuffix", "rstrip", "split",
		"startswith", "strip", "title", "upper"}
	blocks = []string{"if", "raw"}
)

var (
	syntax      = templateSyntax()
	environment = templateEnvironment()
)

func templateSyntax() *config.Config {
	c := config.New()
	c.VariableStartString, c.VariableEndString, c.KeepTrailingNewline = "${", "}", true
	return c
}

func templateEnvironment() *exec.Environment {
	known := map[string]exec.FilterFunction{"replace": replace}
	for _, name := range filters {
		if f, ok := builtins.Filters.Get(name); ok {
			known[name] = f
		}
	}
	ofText := map[string]exec.Method[string]{}
	for _, name := range methods {
		if m, ok := builtins.Methods.Str.Get(name); ok {
			ofText[name] = m
		}
	}
	control := map[string]gonja.ControlStructureParser{}
	for _, name := range blocks {
		if b, ok := builtins.ControlStructures.Get(name); ok {
			control[name] = b
		}
	}
	return &exec.Environment{
		Context: exec.EmptyContext(), Filters: exec.NewFilterSet(known), Tests: builtins.Tests, ControlStructures: exec.NewControlStructureSet(control),
		Methods: exec.Methods{
			Str: exec.NewMethodSet(ofText), Bool: exec.NewMethodSet[bool](nil), Int: exec.NewMethodSet[int](nil), Float: exec.NewMethodSet[float64](nil),
			Dict: exec.NewMethodSet[map[string]any](nil), List: exec.NewMethodSet[[]any](nil),
		},
	}
}

// replace is Jinja's filter, within maxReplaced.
func replace(_ *exec.Evaluator, in *exec.Value, args *exec.VarArgs) *exec.Value {
	if in.IsError() {
		return in
	}
	var from, to string
	if err := args.Take(exec.PositionalArgument("old", nil, exec.StringArgument(&from)), exec.PositionalArgument("new", nil, exec.StringArgument(&to))); err != nil {
		return exec.AsValue(exec.ErrInvalidCall(err))
	}
	text := in.String()
	if len(text)+strings.Count(text, from)*len(to) > maxReplaced {
		return exec.AsValue(fmt.Errorf("the filter replace would make more than %d bytes", maxReplaced))
	}
	return exec.AsValue(strings.ReplaceAll(text, from, to))
}

// render renders a template with the variables that it names.
func render(text string, vars Variables) (out string, err error) {
	defer func() {
		if r := recover(); r != nil { // the library's own, on texts that nobody tried
			out, err = "", &TemplateError{Problem: "it cannot be read; only ${NAME} with filters, {% if %} and {% raw %} are sure to work"}
		}
	}()
	values, err := named(text, vars)
	if err != nil {
		return "", err
	}
	loader := only{text}
	template, err := exec.NewTemplate("text", syntax, loader, environment)
	if err != nil {
		return "", problemOf(err)
	}
	if out, err = template.ExecuteToString(exec.NewContext(values)); err != nil {
		return "", problemOf(err)
	}
	return out, nil
}

// unended is what the library's lexer does not get past within an expression: a number, a dot and a letter outside ASCII,
// where it steps back by the letter's bytes. No expression has that; texts may.
var unended = regexp.MustCompile(`\p{Nd}\.[^\x00-\x7F]`)

// attributeOfNumber stands for such a letter while its template is examined.
const attributeOfNumber = "attribute_of_number"

// named gives the values of all names in the template, after checking that it is within the limits.
func named(text string, vars Variables) (map[string]any, error) {
	values := map[string]any{"env_var": vars.envVar}
	length, count := 0, 0
	var before [2]tokens.Type
	text = unended.ReplaceAllString(newlines.Replace(text), "1."+attributeOfNumber)
	stream := tokens.LexAll(text, syntax)
	for ; !stream.End(); stream.Next() {
		t := stream.Current()
		length++
		switch t.Type {
		case tokens.VariableBegin, tokens.BlockBegin:
			length = 0
			if t.Type == tokens.BlockBegin {
				count++
			}
		case tokens.Multiply, tokens.Power:
			return nil, &TemplateError{t.Line, t.Col, "multiplication is not supported"}
		case tokens.Name:
			if strings.HasPrefix(t.Val, attributeOfNumber) && before[1] == tokens.Dot && (before[0] == tokens.Integer || before[0] == tokens.Float) {
				return nil, &TemplateError{t.Line, t.Col, "a number has no attributes"}
			}
			if value, ok := vars.Lookup(t.Val); ok && t.Val != "env_var" {
				values[t.Val] = value
			}
		}
		if length > maxExpression || count > maxBlocks {
			return nil, &TemplateError{t.Line, t.Col, fmt.Sprintf("an expression has more than %d parts, or there are more than %d blocks", maxExpression, maxBlocks)}
		}
		before = [2]tokens.Type{before[1], t.Type}
	}
	if stream.IsError() {
		return nil, unreadable(text, stream.Current())
	}
	return values, nil
}

// newlines makes those of the lexer, which counts positions after them.
var newlines = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// unreadable is what the lexer complains of. Of a text without its end it would show the text.
func unreadable(text string, t *tokens.Token) error {
	line, column := tokens.ReadablePosition(min(t.Pos, len(text)), text)
	for _, known := range []string{"Unexpected", "Unbalanced", "Unable to find raw", "unclosed comment", "invalid numeric", "two dots"} {
		if strings.HasPrefix(t.Val, known) {
			return &TemplateError{line, column, strings.ToLower(t.Val[:1]) + t.Val[1:]}
		}
	}
	return &TemplateError{line, column, "a text is not closed"}
}

// envVar is the function env_var of templates: an environment variable, or else the default.
func (v Variables) envVar(args ...string) (string, error) {
	if len(args) < 1 || len(args) > 2 {
		return "", fmt.Errorf("env_var takes a name and perhaps a default, found %d arguments", len(args))
	}
	if v.Env != nil {
		if value, ok := v.Env(args[0]); ok {
			return value, nil
		}
	}
	return strings.Join(args[1:], ""), nil
}

var (
	templateText  = regexp.MustCompile(`(?s)^failed to parse template '.*': `)
	templatePlace = regexp.MustCompile(`(?s)\s*\(Line: (\d+) Col: (\d+), near .*$`)
)

// problemOf is what the library complains of, without the text around it, which may hold secrets.
func problemOf(err error) error {
	message := err.Error()
	if templateText.MatchString(message) {
		message = templateText.ReplaceAllString(message, "")
	} else {
		for inner := errors.Unwrap(err); inner != nil; inner = errors.Unwrap(inner) {
			message = inner.Error()
		}
		message = message[strings.LastIndex(message, ": ")+1:]
	}
	e := &TemplateError{}
	if at := templatePlace.FindStringSubmatch(message); at != nil {
		e.Line, _ = strconv.Atoi(at[1]) // digits
		e.Column, _ = strconv.Atoi(at[2])
		message = templatePlace.ReplaceAllString(message, "")
	}
	e.Problem = strings.TrimSpace(message)
	switch {
	case strings.Contains(e.Problem, "filter '"):
		e.Problem += "; there are replace, " + strings.Join(filters, ", ")
	case strings.HasPrefix(e.Problem, "ControlStructure"):
		e.Problem = "only the blocks {% if %} and {% raw %} are supported"
	}
	return e
}

// only is a loader with one text.
type only struct{ text string }

func (o only) Read(string) (io.Reader, error) { return strings.NewReader(o.text), nil }

func (o only) Resolve(path string) (string, error) { return path, nil }

func (o only) Inherit(string) (loaders.Loader, error) { return o, nil }
