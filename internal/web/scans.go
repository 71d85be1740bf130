package web

import (
	"html/template"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wording"
)

type scansView struct {
	Definition string
	Known      []string // definitions to choose from
	States     menu
	Fields     []field
	Clear      string
	Open       []runRow // scans that run here now
	Rows       []scanRow
	Newest     string // the address of the first page, "" on it
	Older      string
	Virgin     bool
}

// scanRow is a scan in a list.
type scanRow struct {
	ID, Definition, Source string
	State                  template.HTML
	Trouble                bool
	Started                template.HTML
	Duration               string
	Counts                 []countView
	Errors                 string
	Why                    string
	Datasets               []string
	MoreDatasets           string
	Scanner                string
}

func (s *site) scans(w http.ResponseWriter, r *http.Request) error {
	a := newAddress("/scans", r.URL.Query(), "definition", "state", "before", "size")
	filter := hub.ScanFilter{Definition: a.get("definition"), Before: a.get("before"), Size: a.size()}
	if state := dq.ScanState(a.get("state")); slices.Contains(stateOrder, state) {
		filter.State = state
	}
	page, err := s.Hub.Scans(r.Context(), filter)
	if err != nil {
		return err
	}
	v := scansView{
		Definition: filter.Definition, States: stateMenu(filter.State), Fields: a.fields("definition", "state", "before"),
		Rows: clock{s.Now()}.scanRows(page.Rows),
	}
	for _, row := range page.Rows {
		v.Known = append(v.Known, row.Definition)
	}
	slices.Sort(v.Known)
	v.Known = slices.Compact(v.Known)
	if filter.Before != "" {
		v.Newest = a.with("before", "").String()
	}
	if page.Next != "" {
		v.Older = a.with("before", page.Next).String()
	}
	if filter.Definition != "" || filter.State != "" {
		v.Clear = a.with("definition", "", "state", "", "before", "").String()
	}
	if filter.Before == "" && filter.State == "" {
		if v.Open, err = s.openRuns(r.Context(), filter.Definition); err != nil {
			return err
		}
	}
	v.Virgin = len(v.Rows)+len(v.Open) == 0 && v.Clear == "" && filter.Before == ""
	return s.render(w, r, http.StatusOK, "scans", view{Title: "Scans", Section: "scans", Body: v})
}

func stateMenu(chosen dq.ScanState) menu {
	m := menu{Name: "state", Label: "State", Any: "All states"}
	for _, state := range stateOrder {
		m.Options = append(m.Options, option{string(state), stateLooks[state].word, state == chosen})
	}
	return m
}

func (c clock) scanRows(heads []hub.ScanHead) []scanRow {
	rows := make([]scanRow, len(heads))
	for i := range heads {
		rows[i] = c.scanRow(&heads[i])
	}
	return rows
}

func (c clock) scanRow(h *hub.ScanHead) scanRow {
	r := scanRow{
		ID: h.ID, Definition: h.Definition, Source: h.DataSource, State: stateBadge(h.State), Trouble: h.State.Finished() && !h.State.Clean(),
		Started: c.ago(firstTime(h.Started, h.DataTime, h.Received)), Duration: durationText(h.Started, h.Ended), Counts: countViews(h.Counts),
		Why: clip(h.Why, 200), Scanner: h.Scanner, Datasets: h.Datasets,
	}
	if h.Errors > 0 {
		r.Errors = wording.Count(h.Errors, "error")
	}
	if more := h.DatasetCount - len(h.Datasets); more > 0 && len(h.Datasets) > 0 {
		r.MoreDatasets = digits(more)
	}
	for i, name := range r.Datasets {
		r.Datasets[i] = strings.TrimPrefix(name, h.DataSource+"/")
	}
	return r
}

func firstTime(times ...time.Time) time.Time {
	for _, t := range times {
		if !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// durationText is how long something took, "" if that is not known.
func durationText(from, to time.Time) string {
	if from.IsZero() || to.IsZero() || to.Before(from) {
		return ""
	}
	return wording.FormatDuration(to.Sub(from))
}
