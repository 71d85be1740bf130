package web

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"strconv"
	"strings"

	"github.com/aymanbagabas/go-udiff"

	"github.com/sodalite-dq/sodalite/internal/contract"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/sodacl"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

// versionsShown is how many versions of its contract a dataset's page lists, the newest first.
const versionsShown = 50

// contractView is a dataset's contract: the newest version, the others, and what has changed since one of them.
type contractView struct {
	Version, By, Path string
	At                template.HTML
	Href              string // of the text alone
	Text              string
	// Remarks counts what the text's page says of it, "" for nothing.
	Remarks string
	Older   []versionRow
	// Since is the version that Changes compares with.
	Since   string
	Changes []diffLine
	// Verified is a text that the newest scan verified and that is not the newest version, "" if there is none.
	Verified, VerifiedHref, VerifiedBy string
}

type versionRow struct {
	Number  string
	By      string
	At      template.HTML
	Href    string
	Compare string
	Current bool
}

// diffLine is a line of a comparison. Sign is "+", "−", or a space.
type diffLine struct{ Class, Sign, Text string }

// contract gives nil for a dataset that no contract is known of.
func (s *site) contract(ctx context.Context, a address, datasetID string, verified *dq.ContractRef, verifiedBy string) (*contractView, error) {
	versions, err := s.Hub.ContractVersions(ctx, datasetID, versionsShown)
	if err != nil || len(versions) == 0 && verified == nil {
		return nil, err
	}
	v := &contractView{}
	if verified != nil && (len(versions) == 0 || versions[0].File != verified.File) && validID(verified.File) {
		v.Verified, v.VerifiedHref, v.VerifiedBy = fileName(verified.Path), "/contracts/"+verified.File, verifiedBy
	}
	if len(versions) == 0 {
		return v, nil
	}
	newest, now := versions[0], clock{s.Now()}
	v.Version, v.By, v.Path, v.At, v.Href = strconv.Itoa(newest.Number), newest.By, newest.Path, now.ago(newest.At), "/contracts/"+newest.File
	v.Text, err = s.contractText(ctx, newest.File)
	v.Remarks = remarks(v.Text)
	if err != nil || len(versions) == 1 {
		return v, err
	}
	since := versions[1]
	for _, old := range versions[1:] {
		if a.get("since") == strconv.Itoa(old.Number) {
			since = old
		}
	}
	for _, old := range versions[1:] {
		number := strconv.Itoa(old.Number)
		v.Older = append(v.Older, versionRow{number, old.By, now.ago(old.At), "/contracts/" + old.File, a.with("since", number).String() + "#contract", old.Number == since.Number})
	}
	before, err := s.contractText(ctx, since.File)
	v.Since, v.Changes = strconv.Itoa(since.Number), diffLines(before, v.Text)
	return v, err
}

// remarks counts the mistakes and hints of a contract, in words.
func remarks(text string) string {
	mistakes, hints := 0, 0
	for _, m := range contract.Review(sodacl.File{Text: []byte(text)}).Mistakes {
		if m.Warning {
			hints++
		} else {
			mistakes++
		}
	}
	var words []string
	if mistakes > 0 {
		words = append(words, wording.Count(mistakes, "mistake"))
	}
	if hints > 0 {
		words = append(words, wording.Count(hints, "hint"))
	}
	return strings.Join(words, ", ")
}

// contractText reads a text that may have expired.
func (s *site) contractText(ctx context.Context, file string) (string, error) {
	text, err := s.Hub.ContractText(ctx, file)
	if errors.Is(err, hub.ErrNotFound) {
		return "", nil
	}
	return text, err
}

// fileName is where somebody had a contract, in words.
func fileName(path string) string {
	switch path {
	case "", "REMOTE":
		return "a contract"
	}
	return path
}

// maxDiff is how many lines of a comparison are shown.
const maxDiff = 2000

// diffLines compares two texts line by line, with the lines around what has changed.
func diffLines(before, after string) []diffLine {
	var lines []diffLine
	for line := range strings.Lines(udiff.Unified("", "", before, after)) {
		line = strings.TrimRight(line, "\n")
		switch {
		case len(lines) == maxDiff:
			return append(lines, diffLine{"gap", " ", "The rest is not shown."})
		case strings.HasPrefix(line, "--- ") || strings.HasPrefix(line, "+++ ") || strings.HasPrefix(line, `\ `):
		case strings.HasPrefix(line, "@@"):
			lines = append(lines, diffLine{"gap", " ", line})
		case strings.HasPrefix(line, "+"):
			lines = append(lines, diffLine{"added", "+", line[1:]})
		case strings.HasPrefix(line, "-"):
			lines = append(lines, diffLine{"removed", "−", line[1:]})
		default:
			lines = append(lines, diffLine{"", " ", strings.TrimPrefix(line, " ")})
		}
	}
	return lines
}

type contractFileView struct {
	ID      string
	Dataset datasetLink
	// Mistakes are why the text cannot be run, Hints what may not be meant, or cannot be run here.
	Mistakes, Hints []contractProblem
	Lines           []contractLine
}

// contractProblem is something that is wrong with a text, at a place unless Line is 0.
type contractProblem struct {
	Line, Column int
	Text         string
}

type contractLine struct {
	Number int
	Text   string
	Wrong  bool
}

// contractFile is the page of one text, contract or not, with what is wrong with it.
func (s *site) contractFile(w http.ResponseWriter, r *http.Request) error {
	id, err := pathID(r)
	if err != nil {
		return err
	}
	text, err := s.Hub.ContractText(r.Context(), id)
	if err != nil {
		return err
	}
	c := contract.Review(sodacl.File{Text: []byte(text)})
	v := contractFileView{ID: id}
	for n, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		v.Lines = append(v.Lines, contractLine{Number: n + 1, Text: line})
	}
	for _, m := range c.Mistakes {
		v.tell(m)
	}
	title := "Contract"
	if d := c.Dataset; d.Name != "" {
		v.Dataset = datasetLink{d.ID(), d.QualifiedName()}
		title = "Contract of " + clip(datasetName(d), 80)
	}
	return s.render(w, r, http.StatusOK, "contract", view{Title: title, Section: "datasets", Body: v})
}

func (v *contractFileView) tell(m sodacl.Mistake) {
	problem := contractProblem{m.Line, m.Column, m.Message}
	if m.Warning {
		v.Hints = append(v.Hints, problem)
		return
	}
	v.Mistakes = append(v.Mistakes, problem)
	if m.Line > 0 && m.Line <= len(v.Lines) {
		v.Lines[m.Line-1].Wrong = true
	}
}
