// Package notifytest has stand-ins for the places that messages go to, for tests of this and other packages: Slack's
// incoming webhooks ([StartSlack]), Amazon SNS ([StartSNS]), and a receiver of signed webhooks ([StartWebhook]). They
// are as strict as the real ones where those are, and fail on demand. [TestSender] is what every sender must hold to.
package notifytest

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// Failure is what a stand-in does with a request in place of accepting it.
type Failure struct {
	// Status, Header and Body are the answer.
	Status int
	Header http.Header
	Body   string
	// Hang gives no answer until the client goes away.
	Hang bool
	// Drop closes the connection without an answer.
	Drop bool
	// Lost accepts the message, but closes the connection without an answer.
	Lost bool
}

// SlowDown is a 429 with a Retry-After in seconds or as a date.
func SlowDown(retryAfter, body string) Failure {
	return Failure{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {retryAfter}}, Body: body}
}

// server is what the stand-ins share: the requests' bodies, failures on demand, and a count of all requests.
type server struct {
	URL string

	mu       sync.Mutex
	planned  []Failure
	always   *Failure
	requests int
	changed  chan struct{} // closed and replaced at each change
	http     *httptest.Server
	gone     chan struct{}
}

// maxRequest is more than any sender may send.
const maxRequest = 2 << 20

// start serves accept, which answers one readable request; with the http.ResponseWriter of a discarded answer if the
// failure is Lost.
func (s *server) start(tb testing.TB, accept func(w http.ResponseWriter, r *http.Request, body []byte)) {
	tb.Helper()
	s.changed, s.gone = make(chan struct{}), make(chan struct{})
	s.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		defer s.notice()
		failure := s.next()
		if failure == nil {
			accept(w, r, body)
			return
		}
		if failure.Lost {
			accept(httptest.NewRecorder(), r, body)
		}
		s.fail(w, r, failure)
	}))
	s.URL = s.http.URL
	tb.Cleanup(s.Close)
}

// Close stops the stand-in: from now on nobody listens at its address. It may be called twice.
func (s *server) Close() {
	s.mu.Lock()
	select {
	case <-s.gone:
	default:
		close(s.gone)
	}
	s.mu.Unlock()
	s.http.CloseClientConnections()
	s.http.Close()
}

// Fail makes the next requests fail, one each, in order.
func (s *server) Fail(f ...Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned = append(s.planned, f...)
}

// FailAlways makes every request fail until [server.Recover], after those planned by Fail.
func (s *server) FailAlways(f Failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.always = &f
}

// Recover forgets all failures that were asked for.
func (s *server) Recover() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.planned, s.always = nil, nil
}

// Requests is the number of requests, failed ones included.
func (s *server) Requests() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.requests
}

func (s *server) next() *Failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.requests++
	if len(s.planned) == 0 {
		return s.always
	}
	f := s.planned[0]
	s.planned = s.planned[1:]
	return &f
}

func (s *server) fail(w http.ResponseWriter, r *http.Request, f *Failure) {
	switch {
	case f.Hang:
		select {
		case <-r.Context().Done():
		case <-s.gone:
		}
		panic(http.ErrAbortHandler)
	case f.Drop, f.Lost:
		panic(http.ErrAbortHandler)
	}
	for name, values := range f.Header {
		w.Header()[name] = values
	}
	w.WriteHeader(f.Status)
	_, _ = io.WriteString(w, f.Body)
}

// notice wakes those who wait for a change.
func (s *server) notice() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.changed)
	s.changed = make(chan struct{})
}

// slow is how many times longer than on an idle machine things may take.
const slow = 6

// wait returns when done is true, and fails the test after the timeout.
func (s *server) wait(tb testing.TB, timeout time.Duration, what string, done func() bool) {
	tb.Helper()
	timeout *= slow
	deadline := time.NewTimer(timeout)
	defer deadline.Stop()
	for {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if done() {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			tb.Fatalf("waited %v for %s, got %d requests", timeout, what, s.Requests())
		}
	}
}

// log is the accepted messages of a stand-in.
type log[T any] struct {
	mu   sync.Mutex
	list []T
}

func (l *log[T]) add(m T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.list = append(l.list, m)
}

func (l *log[T]) all() []T {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]T(nil), l.list...)
}
