package runs

import (
	"context"
	"errors"
	"time"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/table"
)

// lease is how long an executing run may be silent before it counts as lost, and more than storing a result takes.
const lease = 2 * time.Minute

// errBusy says that another run of the definition goes on.
var errBusy = errors.New("another run of the definition goes on")

// claim makes a waiting run executing. It gives false if the run does not wait (any more), and errBusy if another run of the
// definition goes on.
func (s *Store) claim(ctx context.Context, id string) (Run, bool, error) {
	run, item, err := s.read(ctx, id)
	if err != nil || run.waiting().IsZero() || run.State.Finished() {
		return run, false, err
	}
	fresh := run.State == dq.Queuing
	now := s.Now().UTC()
	run.State, run.Deadline, run.HandedOver = dq.Executing, now.Add(lease), time.Time{}
	if fresh {
		run.Started = now
	}
	put, err := s.put(run, item.Version)
	if err != nil {
		return run, false, err
	}
	ops := []table.Op{put}
	if fresh { // a run that was handed over holds the definition already
		ops = append(ops, table.Put(table.Item{Key: claimKey(run.Definition), Entity: entityClaim, Version: 1, Head: quoted(id)}, table.IfAbsent()))
	}
	if err := s.Table.Write(ctx, ops...); !lostRace(err) {
		return run, err == nil, err
	}
	if now, _, err := s.read(ctx, id); err != nil || now.State != dq.Queuing {
		return now, false, err // somebody else claimed it
	}
	return run, false, errBusy
}

func quoted(s string) []byte { return []byte(`"` + s + `"`) } // ids need no escaping

// end writes the run's end, and lets the next run of the definition begin.
func (s *Store) end(ctx context.Context, id string, state dq.ScanState, why string) error {
	_, err := s.endIf(ctx, id, "", state, why)
	return err
}

// endIf is end, if the run's state is as given, "" for any that is no end. It tells whether the run has ended so.
func (s *Store) endIf(ctx context.Context, id string, is, state dq.ScanState, why string) (bool, error) {
	for {
		run, item, err := s.read(ctx, id)
		if err != nil || run.State.Finished() || is != "" && run.State != is {
			return false, err
		}
		executed := run.State == dq.Executing
		run.State, run.Why, run.Ended, run.HandedOver = state, dq.Truncate(why, 300), s.Now().UTC(), time.Time{}
		put, err := s.put(run, item.Version)
		if err != nil {
			return false, err
		}
		ops := []table.Op{put}
		if executed {
			if ops, err = s.release(ctx, run, ops); err != nil {
				return false, err
			}
		}
		if err := s.Table.Write(ctx, ops...); !lostRace(err) {
			return err == nil, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
	}
}

// release adds the end of the run's claim, if it holds one.
func (s *Store) release(ctx context.Context, run Run, ops []table.Op) ([]table.Op, error) {
	lock, err := s.Table.Get(ctx, claimKey(run.Definition))
	if errors.Is(err, table.ErrNotFound) || err == nil && string(lock.Head) != string(quoted(run.ID)) {
		return ops, nil
	}
	if err != nil {
		return nil, err
	}
	// Gone by expiry, which is as good as deleted and needs no right to delete.
	lock.Expires = s.Now().Add(-time.Second)
	version := lock.Version
	lock.Version++
	return append(ops, table.Put(lock, table.IfVersion(version))), nil
}
