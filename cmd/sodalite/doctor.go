//go:build !scanner

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite"
	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/doctor"
	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/messages"
)

// An API key for the doctor to try.
const (
	ownKeyID  = "SODALITE_API_KEY_ID"
	ownSecret = "SODALITE_API_KEY_SECRET"
)

var errUnhealthy = errors.New("something is wrong, see above")

func (p *program) doctorCommand() *cobra.Command {
	var asJSON, sendTest bool
	c := &cobra.Command{
		Use: "doctor", Short: "Look whether a deployment is as it should be", Args: noArguments,
		Long: `Look at a deployment, of the embedded database or of a DynamoDB table, and say in one line each what is right, what is wrong,
and how to put it right. Nothing is changed, and nothing is sent unless --send-test says so.

Exit codes: 0 nothing is wrong (there may be warnings), 1 something is wrong, 2 wrong usage or settings.`,
		Example: "  sodalite doctor\n  SODALITE_TABLE=sodalite-Table-1ABC SODALITE_PUBLIC_URL=https://… sodalite doctor\n  sodalite doctor --json | jq '.[] | select(.state == \"wrong\")'",
		RunE: p.onSystem(func(ctx context.Context, s *wiring.System, _ []string) error {
			checks, err := p.doctorChecks(s)
			if err != nil {
				return err
			}
			if sendTest {
				checks = append(checks, testMessages(s)...)
			}
			found := doctor.Run(ctx, checks)
			if asJSON {
				err = p.printJSON(found)
			} else {
				p.printFindings(found)
			}
			if err == nil && !doctor.Healthy(found) {
				err = errUnhealthy
			}
			return err
		}),
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	c.Flags().BoolVar(&sendTest, "send-test", false, "send a message that says it is a test to every destination of the settings")
	return c
}

func (p *program) doctorChecks(s *wiring.System) ([]doctor.Check, error) {
	own := func(name string) string { v, _ := p.get(name); return v }
	checks := doctor.Common(doctor.System{
		Hub: s.Hub, Auth: s.Auth, PublicURL: s.Config.PublicURL, KeyID: own(ownKeyID), Secret: own(ownSecret), Now: time.Now,
	})
	mappings, err := stream.ReadMappings(sodalite.Template)
	if err != nil {
		return nil, err
	}
	if store, ok := s.Table.(*sqlite.Table); ok {
		checks = append(checks, embeddedChecks(store, mappings)...)
	} else {
		checks = append(checks, doctor.OnAWS(newCloud(s.Config.Table), mappings)...)
	}
	return append(checks, destinationChecks(s.Config)...), nil
}

// embeddedChecks look at the database file and the change log in it.
func embeddedChecks(store *sqlite.Table, mappings []stream.Mapping) []doctor.Check {
	checks := []doctor.Check{
		{Name: "database file", Run: func(ctx context.Context) doctor.Finding {
			switch err := store.Check(ctx); {
			case errors.Is(err, context.DeadlineExceeded):
				return doctor.Bad(doctor.Warning, "", "too large to be read whole in time; no damage so far")
			case err != nil:
				return doctor.Bad(doctor.Wrong, "stop the server and restore sodalite.db from a backup", "%v", err)
			}
			return doctor.Fine("no damage")
		}},
		{Name: "records given up", Run: func(ctx context.Context) doctor.Finding {
			dead, err := store.DeadLetters(ctx, 1000)
			switch {
			case err != nil:
				return doctor.Failed(err)
			case len(dead) > 0:
				return doctor.Bad(doctor.Warning, "sodalite replay --since 720h --notify", "%d, the newest for %s", len(dead), dead[len(dead)-1].Consumer)
			}
			return doctor.Fine("none")
		}},
	}
	for _, m := range mappings {
		checks = append(checks, doctor.Check{Name: "stream to " + m.Function, Run: func(ctx context.Context) doctor.Finding {
			last, err := store.LastChange(ctx)
			if err != nil {
				return doctor.Failed(err)
			}
			at, err := store.Checkpoint(ctx, m.Function)
			if err != nil {
				return doctor.Failed(err)
			}
			if behind := last - at; behind > 1000 {
				return doctor.Bad(doctor.Warning, "start sodalite serve, or look into its log", "%d changes behind", behind)
			}
			return doctor.Fine("up to date")
		}})
	}
	return checks
}

// destinationChecks look whether messages could be sent, without sending one.
func destinationChecks(c *config.Config) []doctor.Check {
	var checks []doctor.Check
	secret := func(name string, s config.SecretSetting) {
		if !s.IsSet() {
			return
		}
		checks = append(checks, doctor.Check{Name: name, Run: func(ctx context.Context) doctor.Finding {
			address, err := s.Resolve(ctx, wiring.SecretFetcher(machine.Load))
			if err != nil {
				return doctor.Failed(err)
			}
			return doctor.Reachable(ctx, address.Reveal())
		}})
	}
	secret("Slack", c.SlackWebhook)
	secret("webhook", c.Webhook)
	if c.SNSTopicARN != "" {
		checks = append(checks, doctor.Check{Name: "SNS topic", Run: func(ctx context.Context) doctor.Finding {
			if err := topicExists(ctx, c.SNSTopicARN); err != nil {
				return doctor.Failed(err)
			}
			return doctor.Fine("%s exists", c.SNSTopicARN)
		}})
	}
	if len(checks) == 0 && c.Table == "" { // on AWS the function has them in its settings
		checks = append(checks, doctor.Check{Name: "destinations", Run: func(context.Context) doctor.Finding {
			return doctor.Bad(doctor.Warning, "docs/notifications.md", "nobody is told of failed checks")
		}})
	}
	return checks
}

// testMessages sends a message to each destination.
func testMessages(s *wiring.System) []doctor.Check {
	var checks []doctor.Check
	for _, d := range messages.Notifier(s, machine.Load, true).Destinations {
		checks = append(checks, doctor.Check{Name: "test message to " + d.ID, Run: func(ctx context.Context) doctor.Finding {
			now := time.Now().UTC()
			receipt, err := d.Sender.Send(ctx, notify.Message{
				ID: "msg_test_" + now.Format("20060102t150405"), ScanID: "test", Definition: "Test message of sodalite doctor", DataTime: now, PublicURL: s.Config.PublicURL,
				Checks: []dq.AlertCheck{{Name: "This is a test: no check failed", Dataset: dq.DatasetRef{DataSource: "sodalite", Name: "test"}, Value: json.Number("1")}},
			})
			if err != nil {
				return doctor.Failed(err)
			}
			return doctor.Fine("accepted %s", receipt.ID)
		}})
	}
	return checks
}

var icons = map[doctor.State]string{doctor.OK: "✓", doctor.Warning: "!", doctor.Wrong: "✗", doctor.Skipped: "-"}

var colours = map[doctor.State]string{doctor.OK: "\x1b[32m", doctor.Warning: "\x1b[33m", doctor.Wrong: "\x1b[31m", doctor.Skipped: "\x1b[2m"}

func (p *program) printFindings(found []doctor.Finding) {
	width := 0
	for _, f := range found {
		width = max(width, len(f.Check))
	}
	for _, f := range found {
		word := fmt.Sprintf("%s %-7s", icons[f.State], f.State)
		if terminal(p.out) {
			word = colours[f.State] + word + "\x1b[0m"
		}
		line := fmt.Sprintf("%s  %-*s  %s", word, width, f.Check, f.Says)
		if f.Fix != "" {
			line += " → " + f.Fix
		}
		fmt.Fprintln(p.out, strings.TrimRight(line, " "))
	}
}
