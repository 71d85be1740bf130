package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

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
that function digest or notify gave up. What they are about is replayed, and the message removed from the queue.`,
		Example: "  sodalite replay\n  sodalite replay --since 24h\n  sodalite replay --scan p54eatizs6qcwe4v6mhmrh4igq --notify\n  sodalite replay --failed-records https://sqs.eu-west-1.amazonaws.com/123456789012/sodalite-FailedRecords-1ABC",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			filter := hub.ReplayFilter{ScanID: scan}
			switch {
			case scan != "" && since != 0 || queue != "" && (scan != "" || since != 0 || notify):
				return usageError{errors.New("--scan, --since and --failed-records exclude each other; the last notifies by itself")}
			case queue != "" && s.Config.Table == "":
				return usageError{errors.New("--failed-records needs the table on AWS, by --table or " + config.Table)}
			case queue != "":
				out, err := p.replayFailed(ctx, s, queue)
				return errors.Join(err, p.printReplayed(out, asJSON, true))
			case notify && scan == "" && since == 0:
				return usageError{errors.New("--notify needs --scan or --since: say which messages")}
			case since < 0:
				return usageError{errors.New("--since is how long ago, such as 24h")}
			case since > 0:
				filter.Since = time.Now().Add(-since)
			}
			done, err := s.Hub.Replay(ctx, filter, p.progress("Scans digested"))
			if err != nil {
				return err
			}
			out := replayed{Scans: len(done.Scans), Folded: done.Folded}
			if notify {
				if out.Notified, err = notifyAgain(ctx, s, done.Scans); err != nil {
					return err
				}
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

func (p *program) printReplayed(out replayed, asJSON, notify bool) error {
	if asJSON {
		return p.printJSON(out)
	}
	fmt.Fprintf(p.out, "%d scans digested again, %d datasets had missed one.\n", out.Scans, out.Folded)
	if notify {
		fmt.Fprintf(p.out, "%d scans with failed checks are before the notifier again.\n", out.Notified)
	}
	return nil
}

// notifyAgain reopens what was given up, and lets the stream wake the notifier: it alone may publish and knows the secrets.
func notifyAgain(ctx context.Context, s *wiring.System, scans []string) (int, error) {
	notifier := messages.Notifier(s, wiring.LoadAWS, false)
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
