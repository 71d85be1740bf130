package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sodalite-dq/sodalite/internal/dq"
	"github.com/sodalite-dq/sodalite/internal/sodacloud/client"
)

type launchFlags struct {
	cloud, definition, id string
	retry                 time.Duration
}

func (p *program) launchCommand() *cobra.Command {
	var f launchFlags
	c := &cobra.Command{
		Use: "launch --soda-cloud FILE --definition NAME -- COMMAND…", Short: "Run a Soda Core 4 client so that its failure is seen even if it is killed",
		Long: `Run a Soda Core 4 client as a managed scan. The server is told that the scan begins, before the client is started, and that it
failed if the client is killed, crashes, or ends without results that the server took: then its datasets warn. A scan that is
not heard of for two hours, because the machine is gone too, has failed as well.

The client gets the scan's id and definition in its environment (SODA_SCAN_ID, SODA_SCAN_DEFINITION). Not for Soda Core 3,
whose clients do not know of them.

Exit codes: those of the client; 128 and more if a signal ended it; 2 wrong usage; 4 the server could not be told.`,
		Example: `  sodalite launch -sc cloud.yml --definition warehouse/postgres/sales/orders -- \
    soda contract verify -c orders.yml -ds warehouse.yml -sc cloud.yml -p`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{errors.New("launch wants the client's command after --, see sodalite launch --help")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return p.launch(cmd.Context(), f, args) },
	}
	fs := c.Flags()
	fs.StringVar(&f.cloud, "soda-cloud", "", "file with the soda_cloud section; -sc FILE means the same")
	fs.StringVar(&f.definition, "definition", "", "scan definition: for a contract, its dataset's qualified name ($SODA_SCAN_DEFINITION)")
	fs.StringVar(&f.id, "scan-id", "", "id of the scan, a new one for each run ($SODA_SCAN_ID; default made)")
	retryFlag(c, &f.retry)
	return c
}

// withLaunchFlags writes -sc as pflag reads it, up to the client's command.
func withLaunchFlags(args []string) []string {
	for i, a := range args {
		switch {
		case i == 0 && a != "launch", a == "--":
			return args
		case a == "-sc":
			args[i] = "--soda-cloud"
		}
	}
	return args
}

func (p *program) launch(ctx context.Context, f launchFlags, command []string) error {
	for to, name := range map[*string]string{&f.definition: "SODA_SCAN_DEFINITION", &f.id: "SODA_SCAN_ID"} {
		if *to == "" {
			*to, _ = p.get(name)
		}
	}
	if f.id == "" {
		f.id = strings.ToLower(rand.Text())
	}
	if f.cloud == "" || f.definition == "" {
		return usageError{errors.New("launch needs -sc, a file with the soda_cloud section, and --definition")}
	}
	server, err := p.server([]string{f.cloud}, f.retry, f.cloud+" has no soda_cloud section that can be used")
	if err != nil {
		return err
	}
	l := &launch{Client: server, launchFlags: f, errs: p.errs}
	if err := l.StartScan(ctx, f.id, f.definition, time.Now()); err != nil {
		fmt.Fprintf(p.errs, "sodalite: the scan could not be started at %s: %v\n", l.URL, err)
		return scanExit(exitNotSent)
	}
	if code := l.run(ctx, p, command); code != 0 {
		return scanExit(code)
	}
	return nil
}

// launch is one run of a client.
type launch struct {
	*client.Client
	launchFlags
	errs io.Writer
	said tail
}

// alivePace is how often the server hears that the client still runs. It gives a scan up that is silent for two hours.
const alivePace = 30 * time.Minute

// run runs the client and gives the exit code, after the server knows how the scan ended.
func (l *launch) run(ctx context.Context, p *program, command []string) int {
	cmd := exec.CommandContext(ctx, command[0], command[1:]...)
	cmd.Env = append(p.environ, "SODA_SCAN_ID="+l.id, "SODA_SCAN_DEFINITION="+l.definition)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = p.in, io.MultiWriter(p.out, &l.said), io.MultiWriter(p.errs, &l.said)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = time.Minute
	over := make(chan struct{})
	var alive sync.WaitGroup
	alive.Go(func() { l.keepAlive(ctx, over) })
	err := cmd.Run()
	close(over)
	alive.Wait()
	code, why := ended(cmd.ProcessState, err)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), l.retry+time.Minute)
	defer cancel()
	state, err := l.ScanState(ctx, l.id)
	if err == nil && state.Finished() {
		return code
	}
	if err := l.FailScan(ctx, l.id, l.said.lines(why)); err != nil {
		fmt.Fprintln(l.errs, "sodalite: the server could not be told that the scan failed:", err)
		return exitNotSent
	}
	fmt.Fprintf(l.errs, "sodalite: %s The server knows that the scan failed: %s/scans/%s\n", why, l.URL, l.id)
	return code
}

func (l *launch) keepAlive(ctx context.Context, over <-chan struct{}) {
	tick := time.NewTicker(alivePace)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-over:
			return
		case now := <-tick.C:
			line := dq.LogLine{Index: n, Level: dq.LevelInfo, Message: "The scanner still runs.", Time: now}
			if err := l.StreamLog(ctx, l.id, []dq.LogLine{line}); err != nil {
				fmt.Fprintln(l.errs, "sodalite: the server could not be told that the scan goes on:", err)
			}
		}
	}
}

// ended gives the exit code of a process, and words how it ended without results.
func ended(state *os.ProcessState, err error) (code int, why string) {
	if state == nil {
		return 127, fmt.Sprintf("The scanner could not be started: %v.", err)
	}
	if status, ok := state.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal()), fmt.Sprintf("The scanner was ended by signal %d (%s).", int(status.Signal()), status.Signal())
	}
	return state.ExitCode(), fmt.Sprintf("The scanner ended with exit code %d, and no results of it arrived.", state.ExitCode())
}

// tail keeps the last lines that were written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const (
	tailBytes = 64 << 10
	tailLines = 200
)

// Write implements io.Writer, and never fails.
func (t *tail) Write(data []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, data...)
	if n := len(t.text) - tailBytes; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(data), nil
}

// lines are what was written, as a log whose last line is an error.
func (t *tail) lines(why string) []dq.LogLine {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	var log []dq.LogLine
	for line := range strings.Lines(strings.ToValidUTF8(string(t.text), "")) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			log = append(log, dq.LogLine{Level: dq.LevelInfo, Message: line, Time: now})
		}
	}
	log = append(log[max(0, len(log)-tailLines):], dq.LogLine{Level: dq.LevelError, Message: why, Time: now})
	for i := range log {
		log[i].Index = i
	}
	return log
}
