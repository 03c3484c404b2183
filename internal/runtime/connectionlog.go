package runtime

import (
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	// sayAgain is how long the log says nothing more of the same trouble.
	sayAgain = time.Minute
	// mostTroubles is how many kinds of trouble a log remembers at most.
	mostTroubles = 100
)

// connectionLog logs the errors of net/http's connections. net/http writes a line at each retry while no file
// descriptors are left, and a line for each handshake of a hostile client. connectionLog logs each kind of
// trouble once a minute, with the number of lines that it left out.
type connectionLog struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	saidAt map[string]time.Time // when each kind of trouble was logged
	unsaid map[string]int       // how many lines of each kind were left out since then
}

func (c *connectionLog) Write(line []byte) (int, error) {
	said := strings.TrimSpace(string(line))
	trouble := kindOfTrouble(said)
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if now.Sub(c.saidAt[trouble]) < sayAgain {
		c.unsaid[trouble]++
		return len(line), nil
	}
	if len(c.saidAt) >= mostTroubles {
		clear(c.saidAt)
		clear(c.unsaid)
	}
	if c.unsaid == nil {
		c.unsaid = map[string]int{}
	}
	attributes := []any{"error", said}
	if n := c.unsaid[trouble]; n > 0 {
		attributes = append(attributes, "more_before", n)
	}
	c.saidAt[trouble], c.unsaid[trouble] = now, 0
	c.log.Warn("a connection failed", attributes...)
	return len(line), nil
}

// kindOfTrouble is a line without the parts that differ each time: the digits of addresses and ports, and the
// time until the next try.
func kindOfTrouble(line string) string {
	line, _, _ = strings.Cut(line, "; retrying in ")
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return -1
		}
		return r
	}, line)
}
