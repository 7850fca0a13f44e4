package bridge

import (
	"math"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// burst is for how long a rate may be saved up.
const burst = 5 * time.Second

// mostBuckets bounds each of a table's two generations, some 8 MiB in all. A
// flood from more addresses than that within the time that fills a bucket makes
// the table forget some of them too soon; Limits.Handshakes still holds.
const mostBuckets = 1 << 15

// buckets are the token buckets of many clients. A full one is as good as none:
// so they live in two generations, and when a new one begins, what was not used
// since the last one did is full, and goes. The zero value is ready.
type buckets[K comparable] struct {
	mu         sync.Mutex
	young, old map[K]*rate.Limiter
	began      time.Time // the young generation
}

// allow takes a token from a key's bucket, which fills at so many per second;
// at or below 0 there is no bound. If it has none, the wait is for the next one.
func (b *buckets[K]) allow(key K, perSecond float64) (wait time.Duration, ok bool) {
	if perSecond <= 0 {
		return 0, true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now, size := time.Now(), bucketSize(perSecond)
	b.turn(now, seconds(float64(size)/perSecond))
	l := b.find(key)
	if l == nil {
		l = rate.NewLimiter(rate.Limit(perSecond), size)
	} else if l.Limit() != rate.Limit(perSecond) { // a Reload
		l.SetLimitAt(now, rate.Limit(perSecond))
		l.SetBurstAt(now, size)
	}
	b.young[key] = l
	if l.AllowN(now, 1) {
		return 0, true
	}
	return seconds((1 - l.TokensAt(now)) / perSecond), false
}

// turn begins a generation when the young one is old enough, or full.
func (b *buckets[K]) turn(now time.Time, fill time.Duration) {
	if b.young != nil && len(b.young) < mostBuckets && now.Sub(b.began) < fill {
		return
	}
	b.old, b.young, b.began = b.young, map[K]*rate.Limiter{}, now
}

func (b *buckets[K]) find(key K) *rate.Limiter {
	if l := b.young[key]; l != nil {
		return l
	}
	return b.old[key]
}

func bucketSize(perSecond float64) int {
	return int(max(1, min(math.Ceil(perSecond*burst.Seconds()), 1<<30)))
}

// seconds is at most an hour, whatever the number.
func seconds(s float64) time.Duration {
	return time.Duration(min(s, 3600) * float64(time.Second))
}

// addressOf is what a client's address is limited by: an IPv4 address, or the
// /64 network of an IPv6 address, which belongs to one customer. Other
// addresses, such as that of a Unix socket, come out invalid: they are no
// client's own, and have no limit.
func addressOf(remote string) netip.Prefix {
	addr := parseAddress(remote).Addr().Unmap().WithZone("")
	if !addr.IsValid() {
		return netip.Prefix{}
	}
	prefix, _ := addr.Prefix(min(64, addr.BitLen()))
	return prefix
}

// parseAddress reads HOST:PORT or HOST, and is invalid for everything else.
func parseAddress(s string) netip.AddrPort {
	if a, err := netip.ParseAddrPort(s); err == nil {
		return a
	}
	a, _ := netip.ParseAddr(s)
	return netip.AddrPortFrom(a, 0)
}
