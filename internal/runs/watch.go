package runs

import (
	"context"
	"sync"
	"time"
)

// watcher looks after an executing run: it says that the run is alive and how far it is, and ends its context when its time
// is over, when somebody wants it to end, or when it was taken for lost.
type watcher struct {
	ctx      context.Context
	cancel   context.CancelCauseFunc
	timer    context.CancelFunc
	progress progress
	group    sync.WaitGroup
}

func (e *Executor) watch(ctx context.Context, run Run, limit time.Duration) *watcher {
	w := &watcher{progress: progress{base: run.Done, done: run.Done, total: run.Total}}
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
		run, err := e.update(w.ctx, id, func(r *Run) {
			r.Done, r.Total = w.progress.get()
			if now := e.Now().UTC(); r.Deadline.Sub(now) < lease*3/4 {
				r.Deadline = now.Add(lease)
			}
		})
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
