package adapter

import (
	"errors"
	"strconv"
	"strings"
)

// ReadCommand is a Redis command that only reads. Hosts send no other command to a monitored Redis.
type ReadCommand struct {
	Name string // as in a description: of a command that has subcommands, the first two words
	Word string // the first word
	Key  int    // which argument is its key, counted from the first word's 0; 0 is none
	// IsSized says that the answer is small whatever is in the key. Others may be as large as what is.
	IsSized bool
}

// maxScanCount is the most that SCAN and its kind may be told to look at in one step. Redis serves nobody else meanwhile.
const maxScanCount = 10_000

// readCommands are all commands that a host may send. None of them can change a job: this project only reads
// queues.
var readCommands = commandsByName(
	ReadCommand{"CLIENT INFO", "CLIENT", 0, true},
	ReadCommand{"CLIENT LIST", "CLIENT", 0, false},
	ReadCommand{"CLUSTER INFO", "CLUSTER", 0, true},
	ReadCommand{"EXISTS", "EXISTS", 1, true},
	ReadCommand{"GET", "GET", 1, false},
	ReadCommand{"HEXISTS", "HEXISTS", 1, true},
	ReadCommand{"HGET", "HGET", 1, false},
	ReadCommand{"HGETALL", "HGETALL", 1, false},
	ReadCommand{"HLEN", "HLEN", 1, true},
	ReadCommand{"HMGET", "HMGET", 1, false},
	ReadCommand{"HSCAN", "HSCAN", 1, false},
	ReadCommand{"LINDEX", "LINDEX", 1, false},
	ReadCommand{"LLEN", "LLEN", 1, true},
	ReadCommand{"LRANGE", "LRANGE", 1, false},
	ReadCommand{"PTTL", "PTTL", 1, true},
	ReadCommand{"ROLE", "ROLE", 0, false},
	ReadCommand{"SCAN", "SCAN", 0, false},
	ReadCommand{"SCARD", "SCARD", 1, true},
	ReadCommand{"SISMEMBER", "SISMEMBER", 1, true},
	ReadCommand{"SMEMBERS", "SMEMBERS", 1, false},
	ReadCommand{"SSCAN", "SSCAN", 1, false},
	ReadCommand{"STRLEN", "STRLEN", 1, true},
	ReadCommand{"TTL", "TTL", 1, true},
	ReadCommand{"TYPE", "TYPE", 1, true},
	ReadCommand{"XINFO GROUPS", "XINFO", 2, false},
	ReadCommand{"XINFO STREAM", "XINFO", 2, false},
	ReadCommand{"XLEN", "XLEN", 1, true},
	ReadCommand{"XRANGE", "XRANGE", 1, false},
	ReadCommand{"ZCARD", "ZCARD", 1, true},
	ReadCommand{"ZCOUNT", "ZCOUNT", 1, true},
	ReadCommand{"ZRANGE", "ZRANGE", 1, false},
	ReadCommand{"ZSCAN", "ZSCAN", 1, false},
	ReadCommand{"ZSCORE", "ZSCORE", 1, true},
)

// ReadOperations are all the operations of SQS that a host may send.
var ReadOperations = []string{"GetQueueAttributes", "GetQueueUrl", "ListQueues"}

func commandsByName(list ...ReadCommand) map[string]*ReadCommand {
	byName := make(map[string]*ReadCommand, len(list))
	for i := range list {
		byName[list[i].Name] = &list[i]
	}
	return byName
}

// ReadCommands are all the commands that a host may send to a Redis, in no order.
func ReadCommands() []ReadCommand {
	all := make([]ReadCommand, 0, len(readCommands))
	for _, c := range readCommands {
		all = append(all, *c)
	}
	return all
}

// ReadOnly returns r's command, or the error why a host may not send r.
func (r Request) ReadOnly() (ReadCommand, error) {
	command := r.lookUp()
	switch {
	case command == nil:
		return ReadCommand{}, errors.New(Quote(r.Command(), 80) + " is refused: only commands that read are sent, and it is not on the list of them")
	case command.Key > 0 && (len(r) <= command.Key || r[command.Key] == ""):
		return ReadCommand{}, errors.New(r.Command() + " is refused: it names no key")
	case strings.HasSuffix(command.Name, "SCAN") && !countsFew(r[min(command.Key+2, len(r)):]):
		return ReadCommand{}, errors.New(r.Command() + " is refused: its COUNT is more than " + strconv.Itoa(maxScanCount) +
			", and Redis serves nobody else while it looks at so many")
	}
	return *command, nil
}

// countsFew reports whether no COUNT in options, a SCAN's, is more than maxScanCount.
func countsFew(options []string) bool {
	for i, word := range options {
		if i == 0 || !strings.EqualFold(options[i-1], "COUNT") {
			continue
		}
		if n, err := strconv.ParseInt(word, 10, 64); n > maxScanCount || errors.Is(err, strconv.ErrRange) {
			return false
		}
	}
	return true
}

func (r Request) lookUp() *ReadCommand {
	if len(r) == 0 {
		return nil
	}
	if c := readCommands[r[0]]; c != nil && c.Word == c.Name { // two words are two arguments
		return c
	}
	c := readCommands[r.Command()]
	if c == nil || !strings.EqualFold(c.Word, r[0]) {
		return nil
	}
	return c
}
