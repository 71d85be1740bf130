package runs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// Runs of remote scanners: a scanner that tells of a scan before its results are there, by starting it or by streaming its
// log, has a run too. Its scan is shown while it goes on, and ended as failed if the scanner falls silent.

// ByScanner is the trigger of a remote scanner's run.
const ByScanner = "scanner"

// silence is how long a remote scanner may be silent before its scan counts as lost. Statements take long, and log lines come
// when they end.
const silence = 2 * time.Hour

// The limits of a streamed log. Beyond, lines are dropped, and the last says so.
const (
	MaxLines     = 20_000
	maxLogBytes  = 4 << 20 // as stored, compressed
	maxLineBytes = 10_000
	maxBatch     = 250 << 10 // bytes of lines in one item
)

// Remote is what a scanner says of its scan when it begins.
type Remote struct {
	ID         string
	Definition string // "" if it does not say
	Covers     []dq.DatasetRef
	By         string // the API key's name
	DataTime   time.Time
	// Batched says that results come in several messages, and that the scanner says itself when it ends.
	Batched bool
	// Ended says that the scan's results are there, so that words about it that come later begin no run.
	Ended bool
}

// Begin notes that a remote scanner's scan goes on; one that is known already only gets its definition. ErrFinished if the
// run has ended.
func (s *Store) Begin(ctx context.Context, r Remote) error {
	_, err := s.hear(ctx, r, func(run *Run) {
		run.Definition, run.Batched = cmp.Or(run.Definition, r.Definition), run.Batched || r.Batched
	})
	return err
}

// hear reads or makes the run of a remote scanner, lets change edit it, and puts its deadline off.
func (s *Store) hear(ctx context.Context, r Remote, change func(*Run)) (Run, error) {
	for {
		now := s.Now().UTC()
		run, item, err := s.read(ctx, r.ID)
		switch {
		case errors.Is(err, ErrNotFound):
			run = Run{ID: r.ID, Definition: r.Definition, State: dq.Executing, Trigger: ByScanner, By: r.By, Covers: r.Covers, Batched: r.Batched, DataTime: r.DataTime, Requested: now, Started: now}
			if r.Ended {
				run.State, run.Ended = dq.Completed, now
			}
		case err != nil:
			return run, err
		case run.State.Finished():
			return run, ErrFinished
		}
		before := string(item.Head)
		change(&run)
		if !run.State.Finished() && run.Trigger == ByScanner && run.Deadline.Before(now.Add(silence-silence/8)) {
			run.Deadline = now.Add(silence)
		}
		op, err := s.put(run, item.Version)
		if err != nil || string(op.Item.Head) == before {
			return run, err
		}
		err = s.Table.Write(ctx, op)
		if !lostRace(err) {
			return run, err
		}
		if err := ctx.Err(); err != nil {
			return run, err
		}
	}
}

// End ends the run of a scan, if there is one that goes on.
func (s *Store) End(ctx context.Context, id string, state dq.ScanState, why string) error {
	err := s.end(ctx, id, state, why)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

// silent is why a remote scanner's scan failed that nobody ended.
const silent = "The scanner fell silent and did not say how its scan ended."

// buryRemote ends the run of a scanner that fell silent, with a failed scan if it is known of which definition. Results that
// had come are its end, unless they come in batches: then they were a part, and the failed scan stands beside them.
func (e *Executor) buryRemote(ctx context.Context, run Run) error {
	head, err := e.Hub.ScanHead(ctx, run.ID)
	if err != nil && !errors.Is(err, hub.ErrNotFound) {
		return fmt.Errorf("run %s: %w", run.ID, err)
	}
	stored := err == nil
	if stored && !run.Batched {
		return e.end(ctx, run.ID, head.State, head.Why)
	}
	if run.Definition != "" {
		scan := e.failed(run, silent)
		scan.ID, scan.Scanner, scan.Covers = run.ID, dq.Scanner{}, run.Covers
		if stored {
			scan.ID = dq.OpaqueID(26, "silent", run.ID)
		}
		if _, err := e.Hub.Accept(ctx, scan); err != nil {
			return fmt.Errorf("run %s: %w", run.ID, err)
		}
	}
	return e.end(ctx, run.ID, dq.Failed, silent)
}

// Line is one line of a streamed log. Thread and Index name it: what is sent twice is kept once.
type Line struct {
	dq.LogLine
	Thread string `json:"thread,omitempty"`
}

// Stream keeps lines of a scan's log as its scanner sends them. They make a run if there is none, and are kept after its end
// too. The same batch again changes nothing.
func (s *Store) Stream(ctx context.Context, r Remote, lines []Line) error {
	for len(lines) > 0 {
		n := batchOf(lines)
		if err := s.streamBatch(ctx, r, lines[:n]); err != nil {
			return err
		}
		lines = lines[n:]
	}
	return nil
}

// batchOf cuts lines in place, and gives how many of them fit an item.
func batchOf(lines []Line) int {
	size := 0
	for i := range lines {
		if l := &lines[i]; len(l.Message) > maxLineBytes {
			l.Message = strings.ToValidUTF8(l.Message[:maxLineBytes], "") + "…"
		}
		if size += len(lines[i].Message) + 100; size > maxBatch && i > 0 {
			return i
		}
	}
	return len(lines)
}

func (s *Store) streamBatch(ctx context.Context, r Remote, lines []Line) error {
	run, err := s.hear(ctx, r, func(run *Run) {
		if run.Definition == "" {
			run.Definition, run.Covers = r.Definition, r.Covers
		}
	})
	if err != nil && !errors.Is(err, ErrFinished) {
		return err
	}
	if run.Lines >= MaxLines || run.LogBytes >= maxLogBytes {
		return nil
	}
	size, err := s.writeLines(ctx, r.ID, lines)
	if err != nil || size == 0 {
		return err
	}
	return s.count(ctx, r, len(lines), size)
}

// writeLines writes a batch, and gives the bytes that it takes, 0 if it was written before.
func (s *Store) writeLines(ctx context.Context, id string, lines []Line) (size int, err error) {
	body, err := hub.Pack(lines)
	if err != nil {
		return 0, err
	}
	item := table.Item{Key: linesKey(id, lines[0]), Entity: entityLines, Version: 1, Expires: s.Now().Add(s.Keep), Body: body}
	err = s.Table.Write(ctx, table.Put(item, table.IfAbsent()))
	if errors.Is(err, table.ErrCondition) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("log of run %q: %w", id, err)
	}
	return len(body), nil
}

