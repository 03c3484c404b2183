package adapter

import (
	"errors"
	"slices"
	"strconv"
	"strings"
)

// The most that one poll may ask.
const (
	MaxRounds       = 64
	MaxRequests     = 200_000  // a round
	MaxRequestBytes = 16 << 20 // a round
)

// Guard checks the requests of one poll before a host sends them: the adapter must have described their commands,
// the commands must only read, and there must not be too many. Begin each poll with a new Guard.
type Guard struct {
	Adapter Description
	rounds  int
}

// Check returns an error that refuses a round of requests, or nil. A host sends no request of a refused round.
// The error's text goes on after the adapter's name.
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
		name, err := g.name(r)
		switch {
		case err != nil:
			return err
		case name == last && name != "":
			continue
		case !slices.Contains(g.Adapter.Commands, name):
			return errors.New("asked " + Quote(name, 80) + ", which it does not describe: it describes " + quoteAll(g.Adapter.Commands))
		}
		last = name
	}
	if size > MaxRequestBytes {
		return errors.New("asked " + strconv.Itoa(size) + " bytes of requests in round " + strconv.Itoa(g.rounds) +
			": a round may have " + strconv.Itoa(MaxRequestBytes))
	}
	return nil
}

// name is what a request goes by in a description, or why it may not be sent.
func (g *Guard) name(r Request) (string, error) {
	switch g.Adapter.Source {
	case Redis:
		command, err := r.ReadOnly()
		if err != nil {
			return "", errors.New("asked a command that may not be sent: " + err.Error())
		}
		return command.Name, nil
	case SQS:
		if len(r) == 0 {
			return "", nil
		}
		if !slices.Contains(ReadOperations, r[0]) { // as AWS writes it
			return "", errors.New("asked " + Quote(r[0], 80) + ", which may not be sent: only operations of SQS that read are")
		}
		return r[0], nil
	}
	return r.Command(), nil
}

// quoteAll are texts as a sentence lists them: ["LLEN" "GET"].
func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, s := range texts {
		quoted[i] = Quote(s, 40)
	}
	return "[" + strings.Join(quoted, " ") + "]"
}
