package sodacl

import "strings"

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

// Resolve renders text as a Jinja template whose expressions stand in ${…}. Text without "${" is given back as it is, as the
// reference client does. An error is a [*TemplateError].
func (v Variables) Resolve(text string) (string, error) {
	if !strings.Contains(text, "${") {
		return text, nil
	}
	return render(text, v)
}

func clip(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	if r := []rune(s); len(r) > 40 {
		return string(r[:40]) + "…"
	}
	return s
}
