package adapter

import (
	"errors"
	"slices"
	"strconv"
	"strings"
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
		return errors.New("asked " + strconv.Itoa(len(requests)) + " requests in round " + strconv.Itoa(g.rounds) + ": a poll may take " +
			strconv.Itoa(MaxRounds) + " rounds of " + strconv.Itoa(MaxRequests) + " requests")
	}
	size := 0
	last := ""
	for _, r := range requests {
		for _, argument := range r {
			size += len(argument)
		}
		if g.Adapter.Source == Redis {
			if _, err := r.ReadOnly(); err != nil {
				return errors.New("asked a command that may not be sent: " + err.Error())
			}
		}
		if len(r) > 0 && r[0] == last {
			continue
		}
		command := r.Command()
		if g.Adapter.Source == SQS && len(r) > 0 {
			command = r[0] // an operation's name is as AWS writes it
			if !slices.Contains(ReadOperations, command) {
				return errors.New("asked " + Quote(command, 80) + ", which may not be sent: only operations of SQS that read are")
			}
		}
		if !slices.Contains(g.Adapter.Commands, command) {
			return errors.New("asked " + Quote(command, 80) + ", which it does not describe: it describes " + quoteAll(g.Adapter.Commands))
		}
		last = command // of two words it is no request's first, and looked up each time
	}
	if size > MaxRequestBytes {
		return errors.New("asked " + strconv.Itoa(size) + " bytes of requests in round " + strconv.Itoa(g.rounds) +
			": a round may have " + strconv.Itoa(MaxRequestBytes))
	}
	return nil
}

// quoteAll are texts as a sentence lists them: ["LLEN" "GET"].
func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = Quote(s, 40)
	}
	return "[" + strings.Join(quoted, " ") + "]"
}
