package notify

import (
	"errors"
	"time"
)

// RetryAfter is how long tests wait before the next call after an error of [Notifier.Notify]: the shortest wait of all
// destinations, 0 for at once.
func RetryAfter(err error) time.Duration {
	waits := pendings(err)
	if len(waits) == 0 {
		return 0
	}
	soonest := waits[0]
	for _, w := range waits[1:] {
		soonest = min(soonest, w)
	}
	return soonest
}

// pendings are the waits of all errors joined in err; one without a wait counts as 0.
func pendings(err error) []time.Duration {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var waits []time.Duration
		for _, e := range joined.Unwrap() {
			waits = append(waits, pendings(e)...)
		}
		return waits
	}
	var p *PendingError
	if errors.As(err, &p) {
		return []time.Duration{p.After}
	}
	return []time.Duration{0}
}
