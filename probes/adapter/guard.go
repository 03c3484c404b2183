package adapter

import (
	"fmt"
	"slices"
)

// What one poll may ask.
const (
	MaxRounds       = 64
	MaxRequests     = 200_000  // a round
	MaxRequestBytes = 16 << 20 // a round
)

// Guard checks what a session asks in one poll, before any of it is sent: that its adapter described
// it, that it only reads, and that it is not too much. Begin each poll with a new one.
type Guard struct {
	Adapter Description
	rounds  int
}

// Check refuses a round of requests, or returns nil. Nothing of a refused round may be sent. The error
// goes on after the adapter's name.
func (g *Guard) Check(requests []Request) error {
	g.rounds++
	if g.rounds > MaxRounds || len(requests) > MaxRequests {
		return fmt.Errorf("asked %d requests in round %d: a poll may take %d rounds of %d requests", len(requests), g.rounds, MaxRounds, MaxRequests)
	}
	size := 0
	last := ""
	for _, r := range requests {
		for _, argument := range r {
			size += len(argument)
		}
		if g.Adapter.Source == Redis {
			if _, err := r.ReadOnly(); err != nil {
				return fmt.Errorf("asked a command that may not be sent: %w", err)
			}
		}
		if len(r) > 0 && r[0] == last {
			continue
		}
		command := r.Command()
		if g.Adapter.Source == SQS && len(r) > 0 {
			command = r[0] // an operation's name is as AWS writes it
		}
		if !slices.Contains(g.Adapter.Commands, command) {
			return fmt.Errorf("asked %.80q, which it does not describe: it describes %q", command, g.Adapter.Commands)
		}
		last = command // of two words it is no request's first, and looked up each time
	}
	if size > MaxRequestBytes {
		return fmt.Errorf("asked %d bytes of requests in round %d: a round may have %d", size, g.rounds, MaxRequestBytes)
	}
	return nil
}
