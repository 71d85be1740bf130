package stream

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Runner carries out mappings over an embedded change log. Its fields are set before [Runner.Run] and not changed later.
type Runner struct {
	Changes  Log
	Mappings []Mapping
	// Handlers has one for each mapping's function, and no others.
	Handlers map[string]Handler
	// Poll is how often the log is looked at without being told, for writes by other processes; default 1 s.
	Poll time.Duration
	// Grace is how long calls under way may go on when Run's context ends; default 10 s.
	Grace time.Duration
	// Now is the clock; nil for the wall clock.
	Now func() time.Time
	// Log gets failures of handlers and storage; nil for the default logger.
	Log *slog.Logger
}

const (
	defaultPoll  = time.Second
	defaultGrace = 10 * time.Second
)

// Run serves the mappings until the context ends. Then it begins no more calls, waits for those under way, and returns
// nil. The next Run goes on where each mapping was; records whose call did not end come again. An error means that it
// could not start.
func (r *Runner) Run(ctx context.Context) error {
	if err := r.validate(); err != nil {
		return err
	}
	work, cancelWork := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelWork()

	var all sync.WaitGroup
	var wakes []chan<- struct{}
	for _, m := range r.Mappings {
		c := r.consumer(work, m)
		wakes = append(wakes, c.wake)
		all.Go(func() { c.run(ctx) })
	}
	finished := make(chan struct{})
	var helpers sync.WaitGroup
	helpers.Go(func() { r.wakeAll(ctx, wakes) })
	helpers.Go(func() { r.limitGrace(ctx, finished, cancelWork) })
	all.Wait()
	close(finished)
	helpers.Wait()
	return nil
}

func (r *Runner) validate() error {
	if len(r.Mappings) == 0 {
		return errors.New("no event source mappings to run")
	}
	seen := map[string]bool{}
	for _, m := range r.Mappings {
		if r.Handlers[m.Function] == nil {
			return fmt.Errorf("no handler for function %q", m.Function)
		}
		if seen[m.Function] {
			return fmt.Errorf("two mappings for function %q", m.Function)
		}
		if m.BatchSize < 1 || m.ParallelizationFactor < 1 || m.Timeout <= 0 {
			return fmt.Errorf("mapping for function %q lacks batch size, parallelization factor or timeout", m.Function)
		}
		seen[m.Function] = true
	}
	for name := range r.Handlers {
		if !seen[name] {
			return fmt.Errorf("no mapping for function %q", name)
		}
	}
	return nil
}

// wakeAll hands each sign of change, and each tick, to all consumers. A consumer that is busy keeps one.
func (r *Runner) wakeAll(ctx context.Context, wakes []chan<- struct{}) {
	tick := time.NewTicker(r.poll())
	defer tick.Stop()
	changed := r.Changes.Changed()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case _, ok := <-changed:
			if !ok {
				changed = nil // only ticks from here on
			}
		}
		for _, wake := range wakes {
			select {
			case wake <- struct{}{}:
			default:
			}
		}
	}
}

// limitGrace cancels the calls that are still under way a while after the context ended.
func (r *Runner) limitGrace(ctx context.Context, finished <-chan struct{}, cancel func()) {
	select {
	case <-ctx.Done():
	case <-finished:
		return
	}
	grace := r.Grace
	if grace <= 0 {
		grace = defaultGrace
	}
	timer := time.NewTimer(grace)
	defer timer.Stop()
	select {
	case <-timer.C:
		cancel()
	case <-finished:
	}
}

func (r *Runner) poll() time.Duration {
	if r.Poll > 0 {
		return r.Poll
	}
	return defaultPoll
}

func (r *Runner) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Runner) log() *slog.Logger {
	if r.Log != nil {
		return r.Log
	}
	return slog.Default()
}
