package v4

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/wire"
)

// wireLog is a log record (Soda Core 4 protocol, log record). Thread is a text or a number.
type wireLog struct {
	Level     string          `json:"level"`
	Message   string          `json:"message"`
	Timestamp string          `json:"timestamp"`
	Index     int             `json:"index"`
	Thread    json.RawMessage `json:"thread"`
	Location  *struct {
		FilePath string `json:"file_path"`
		Line     int    `json:"line"`
		Column   int    `json:"column"`
	} `json:"location"`
	Exception string `json:"exception"`
	Dataset   string `json:"dataset"`
}

func (w *wireLog) line(path string) (dq.LogLine, error) {
	l := dq.LogLine{Index: w.Index, Level: level(w.Level), Message: w.Message}
	if w.Exception != "" && !strings.Contains(w.Message, w.Exception) {
		l.Message += "\n" + w.Exception
	}
	if w.Location != nil && w.Location.FilePath != "" {
		l.Location = &dq.Location{File: w.Location.FilePath, Line: w.Location.Line + 1, Col: w.Location.Column + 1}
	}
	return l, wire.Time(path+".timestamp", w.Timestamp, &l.Time)
}

func level(word string) string {
	switch word = strings.ToLower(word); word {
	case "critical", "fatal":
		return dq.LevelError
	case "warn":
		return dq.LevelWarning
	case "":
		return dq.LevelInfo
	}
	return word
}

// readLogs reads the records of a scan's log, in the order of their index.
func readLogs(list []json.RawMessage) ([]dq.LogLine, error) {
	var lines []dq.LogLine
	for i, raw := range list {
		path := fmt.Sprintf("logs[%d]", i)
		var w wireLog
		if err := wire.Decode(path, raw, &w); err != nil {
			return nil, err
		}
		l, err := w.line(path)
		if err != nil {
			return nil, err
		}
		lines = append(lines, l)
	}
	slices.SortStableFunc(lines, func(a, b dq.LogLine) int { return a.Index - b.Index })
	return lines, nil
}

// StreamedLine is one line of a log that is sent while the scan runs. Thread and the line's index name it.
type StreamedLine struct {
	dq.LogLine
	Thread  string
	Dataset string // qualified name, mostly ""
}

// ReadLogBatch reads JSON Lines (Soda Core 4 protocol, log streaming). The client does not look at the answer, so nothing is
// refused: what is no record is a line as it stands.
func ReadLogBatch(data []byte) []StreamedLine {
	var lines []StreamedLine
	for raw := range bytes.Lines(data) {
		if raw = bytes.TrimSpace(raw); len(raw) == 0 {
			continue
		}
		var w wireLog
		if json.Unmarshal(raw, &w) != nil {
			w = wireLog{Message: string(raw), Thread: json.RawMessage(dq.OpaqueID(12, string(raw)))}
		}
		l, err := w.line("")
		if err != nil {
			l.Message += " (" + w.Timestamp + ")"
		}
		lines = append(lines, StreamedLine{l, strings.Trim(string(w.Thread), `"`), w.Dataset})
	}
	return lines
}

// identifier is how clients from 4.0 on write a dataset into their log before they ask for its configuration.
var identifier = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`DatasetIdentifier\(data_source='([^']+)', prefixes=\[([^\]]*)\], dataset='([^']+)'\)`)
})

// datasetOfLog finds the dataset that a log is about. Of a managed run that fails before it has results the client tells
// neither scan definition nor dataset in any other way.
func datasetOfLog(lines []dq.LogLine) (dq.DatasetRef, bool) {
	for _, l := range lines {
		found := identifier().FindStringSubmatch(l.Message)
		if found == nil {
			continue
		}
		d := dq.DatasetRef{DataSource: found[1], Name: found[3]}
		for part := range strings.SplitSeq(found[2], ",") {
			if part = strings.Trim(strings.TrimSpace(part), "'"); part != "" {
				d.Prefix = append(d.Prefix, part)
			}
		}
		return d, true
	}
	return dq.DatasetRef{}, false
}

// DatasetOfBatch finds the dataset that a batch of a log is about, if it tells.
func DatasetOfBatch(batch []StreamedLine) (dq.DatasetRef, bool) {
	for _, l := range batch {
		if d, ok := dq.ParseQualifiedName(l.Dataset); ok {
			return d, true
		}
		if d, ok := datasetOfLog([]dq.LogLine{l.LogLine}); ok {
			return d, true
		}
	}
	return dq.DatasetRef{}, false
}

// Failed is what sodaCoreMarkScanFailed says: a managed run came to nothing.
type Failed struct {
	ScanID string
	Logs   []dq.LogLine
	// Dataset is what the run was about, if its log tells.
	Dataset dq.DatasetRef
	Known   bool
}

// ReadFailed reads the members of sodaCoreMarkScanFailed. Errors are of type [*wire.Error].
func ReadFailed(members map[string]json.RawMessage) (Failed, error) {
	var f Failed
	var logs []json.RawMessage
	_, err := wire.Members(members, map[string]any{"scanId": &f.ScanID, "logs": &logs})
	if err != nil {
		return f, err
	}
	if f.ScanID == "" {
		return f, wire.Bad("scanId", "is missing")
	}
	if err := CheckID("scanId", f.ScanID); err != nil {
		return f, err
	}
	if f.Logs, err = readLogs(logs); err != nil {
		return f, err
	}
	f.Dataset, f.Known = datasetOfLog(f.Logs)
	return f, nil
}
