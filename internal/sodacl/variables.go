package sodacl

import (
	"fmt"
	"strings"
	"unicode"
)

// Variables resolves ${…} in texts. The environment comes before the scan's own variables, and what is defined nowhere is
// empty: both as the reference client does it, which teams rely on.
type Variables struct {
	// Env looks a name up in the environment; nil for none.
	Env func(name string) (string, bool)
	// Values are the scan's variables.
	Values map[string]string
}

// With is v with one more value, which comes before the environment.
func (v Variables) With(name, value string) Variables {
	env := v.Env
	return Variables{Values: v.Values, Env: func(n string) (string, bool) {
		if n == name {
			return value, true
		}
		if env == nil {
			return "", false
		}
		return env(n)
	}}
}

// Lookup gives a variable's value.
func (v Variables) Lookup(name string) (string, bool) {
	if v.Env != nil {
		if value, ok := v.Env(name); ok {
			return value, true
		}
	}
	value, ok := v.Values[name]
	return value, ok
}

// Resolve replaces each ${ expression } in text. An expression is a name, 'text', or env_var('NAME', 'default'), followed by
// any number of filters: upper, lower, trim, default('text'). Text without "${" is given back as it is. The rest of Jinja
// (blocks, loops, includes) is not supported and an error, see docs/sodacl.md.
func (v Variables) Resolve(text string) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	if i := strings.Index(text, "{%"); i >= 0 {
		return "", fmt.Errorf("template blocks ({%% … %%}) are not supported, only ${…} is")
	}
	var out strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		out.WriteString(before)
		if !found {
			return out.String(), nil
		}
		e := expression{text: rest, vars: v}
		value, err := e.value()
		if err != nil {
			return "", fmt.Errorf("in ${%s: %w", clip(rest), err)
		}
		out.WriteString(value)
		text = e.text
	}
}

func clip(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}

// expression reads one ${…} from behind its opening; text is what is left to read.
type expression struct {
	text string
	vars Variables
}

func (e *expression) space() { e.text = strings.TrimLeftFunc(e.text, unicode.IsSpace) }

func (e *expression) value() (string, error) {
	value, defined, err := e.operand()
	if err != nil {
		return "", err
	}
	for {
		e.space()
		switch {
		case strings.HasPrefix(e.text, "}"):
			e.text = e.text[1:]
			return value, nil
		case strings.HasPrefix(e.text, "|"):
			e.text = e.text[1:]
			if value, err = e.filter(value, defined); err != nil {
				return "", err
			}
			defined = true
		case e.text == "":
			return "", fmt.Errorf("the closing } is missing")
		default:
			return "", fmt.Errorf("unexpected %q", clip(e.text))
		}
	}
}

func (e *expression) name() string {
	end := strings.IndexFunc(e.text, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end < 0 {
		end = len(e.text)
	}
	name := e.text[:end]
	e.text = e.text[end:]
	return name
}

func (e *expression) operand() (value string, defined bool, err error) {
	e.space()
	if strings.HasPrefix(e.text, "'") || strings.HasPrefix(e.text, `"`) {
		value, err = e.literal()
		return value, true, err
	}
	name := e.name()
	if name == "" {
		return "", false, fmt.Errorf("want a variable's name, found %q", clip(e.text))
	}
	if name == "env_var" && strings.HasPrefix(e.text, "(") {
		args, err := e.arguments()
		if err != nil {
			return "", false, err
		}
		if len(args) < 1 || len(args) > 2 {
			return "", false, fmt.Errorf("env_var takes a name and perhaps a default, found %d arguments", len(args))
		}
		if e.vars.Env != nil {
			if value, ok := e.vars.Env(args[0]); ok {
				return value, true, nil
			}
		}
		if len(args) == 2 {
			return args[1], true, nil
		}
		return "", true, nil
	}
	value, defined = e.vars.Lookup(name)
	return value, defined, nil
}

func (e *expression) literal() (string, error) {
	quote := e.text[:1]
	value, rest, found := strings.Cut(e.text[1:], quote)
	if !found {
		return "", fmt.Errorf("the closing %s is missing", quote)
	}
	e.text = rest
	return value, nil
}

func (e *expression) arguments() ([]string, error) {
	e.text = e.text[1:] // the opening parenthesis
	var args []string
	for {
		e.space()
		switch {
		case strings.HasPrefix(e.text, ")"):
			e.text = e.text[1:]
			return args, nil
		case strings.HasPrefix(e.text, ",") && len(args) > 0:
			e.text = e.text[1:]
		case strings.HasPrefix(e.text, "'"), strings.HasPrefix(e.text, `"`):
			arg, err := e.literal()
			if err != nil {
				return nil, err
			}
			args = append(args, arg)
		default:
			return nil, fmt.Errorf("want a text in quotes, found %q", clip(e.text))
		}
	}
}

func (e *expression) filter(value string, defined bool) (string, error) {
	e.space()
	name := e.name()
	var args []string
	if strings.HasPrefix(e.text, "(") {
		var err error
		if args, err = e.arguments(); err != nil {
			return "", err
		}
	}
	switch {
	case name == "upper" && len(args) == 0:
		return strings.ToUpper(value), nil
	case name == "lower" && len(args) == 0:
		return strings.ToLower(value), nil
	case name == "trim" && len(args) == 0:
		return strings.TrimSpace(value), nil
	case name == "default" && len(args) == 1:
		if defined {
			return value, nil
		}
		return args[0], nil
	}
	return "", fmt.Errorf("filter %q with %d arguments is not known; there are upper, lower, trim and default('text')", name, len(args))
}
