package runs

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
)

// watcher looks after an executing run: it says that the run is alive and how far it is, keeps the lines of its log for people
// who watch, and ends its context when its time is over, when somebody wants it to end, or when it was taken for lost.
type watcher struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	timer    context.CancelFunc
	progress progress
	lines    lines
	group    sync.WaitGroup
}

func (e *Executor) watch(ctx context.Context, run Run, limit time.Duration) *watcher {
	w := &watcher{progress: progress{base: run.Done, done: run.Done, total: run.Total}, lines: lines{thread: "part " + strconv.Itoa(run.Parts+1)}}
	ctx, w.cancel = context.WithCancelCause(ctx)
	w.ctx, w.timer = context.WithTimeoutCause(ctx, limit, errTimeout)
	if run.Cancel { // while it was handed over
		w.cancel(errCanceled)
	}
	w.group.Go(func() { e.look(w, run.ID) })
	return w
}

// stop ends the watch and gives the cause that ended the run's context, nil if none did.
func (w *watcher) stop() error {
	cause := context.Cause(w.ctx)
	w.cancel(nil)
	w.timer()
	w.group.Wait()
	return cause
}

func (e *Executor) look(w *watcher, id string) {
	tick := time.NewTicker(e.pace())
	defer tick.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-tick.C:
		}
		count, size := e.keepLines(w.ctx, w, id)
		run, err := e.update(w.ctx, id, func(r *Run) {
			r.Done, r.Total = w.progress.get()
			r.Lines, r.LogBytes = r.Lines+count, r.LogBytes+size
			if now := e.Now().UTC(); r.Deadline.Sub(now) < lease*3/4 {
				r.Deadline = now.Add(lease)
			}
		})
		w.lines.full = run.Lines >= MaxLines || run.LogBytes >= maxLogBytes
		switch {
		case err != nil && w.ctx.Err() == nil:
			e.Log.WarnContext(w.ctx, "progress of a run cannot be told", "run", id, "error", err)
		case err == nil && run.State.Finished():
			w.cancel(errLost)
		case err == nil && run.Cancel:
			w.cancel(errCanceled)
		}
	}
}

// keepLines keeps what the log has said since the last time, in one write, and tells how much that is. The result has the whole
// log, so that lines which cannot be kept are not lost.
func (e *Executor) keepLines(ctx context.Context, w *watcher, id string) (count, size int) {
	batch := w.lines.take()
	if len(batch) == 0 {
		return 0, 0
	}
	size, err := e.writeLines(ctx, id, batch)
	if err != nil {
		if ctx.Err() == nil {
			e.Log.WarnContext(ctx, "log of a run cannot be shown", "run", id, "error", err)
		}
		return 0, 0
	}
	return len(batch), size
}

// lines are those of a run's log that are not kept yet.
type lines struct {
	mu     sync.Mutex
	thread string
	list   []Line
	full   bool // no more are kept; written between calls of take
}

func (l *lines) add(line dq.LogLine) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, Line{line, l.thread})
}

// take gives what fits one item; the rest comes the next time.
func (l *lines) take() []Line {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.full {
		l.list = nil
	}
	n := batchOf(l.list)
	batch := l.list[:n]
	l.list = l.list[n:]
	return batch
}

// progress is how far a run is, over all its parts.
type progress struct {
	mu                sync.Mutex
	base, done, total int
}

func (p *progress) set(done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done, p.total = p.base+done, p.base+total
}

func (p *progress) get() (done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.done, p.total
}
