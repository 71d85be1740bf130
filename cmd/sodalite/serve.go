//go:build !scanner

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/sodalite-dq/sodalite"
	"github.com/sodalite-dq/sodalite/internal/auth"
	"github.com/sodalite-dq/sodalite/internal/awsenv/machine"
	"github.com/sodalite-dq/sodalite/internal/config"
	"github.com/sodalite-dq/sodalite/internal/demo"
	"github.com/sodalite-dq/sodalite/internal/hub"
	"github.com/sodalite-dq/sodalite/internal/notify"
	"github.com/sodalite-dq/sodalite/internal/runs"
	"github.com/sodalite-dq/sodalite/internal/stream"
	"github.com/sodalite-dq/sodalite/internal/table/sqlite"
	"github.com/sodalite-dq/sodalite/internal/wiring"
	"github.com/sodalite-dq/sodalite/internal/wiring/messages"
	"github.com/sodalite-dq/sodalite/internal/wiring/pages"
	"github.com/sodalite-dq/sodalite/internal/wiring/runner"
	"github.com/sodalite-dq/sodalite/internal/wiring/scanners"
)

func (p *program) serveCommand() *cobra.Command {
	var withDemo bool
	c := &cobra.Command{
		Use:   "serve",
		Short: "Run the whole system in this process with an embedded database",
		Long: `serve takes in scans, digests them, sends messages and shows pages, in one process with an embedded database.

It prints a link to sign in with and, the first time, an API key for scanners. Stop it with Ctrl-C.`,
		Example: "  sodalite serve\n  sodalite serve --demo --listen 127.0.0.1:9000 --data /tmp/try\n  SODALITE_SLACK_WEBHOOK_URL=https://hooks.slack.com/services/… sodalite serve",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.serve(cmd.Context(), withDemo)
		},
	}
	p.flag(c, "listen", config.Listen, "host:port to listen on")
	c.Flags().BoolVar(&withDemo, "demo", false, "fill an empty database with a month of a made-up company's results; sends no messages")
	return c
}

func (p *program) serve(ctx context.Context, withDemo bool) error {
	c, err := p.settings()
	if err != nil {
		return err
	}
	if c.Table != "" {
		return usageError{fmt.Errorf("serve runs on the embedded database; unset %s (on AWS the functions serve the table)", config.Table)}
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer listener.Close()
	address := "http://" + reachable(listener.Addr().(*net.TCPAddr))
	if c.PublicURL == "" {
		c.PublicURL = address
	}
	store, err := p.openEmbedded(c)
	if err != nil {
		return err
	}
	defer store.Close()
	if err := keepAddress(c.Data, c.PublicURL); err != nil {
		return err
	}
	var level slog.LevelVar
	level.Set(c.LogLevel)
	s := wiring.NewSystem(c, store, machine.Load, p.log(&level), version())
	key, secret, err := p.greet(ctx, s)
	if err != nil {
		return err
	}
	return p.run(ctx, s, store, listener, func(ctx context.Context) error {
		if !withDemo {
			return nil
		}
		level.Set(max(c.LogLevel, slog.LevelWarn)) // the link to sign in with must not scroll away
		defer level.Set(c.LogLevel)
		return p.fillDemo(ctx, s, demo.Target{URL: address, KeyID: key, Secret: secret})
	}, withDemo)
}

// reachable is an address by which this machine reaches the listener.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", a.Port)
	}
	return a.String()
}

// run serves until ctx ends or something breaks, then stops everything in order: requests first, then the stream.
func (p *program) run(ctx context.Context, s *wiring.System, store *sqlite.Table, listener net.Listener, once func(context.Context) error, silent bool) error {
	notifier := messages.Notifier(s, machine.Load, true)
	changes, err := p.streamRunner(s, notifier, store, silent)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	queue := make(chan string, maxQueued)
	scans := scanners.Runs(s, func(_ context.Context, runID string) error {
		select {
		case queue <- runID:
			return nil
		default:
			return errors.New("too many runs wait")
		}
	})
	executor := runner.Executor(s, scans, machine.Load, p.get)
	scanners.Mount(mux, s, s.Config.MaxBody, scans)
	pages.Mount(mux, s, scans)
	server := &http.Server{
		Handler: pages.Recovered(pages.Compressed(mux), s.Log), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute,
		MaxHeaderBytes: 64 << 10, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	g.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return server.Shutdown(stopping)
	})
	g.Go(func() error { return changes.Run(ctx) })
	g.Go(func() error { return keepHouse(ctx, store, s.Log) })
	for range runsAtOnce {
		g.Go(func() error { return execute(ctx, executor, queue, s.Log) })
	}
	g.Go(func() error { return tick(ctx, executor, s.Log) })
	if !silent {
		g.Go(func() error { return sweep(ctx, notifier, s.Log) })
	}
	g.Go(func() error { return ignoreCanceled(once(ctx)) })
	return g.Wait()
}

