package web

import (
	"cmp"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/runs"
)

// editorView is the form of a scan definition, new or not. What was typed stays in it until it can be saved.
type editorView struct {
	ID, Name, Schedule, TimeZone, Variables string
	New                                     bool
	Version                                 int64
	Sources                                 []option
	Files                                   []fileForm
	// Problems are mistakes that belong to no file.
	Problems []string
	// Conflict tells who changed the definition while it was edited.
	Conflict  bool
	ChangedBy string
	Changed   template.HTML
}

// fileForm is a file of checks in the form.
type fileForm struct {
	runs.File
	N        int
	Mistakes []mistake
	// Diff is from what is kept to what was typed, while somebody else changed it.
	Diff []diffLine
}

// mistake is one in a file, with the line that it is in.
type mistake struct {
	Line, Column int
	Message      string
	Text         string
}

func (s *site) newDefinition(w http.ResponseWriter, r *http.Request) error {
	d := runs.Definition{Source: r.URL.Query().Get("source"), Files: []runs.File{{Name: "checks.yml", Text: "checks for TABLE:\n  - row_count > 0\n"}}}
	return s.showEditor(w, r, http.StatusOK, &d, nil)
}

func (s *site) editDefinition(w http.ResponseWriter, r *http.Request, d *runs.Definition) error {
	return s.showEditor(w, r, http.StatusOK, d, nil)
}

// showEditor shows the form, with what was wrong with it.
func (s *site) showEditor(w http.ResponseWriter, r *http.Request, status int, d *runs.Definition, wrong error) error {
	v, err := s.editorView(r, d)
	if err != nil {
		return err
	}
	v.addMistakes(wrong)
	return s.renderEditor(w, r, status, v)
}

func (s *site) renderEditor(w http.ResponseWriter, r *http.Request, status int, v *editorView) error {
	title := "New scan definition"
	if !v.New {
		title = "Edit " + clip(v.Name, 80)
	}
	return s.render(w, r, status, "editor", view{Title: title, Section: "scans", Body: v})
}

func (s *site) editorView(r *http.Request, d *runs.Definition) (*editorView, error) {
	v := &editorView{ID: dq.DefinitionID(d.Name), Name: d.Name, Schedule: d.Schedule, TimeZone: d.TimeZone, New: d.Version == 0, Version: d.Version}
	list, err := s.Runs.Sources(r.Context())
	if err != nil {
		return nil, err
	}
	if d.Source != "" && !slices.ContainsFunc(list, func(o runs.Source) bool { return o.Name == d.Source }) {
		list = append(list, runs.Source{Name: d.Source})
	}
	for _, source := range list {
		v.Sources = append(v.Sources, option{source.Name, strings.TrimSpace(source.Name + " " + bracketed(source.Type)), source.Name == d.Source})
	}
	var lines []string
	for name, value := range d.Variables {
		lines = append(lines, name+"="+value)
	}
	slices.Sort(lines)
	v.Variables = strings.Join(lines, "\n")
	for i, f := range d.Files {
		v.Files = append(v.Files, fileForm{File: f, N: i})
	}
	v.Files = append(v.Files, fileForm{N: len(d.Files)}) // to add one
	return v, nil
}

func bracketed(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}

// addMistakes puts what is wrong beside the files that it is in, else above the form.
func (v *editorView) addMistakes(wrong error) {
	var found runs.Mistakes
	for _, one := range runs.Each(wrong) {
		if one != nil && !errors.As(one, &found) {
			v.Problems = append(v.Problems, strings.TrimPrefix(one.Error(), runs.ErrInvalid.Error()+": "))
		}
	}
	for _, m := range found {
		i := slices.IndexFunc(v.Files, func(f fileForm) bool { return f.Name == m.File })
		if i < 0 {
			v.Problems = append(v.Problems, m.Error())
			continue
		}
		one := mistake{Line: m.Line, Column: m.Column, Message: m.Message}
		if lines := strings.Split(v.Files[i].Text, "\n"); m.Line > 0 && m.Line <= len(lines) {
			one.Text = clip(lines[m.Line-1], 200)
		}
		v.Files[i].Mistakes = append(v.Files[i].Mistakes, one)
	}
	if len(found) > 0 {
		v.Problems = append(v.Problems, "The checks have mistakes; they are told beside the files.")
	}
}

// maxDefinitionForm is how many bytes of an edited definition are read.
const maxDefinitionForm = 2 << 20

