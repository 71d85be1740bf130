package stream

import "sync"

// progress knows how far a consumer is: everything up to its checkpoint is done with.
type progress struct {
	mu   sync.Mutex
	read int64          // everything up to it was read
	open []int64        // read and under way, ascending; done ones may linger behind others
	done map[int64]bool // of open
}

func newProgress(checkpoint int64) *progress {
	return &progress{read: checkpoint, done: map[int64]bool{}}
}

// begin notes a record as under way. Sequence numbers only grow.
func (p *progress) begin(seq int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.open = append(p.open, seq)
	p.read = seq
}

// skip notes a record that is not for this consumer.
func (p *progress) skip(seq int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.read = seq
}

// finish notes that a record is done with.
func (p *progress) finish(seq int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done[seq] = true
	n := 0
	for n < len(p.open) && p.done[p.open[n]] {
		delete(p.done, p.open[n])
		n++
	}
	p.open = p.open[n:]
}

// checkpoint is where a restart may begin: after it comes the first record that is not done with.
func (p *progress) checkpoint() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.open) > 0 {
		return p.open[0] - 1
	}
	return p.read
}
