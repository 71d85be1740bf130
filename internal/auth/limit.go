package auth

import (
	"net/netip"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"
)

// limit is how many attempts may fail: some at once, then one each so often.
type limit struct {
	burst int
	every time.Duration
}

// The limits on failed attempts. Many scanners or people may sit behind one address, so it gets more than one name.
var (
	keyLimit    = limit{burst: 10, every: 6 * time.Second}
	userLimit   = limit{burst: 10, every: 30 * time.Second}
	remoteLimit = limit{burst: 60, every: time.Second}
)

// maxTracked bounds how many names and addresses are tracked; the longest unseen are forgotten.
const maxTracked = 8192

// tries counts failed attempts by name (key id, user) and by remote address, in this process.
type tries struct {
	name, remote limit
	buckets      *lru.Cache[string, *rate.Limiter]
}

func newTries(name limit) *tries {
	buckets, err := lru.New[string, *rate.Limiter](maxTracked)
	if err != nil { // only for a size below 1
		panic(err)
	}
	return &tries{name: name, remote: remoteLimit, buckets: buckets}
}

// wait tells how long to wait before the next attempt, 0 for not at all.
func (t *tries) wait(name, remote string, now time.Time) time.Duration {
	return max(
		until(t.bucket("n"+name, t.name), now),
		until(t.bucket("r"+network(remote), t.remote), now),
	)
}

// failed counts a failed attempt. It gives ErrUnauthorized, or TooManyAttempts if the name or the address had used up
// its attempts before.
func (t *tries) failed(name, remote string, now time.Time) error {
	byName, byRemote := t.bucket("n"+name, t.name), t.bucket("r"+network(remote), t.remote)
	nameOK, remoteOK := byName.AllowN(now, 1), byRemote.AllowN(now, 1)
	if nameOK && remoteOK {
		return ErrUnauthorized
	}
	return TooManyAttempts{After: max(until(byName, now), until(byRemote, now))}
}

func (t *tries) bucket(name string, l limit) *rate.Limiter {
	if b, ok := t.buckets.Get(name); ok {
		return b
	}
	b := rate.NewLimiter(rate.Every(l.every), l.burst)
	if before, ok, _ := t.buckets.PeekOrAdd(name, b); ok { // somebody was faster
		return before
	}
	return b
}

// until is the time until the bucket has one token.
func until(b *rate.Limiter, now time.Time) time.Duration {
	missing := 1 - b.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	return time.Duration(missing / float64(b.Limit()) * float64(time.Second))
}

// network is what one sender can easily change within: nothing of an IPv4 address, the last half of an IPv6 address.
func network(remote string) string {
	ip, err := netip.ParseAddr(remote)
	if err != nil {
		return remote[:min(len(remote), 64)]
	}
	if ip = ip.Unmap().WithZone(""); ip.Is4() {
		return ip.String()
	}
	return netip.PrefixFrom(ip, 64).Masked().String()
}