// readForm is the definition in the form, over what of it cannot be edited.
func readForm(w http.ResponseWriter, r *http.Request, d runs.Definition) (runs.Definition, error) {
	r.Body = http.MaxBytesReader(w, r.Body, maxDefinitionForm)
	if err := r.ParseForm(); err != nil {
		return d, err
	}
	get := func(name string) string { return strings.TrimSpace(r.PostForm.Get(name)) }
	d.Source, d.Schedule, d.TimeZone = get("source"), get("schedule"), get("zone")
	d.Variables = map[string]string{}
	for line := range strings.Lines(unixLines(r.PostForm.Get("variables"))) {
		if name, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "="); strings.TrimSpace(name) != "" {
			d.Variables[strings.TrimSpace(name)] = value
		}
	}
	d.Files = nil
	for n := range runs.MaxFiles + 1 {
		name, text := get("name"+strconv.Itoa(n)), unixLines(r.PostForm.Get("file"+strconv.Itoa(n)))
		if strings.TrimSpace(text) != "" {
			d.Files = append(d.Files, runs.File{Name: cmp.Or(name, fmt.Sprintf("checks%d.yml", n+1)), Text: text})
		}
	}
	var err error
	d.Version, err = strconv.ParseInt(cmp.Or(get("version"), "0"), 10, 64)
	return d, err
}

func unixLines(text string) string { return strings.ReplaceAll(text, "\r\n", "\n") }

func (s *site) unreadable(w http.ResponseWriter, r *http.Request) error {
	s.problem(w, r, problem{Status: http.StatusBadRequest, Title: "Not saved", Text: "The form could not be read; it may be too large. Nothing was changed."})
	return nil
}

// createDefinition takes a new definition.
func (s *site) createDefinition(w http.ResponseWriter, r *http.Request) error {
	d, err := readForm(w, r, runs.Definition{})
	if err != nil {
		return s.unreadable(w, r)
	}
	d.Name, d.Version = strings.TrimSpace(r.PostForm.Get("definition")), 0
	err = s.Runs.SaveDefinition(r.Context(), d, s.user(r))
	if errors.Is(err, runs.ErrChanged) {
		err = fmt.Errorf("%w: there is a scan definition of this name already", runs.ErrInvalid)
	}
	return s.saved(w, r, &d, err)
}

// saveDefinition takes an edited definition.
func (s *site) saveDefinition(w http.ResponseWriter, r *http.Request) error {
	kept, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	d, err := readForm(w, r, kept)
	if err != nil {
		return s.unreadable(w, r)
	}
	err = s.Runs.SaveDefinition(r.Context(), d, s.user(r))
	if errors.Is(err, runs.ErrChanged) {
		return s.conflict(w, r, &d)
	}
	return s.saved(w, r, &d, err)
}

// saved goes to the definition's page, or back to the form with what is wrong.
func (s *site) saved(w http.ResponseWriter, r *http.Request, d *runs.Definition, err error) error {
	if errors.Is(err, runs.ErrInvalid) {
		return s.showEditor(w, r, http.StatusUnprocessableEntity, d, err)
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/definitions/"+dq.DefinitionID(d.Name), http.StatusSeeOther)
	return nil
}

// conflict shows what was typed beside what somebody else saved in the meantime. Saving again is over that.
func (s *site) conflict(w http.ResponseWriter, r *http.Request, d *runs.Definition) error {
	kept, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	d.Version = kept.Version
	v, err := s.editorView(r, d)
	if err != nil {
		return err
	}
	v.Conflict, v.ChangedBy, v.Changed = true, kept.UpdatedBy, clock{s.Now()}.ago(kept.Updated)
	for i := range v.Files {
		f := &v.Files[i]
		text := ""
		if at := slices.IndexFunc(kept.Files, func(o runs.File) bool { return o.Name == f.Name }); at >= 0 {
			text = kept.Files[at].Text
		}
		f.Diff = diffLines(text, f.Text)
	}
	return s.renderEditor(w, r, http.StatusConflict, v)
}

// deleteDefinition forgets a definition of the version that was seen.
func (s *site) deleteDefinition(w http.ResponseWriter, r *http.Request) error {
	d, err := s.readDefinition(r)
	if err != nil {
		return err
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if d.Version, err = strconv.ParseInt(r.PostFormValue("version"), 10, 64); err != nil {
		return s.unreadable(w, r)
	}
	err = s.Runs.DeleteDefinition(r.Context(), d)
	if errors.Is(err, runs.ErrChanged) {
		s.problem(w, r, problem{Status: http.StatusConflict, Title: "Not deleted", Text: "Somebody else has changed this scan definition since you looked at it. Look again, and then decide."})
		return nil
	}
	if err != nil {
		return err
	}
	http.Redirect(w, r, "/definitions", http.StatusSeeOther)
	return nil
}
