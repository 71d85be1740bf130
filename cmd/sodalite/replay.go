//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/messages"
)

// replayed is the JSON of the replay command.
type replayed struct {
	Scans    int `json:"scans"`
	Folded   int `json:"folded"`
	Notified int `json:"notified"` // scans whose alert was put before the notifier again
	Runs     int `json:"runs"`     // runs that failed events had asked for, which wait again
	Left     int `json:"left"`     // messages that stay in the queue
}

func (r *replayed) add(o replayed) {
	r.Scans, r.Folded, r.Notified = r.Scans+o.Scans, r.Folded+o.Folded, r.Notified+o.Notified
}

func (p *program) replayCommand() *cobra.Command {
	var asJSON, notify bool
	var scan, queue string
	var since time.Duration
	c := &cobra.Command{
		Use: "replay", Short: "Digest stored scans again, and send messages that were given up", Args: noArguments,
		Long: `Digest stored scans again, oldest arrival first. What was digested before does not change and alerts nobody; what was missed
is made up for.

With --notify, messages about these scans that failed for good, or never got their turn, are tried again by the running
system. What was sent is not sent again.

With --failed-records, each message of that queue (the stack's output FailedRecordsUrl) names records of the table's stream
that function digest or notify gave up, or is an event on which function scan failed. What they are about is replayed, the runs
that events asked for are queued, and the messages removed. What cannot be replayed stays in the queue. Records that the stream
does not have any more, after a day, are made up for by --since: all scans since then are replayed.`,
		Example: "  sodalite replay\n  sodalite replay --since 24h\n  sodalite replay --scan p54eatizs6qcwe4v6mhmrh4igq --notify\n  sodalite replay --failed-records https://sqs.eu-west-1.amazonaws.com/123456789012/sodalite-FailedRecords-1ABC",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			filter := hub.ReplayFilter{ScanID: scan}
			switch {
			case scan != "" && (since != 0 || queue != "") || queue != "" && notify:
				return usageError{errors.New("--scan excludes --since and --failed-records, and the last notifies by itself")}
			case since < 0:
				return usageError{errors.New("--since is how long ago, such as 24h")}
			case queue != "" && s.Config.Table == "":
				return usageError{errors.New("--failed-records needs the table on AWS, by --table or " + config.Table)}
			case queue != "":
				out, err := p.replayFailed(ctx, s, queue, since)
				return errors.Join(err, p.printReplayed(out, asJSON, true))
			case notify && scan == "" && since == 0:
				return usageError{errors.New("--notify needs --scan or --since: say which messages")}
			case since > 0:
				filter.Since = time.Now().Add(-since)
			}
			out, err := replaySince(ctx, s, filter, notify, p.progress("Scans digested"))
			if err != nil {
				return err
			}
			return p.printReplayed(out, asJSON, notify)
		}),
	}
	c.Flags().StringVar(&scan, "scan", "", "only the scan with this id")
	c.Flags().DurationVar(&since, "since", 0, "only scans that arrived this long ago or later, such as 24h")
	c.Flags().StringVar(&queue, "failed-records", "", "address of the queue of records that were given up, on AWS")
	c.Flags().BoolVar(&notify, "notify", false, "try messages again that were given up")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// replaySince digests the scans of a filter again, and tries their messages again if it shall notify.
func replaySince(ctx context.Context, s *wiring.System, filter hub.ReplayFilter, notify bool, progress func(done, of int)) (out replayed, err error) {
	done, err := s.Hub.Replay(ctx, filter, progress)
	if err != nil {
		return out, err
	}
	out = replayed{Scans: len(done.Scans), Folded: done.Folded}
	if notify {
		out.Notified, err = notifyAgain(ctx, s, done.Scans)
	}
	return out, err
}

func (p *program) printReplayed(out replayed, asJSON, notify bool) error {
	if asJSON {
		return p.printJSON(out)
	}
	fmt.Fprintf(p.out, "%d scans digested again, %d datasets had missed one.\n", out.Scans, out.Folded)
	if notify {
		fmt.Fprintf(p.out, "%d scans with failed checks are before the notifier again.\n", out.Notified)
	}
	if out.Runs > 0 {
		fmt.Fprintf(p.out, "%d runs wait again, for the next tick of function scan.\n", out.Runs)
	}
	if out.Left > 0 {
		fmt.Fprintf(p.out, "%d messages stay in the queue.\n", out.Left)
	}
	return nil
}

// notifyAgain reopens what was given up, and lets the stream wake the notifier: it alone may publish and knows the secrets.
func notifyAgain(ctx context.Context, s *wiring.System, scans []string) (int, error) {
	notifier := messages.Notifier(s, machine.Load, false)
	notified := 0
	for _, id := range scans {
		if _, err := notifier.Reopen(ctx, id); err != nil {
			return notified, err
		}
		switch err := s.Hub.Realert(ctx, id); {
		case err == nil:
			notified++
		case !errors.Is(err, hub.ErrNotFound): // a scan without failed checks
			return notified, err
		}
	}
	return notified, nil
}