func ignoreCanceled(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// streamRunner brings changes to digest and notify as the template's event source mappings say. silent leaves out destinations.
func (p *program) streamRunner(s *wiring.System, notifier *notify.Notifier, store *sqlite.Table, silent bool) (*stream.Runner, error) {
	mappings, err := stream.ReadMappings(sodalite.Template)
	if err != nil {
		return nil, err
	}
	send := notifier.Hear
	if silent {
		send = func(context.Context, string) error { return nil }
	}
	return &stream.Runner{
		Changes: store, Mappings: mappings, Log: s.Log,
		Handlers: map[string]stream.Handler{"digest": stream.Each(s.Hub.Digesters(), s.Log), "notify": stream.EachScan(send, s.Log)},
	}, nil
}

// keepHouse sweeps what has expired and trims the change log.
func keepHouse(ctx context.Context, store *sqlite.Table, log *slog.Logger) error {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if _, err := store.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Error("sweep of expired items failed", "error", err)
		}
		if _, err := store.Trim(ctx, time.Now().Add(-24*time.Hour)); err != nil && ctx.Err() == nil {
			log.Error("trim of the change log failed", "error", err)
		}
	}
}

// sweep tries messages again that had to wait, as the schedule of function notify does.
func sweep(ctx context.Context, notifier *notify.Notifier, log *slog.Logger) error {
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		if _, err := notifier.Sweep(ctx); err != nil && ctx.Err() == nil {
			log.Error("sweep of waiting messages failed", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// runsAtOnce is how many scans serve executes side by side, maxQueued how many may wait in memory; further ones wait in the
// table for the next tick.
const (
	runsAtOnce = 2
	maxQueued  = 100
)

// execute runs what was dispatched, as each invocation of function scan does.
func execute(ctx context.Context, executor *runs.Executor, queue <-chan string, log *slog.Logger) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case id := <-queue:
			if err := executor.Execute(ctx, id); err != nil && ctx.Err() == nil {
				log.Error("run failed", "run", id, "error", err)
			}
		}
	}
}

// tick starts what is due by schedule, as the schedule of function scan does.
func tick(ctx context.Context, executor *runs.Executor, log *slog.Logger) error {
	every := time.NewTicker(15 * time.Second)
	defer every.Stop()
	for {
		if _, err := executor.Tick(ctx); err != nil && ctx.Err() == nil {
			log.Error("schedules cannot be looked at", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-every.C:
		}
	}
}

// firstUser is who the printed link signs in.
const firstUser = "admin"

// greet prints where to go. When there is no API key yet it makes one and shows how to use it.
func (p *program) greet(ctx context.Context, s *wiring.System) (key, secret string, err error) {
	link, err := s.Auth.NewSignInLink(ctx, firstUser)
	if err != nil {
		return "", "", err
	}
	keys, err := s.Auth.Keys(ctx)
	if err != nil {
		return "", "", err
	}
	url := s.Config.PublicURL
	fmt.Fprintf(p.out, "Sodalite %s\n\n  Address   %s\n  Sign in   %s/sign-in/link?token=%s\n            (once, within %d minutes; sodalite users link %s makes another)\n",
		s.Version, url, url, link, int(auth.LinkLife.Minutes()), firstUser)
	if len(keys) > 0 {
		fmt.Fprintln(p.out)
		return "", "", nil
	}
	created, secret, err := s.Auth.CreateKey(ctx, "first key")
	if err != nil {
		return "", "", err
	}
	fmt.Fprintf(p.out, "\nAn API key for your scanners, shown this once. Paste it into Soda's configuration.yml:\n\n%s\n", snippet(url, created.ID, secret))
	return created.ID, secret, nil
}

// fillDemo fills an empty store through the server's own door.
func (p *program) fillDemo(ctx context.Context, s *wiring.System, to demo.Target) error {
	page, err := s.Hub.Scans(ctx, hub.ScanFilter{Size: 1})
	if err != nil {
		return err
	}
	if len(page.Rows) > 0 {
		fmt.Fprintln(p.errs, "The database is not empty: --demo adds nothing.")
		return nil
	}
	if to.KeyID == "" {
		key, secret, err := s.Auth.CreateKey(ctx, "demo")
		if err != nil {
			return err
		}
		to.KeyID, to.Secret = key.ID, secret
	}
	progress := p.progress("Demo: scans pushed")
	if err := demo.Fill(ctx, to, time.Now(), progress); err != nil {
		return err
	}
	fmt.Fprintln(p.errs, "Demo: a month of a made-up company is in. With --demo no messages are sent.")
	return nil
}