// count adds to the size of a run's log, also after its end.
func (s *Store) count(ctx context.Context, r Remote, lines, size int) error {
	for {
		run, item, err := s.read(ctx, r.ID)
		if err != nil {
			return err
		}
		run.Lines, run.LogBytes = run.Lines+lines, run.LogBytes+size
		op, err := s.put(run, item.Version)
		if err != nil {
			return err
		}
		err = s.Table.Write(ctx, op)
		if !lostRace(err) {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
}

// without leaves out the lines that are among others. Lines of whole seconds are not our own, and are kept.
func without(lines, others []dq.LogLine) []dq.LogLine {
	type name struct {
		at      int64
		message string
	}
	known := map[name]bool{}
	for _, l := range others {
		known[name{l.Time.UnixNano(), l.Message}] = l.Time.Nanosecond() != 0
	}
	return slices.DeleteFunc(slices.Clone(lines), func(l dq.LogLine) bool { return known[name{l.Time.UnixNano(), l.Message}] })
}

// linesKey names a batch by its first line.
func linesKey(id string, first Line) table.Key {
	return table.Key{PK: runKey(id).PK, SK: fmt.Sprintf("%s%s#%09d", linesPrefix, dq.OpaqueID(12, first.Thread), max(first.Index, 0))}
}

// Log reads what was streamed of a scan's log, in order. None is no error.
func (s *Store) Log(ctx context.Context, id string) ([]dq.LogLine, error) {
	items, err := table.All(ctx, s.Table.Query, table.Range{PK: runKey(id).PK, Prefix: linesPrefix})
	if errors.Is(err, table.ErrInvalid) || errors.Is(err, table.ErrTooLarge) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("log of run %q: %w", id, err)
	}
	var lines []Line
	for _, it := range items {
		var batch []Line
		if err := hub.Unpack(it.Body, &batch); err != nil {
			return nil, fmt.Errorf("log of run %q: %w", id, err)
		}
		lines = append(lines, batch...)
	}
	return inOrder(lines), nil
}

// inOrder sorts lines: those of one thread by their index, threads by time, as far as whole seconds tell. What came twice is
// kept once.
func inOrder(lines []Line) []dq.LogLine {
	slices.SortStableFunc(lines, func(a, b Line) int { return cmp.Or(cmp.Compare(a.Thread, b.Thread), cmp.Compare(a.Index, b.Index)) })
	lines = slices.CompactFunc(lines, func(a, b Line) bool { return a.Thread == b.Thread && a.Index == b.Index })
	at := make([]time.Time, len(lines)) // never falls within a thread
	for i, l := range lines {
		at[i] = l.Time
		if i > 0 && lines[i-1].Thread == l.Thread && at[i-1].After(at[i]) {
			at[i] = at[i-1]
		}
	}
	place := make([]int, len(lines))
	for i := range place {
		place[i] = i
	}
	slices.SortStableFunc(place, func(a, b int) int { return at[a].Compare(at[b]) })
	out := make([]dq.LogLine, len(lines))
	for n, i := range place {
		out[n] = lines[i].LogLine
		out[n].Index = n
	}
	if len(out) >= MaxLines {
		out = append(out, dq.LogLine{Index: len(out), Level: dq.LevelWarning, Message: "The log is longer than is kept."})
	}
	return out
}

// JoinLogs puts what was streamed of a scan's log before what came with its result. Scanners send a line once, one way or the
// other; of our own runs the result has what was streamed, too.
func JoinLogs(streamed, sent []dq.LogLine) []dq.LogLine {
	if streamed = without(streamed, sent); len(streamed) == 0 {
		return sent
	}
	lines := slices.Concat(streamed, sent)
	for i := range lines {
		lines[i].Index = i
	}
	return lines
}
