// Package lambdahost runs a real Lambda bootstrap on this machine, without Docker: it plays the Runtime API that the
// bootstrap polls (docs.aws.amazon.com/lambda, "Using the Lambda runtime API"), one invocation at a time as Lambda does.
package lambdahost

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Host is a running function. Close it when done.
type Host struct {
	// Ready is how long it took from starting the process to its first request for work.
	Ready time.Duration

	timeout  time.Duration
	listener net.Listener
	cmd      *exec.Cmd
	started  time.Time
	ready    chan struct{}
	once     sync.Once
	next     chan *invocation
	invoke   sync.Mutex
	mu       sync.Mutex
	current  *invocation
	exited   chan struct{}
	exitErr  error
}

type invocation struct {
	id      string
	payload []byte
	answer  chan result
}

type result struct {
	body []byte
	err  error
}

// FunctionError is what a function reported in place of an answer.
type FunctionError struct {
	Message string `json:"errorMessage"`
	Type    string `json:"errorType"`
}

func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

// Start runs the bootstrap with an environment and waits until it asks for work. Its output goes to out.
func Start(ctx context.Context, bootstrap string, env []string, timeout time.Duration, out io.Writer) (*Host, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h := &Host{
		timeout: timeout, listener: listener, ready: make(chan struct{}), next: make(chan *invocation), exited: make(chan struct{}),
	}
	h.cmd = exec.Command(bootstrap)
	h.cmd.Env = append(append(os.Environ(), "AWS_LAMBDA_RUNTIME_API="+listener.Addr().String(), "AWS_LAMBDA_FUNCTION_VERSION=$LATEST"), env...)
	h.cmd.Stdout, h.cmd.Stderr = out, out
	h.started = time.Now()           // before the first request can be served, which reads it
	go http.Serve(listener, h.mux()) //nolint:errcheck // ends with Close
	if err := h.cmd.Start(); err != nil {
		listener.Close()
		return nil, err
	}
	go func() {
		h.exitErr = h.cmd.Wait()
		close(h.exited)
	}()
	select {
	case <-h.ready:
		return h, nil
	case <-h.exited:
		listener.Close()
		return nil, fmt.Errorf("%s ended before it asked for work: %w", bootstrap, errors.Join(h.exitErr, errors.New("see its output")))
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), h.Close())
	}
}

// Close ends the process.
func (h *Host) Close() error {
	_ = h.cmd.Process.Kill()
	<-h.exited
	return h.listener.Close()
}

// PID is the process, for looking at its memory.
func (h *Host) PID() int { return h.cmd.Process.Pid }

// Invoke hands the function one event and gives its answer. An error of type [*FunctionError] is the function's own.
func (h *Host) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	h.invoke.Lock()
	defer h.invoke.Unlock()
	i := &invocation{id: strings.ToLower(rand.Text()), payload: payload, answer: make(chan result, 1)}
	ctx, cancel := context.WithTimeout(ctx, h.timeout)
	defer cancel()
	select {
	case h.next <- i:
	case <-h.exited:
		return nil, errors.New("the function's process has ended")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case r := <-i.answer:
		return r.body, r.err
	case <-h.exited:
		return nil, errors.New("the function's process ended during the call")
	case <-ctx.Done():
		return nil, fmt.Errorf("the function did not answer within %s", h.timeout)
	}
}

func (h *Host) mux() http.Handler {
	mux := http.NewServeMux()
	const base = "/2018-06-01/runtime/"
	mux.HandleFunc("GET "+base+"invocation/next", h.serveNext)
	mux.HandleFunc("POST "+base+"invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		h.finish(w, r.PathValue("id"), result{body, err})
	})
	mux.HandleFunc("POST "+base+"invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		h.finish(w, r.PathValue("id"), result{err: readError(r)})
	})
	mux.HandleFunc("POST "+base+"init/error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	return mux
}

func readError(r *http.Request) error {
	var e FunctionError
	if err := json.NewDecoder(r.Body).Decode(&e); err != nil {
		return err
	}
	return &e
}

func (h *Host) serveNext(w http.ResponseWriter, r *http.Request) {
	h.once.Do(func() {
		h.Ready = time.Since(h.started)
		close(h.ready)
	})
	var i *invocation
	select {
	case i = <-h.next:
	case <-r.Context().Done():
		return
	}
	h.mu.Lock()
	h.current = i
	h.mu.Unlock()
	w.Header().Set("Lambda-Runtime-Aws-Request-Id", i.id)
	w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(h.timeout).UnixMilli(), 10))
	w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:eu-west-1:000000000000:function:local")
	_, _ = io.Copy(w, bytes.NewReader(i.payload)) // the process is gone if this fails
}

func (h *Host) finish(w http.ResponseWriter, id string, r result) {
	h.mu.Lock()
	i := h.current
	h.mu.Unlock()
	if i == nil || i.id != id {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	i.answer <- r
	w.WriteHeader(http.StatusAccepted)
}
