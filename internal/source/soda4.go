package source

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/sodalite-dq/sodalite/internal/sodacl"
)

var namespaced = regexp.MustCompile(`\$\{ *(env|var)\.([a-zA-Z_][a-zA-Z_0-9]*) *\}`)

// readSoda4 reads a file in the form of Soda 4: one data source, or a soda_cloud section with its way to write variables. It
// gives false if the file is of another form.
func (c *Config) readSoda4(f sodacl.File, vars sodacl.Variables) bool {
	var doc yaml.Node
	if yaml.Unmarshal(f.Text, &doc) != nil || len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		return false
	}
	root := doc.Content[0]
	keys := map[string]*yaml.Node{}
	for i := 0; i+1 < len(root.Content); i += 2 {
		keys[root.Content[i].Value] = root.Content[i+1]
	}
	at := func(n *yaml.Node) sodacl.Position {
		return sodacl.Position{File: f.Name, Line: n.Line, Column: n.Column}
	}
	switch {
	case keys["type"] != nil && keys["name"] != nil:
		c.fill(f.Name, root, vars)
		s := &Settings{Name: keys["name"].Value, Type: keys["type"].Value, At: at(root), values: map[string]string{}}
		flatten(s.values, root)
		delete(s.values, "name")
		c.passwordFile(s, at(root))
		c.Sources[s.Name] = s
	case keys["soda_cloud"] != nil && namespaced.Match(f.Text):
		c.fill(f.Name, root, vars)
		for i := 0; i+1 < len(root.Content); i += 2 {
			c.section(f.Name, root.Content[i], root.Content[i+1])
		}
	default:
		return false
	}
	return true
}

// fill replaces references in all values. What is not set is a mistake.
func (c *Config) fill(file string, n *yaml.Node, vars sodacl.Variables) {
	for _, child := range n.Content {
		c.fill(file, child, vars)
	}
	if n.Kind != yaml.ScalarNode || !namespaced.MatchString(n.Value) {
		return
	}
	n.Value = namespaced.ReplaceAllStringFunc(n.Value, func(ref string) string {
		m := namespaced.FindStringSubmatch(ref)
		value, ok := vars.Values[m[2]]
		if m[1] == "env" {
			value, ok = "", false
			if vars.Env != nil {
				value, ok = vars.Env(m[2])
			}
		}
		if !ok {
			c.mistake(sodacl.Position{File: file, Line: n.Line, Column: n.Column}, "%s is not set", ref)
		}
		return value
	})
}

// passwordFile reads the password from the file that the settings name.
func (c *Config) passwordFile(s *Settings, at sodacl.Position) {
	path := s.Text("password_file", "")
	if path == "" || s.Text("password", "") != "" {
		return
	}
	text, err := os.ReadFile(path)
	if err != nil {
		c.mistake(at, "data source %s: password_file: %s", s.Name, problem(err))
		return
	}
	if s.values["password"] = strings.TrimSpace(string(text)); s.values["password"] == "" {
		c.mistake(at, "%s", fmt.Sprintf("data source %s: password_file %s is empty", s.Name, path))
	}
}
