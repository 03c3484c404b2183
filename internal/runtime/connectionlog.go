package runtime

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// sayAgain is how soon the log hears of the same trouble again.
	sayAgain = time.Minute
	// mostTroubles bounds what is remembered of them.
	mostTroubles = 100
)

// connectionLog writes to a log what net/http says of its connections. While there are no file
// descriptors left that is a line a retry, and a hostile client's handshakes are a line each: here each
// kind of trouble is said once a minute, with how often it was in between.
type connectionLog struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	saidAt map[string]time.Time // by trouble
	silent map[string]int       // how often it has been since
}

func (c *connectionLog) Write(line []byte) (int, error) {
	said := strings.TrimSpace(string(line))
	trouble := kindOfTrouble(said)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.saidAt[trouble]) < sayAgain {
		c.silent[trouble]++
		return len(line), nil
	}
	if len(c.saidAt) >= mostTroubles {
		clear(c.saidAt)
		clear(c.silent)
	}
	if c.silent == nil {
		c.silent = map[string]int{}
	}
	attributes := []any{"error", said}
	if n := c.silent[trouble]; n > 0 {
		attributes = append(attributes, "more_before", n)
	}
	c.saidAt[trouble], c.silent[trouble] = now, 0
	c.log.Warn("a connection failed", attributes...)
	return len(line), nil
}

// kindOfTrouble is a line without what differs each time: addresses, ports, how long until the next try.
func kindOfTrouble(line string) string {
	line, _, _ = strings.Cut(line, "; retrying in ")
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, line)
}
