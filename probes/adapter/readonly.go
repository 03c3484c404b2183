package adapter

import (
	"errors"
	"strings"
)

// ReadCommand is a Redis command that only reads. Hosts send no other command to a monitored Redis.
type ReadCommand struct {
	Name string // as in a description: of a command that has subcommands, the first two words
	Word string // the first word
	Key  int    // which argument is its key, counted from the first word's 0; 0 is none
}

// readCommands are all commands that a host may send. None of them can change a job: this project only reads
// queues.
var readCommands = commandsByName(
	ReadCommand{"CLIENT INFO", "CLIENT", 0},
	ReadCommand{"CLIENT LIST", "CLIENT", 0},
	ReadCommand{"CLUSTER INFO", "CLUSTER", 0},
	ReadCommand{"EXISTS", "EXISTS", 1},
	ReadCommand{"GET", "GET", 1},
	ReadCommand{"HEXISTS", "HEXISTS", 1},
	ReadCommand{"HGET", "HGET", 1},
	ReadCommand{"HGETALL", "HGETALL", 1},
	ReadCommand{"HLEN", "HLEN", 1},
	ReadCommand{"HMGET", "HMGET", 1},
	ReadCommand{"HSCAN", "HSCAN", 1},
	ReadCommand{"LINDEX", "LINDEX", 1},
	ReadCommand{"LLEN", "LLEN", 1},
	ReadCommand{"LRANGE", "LRANGE", 1},
	ReadCommand{"PTTL", "PTTL", 1},
	ReadCommand{"ROLE", "ROLE", 0},
	ReadCommand{"SCAN", "SCAN", 0},
	ReadCommand{"SCARD", "SCARD", 1},
	ReadCommand{"SISMEMBER", "SISMEMBER", 1},
	ReadCommand{"SMEMBERS", "SMEMBERS", 1},
	ReadCommand{"SSCAN", "SSCAN", 1},
	ReadCommand{"STRLEN", "STRLEN", 1},
	ReadCommand{"TTL", "TTL", 1},
	ReadCommand{"TYPE", "TYPE", 1},
	ReadCommand{"XINFO GROUPS", "XINFO", 2},
	ReadCommand{"XINFO STREAM", "XINFO", 2},
	ReadCommand{"XLEN", "XLEN", 1},
	ReadCommand{"XRANGE", "XRANGE", 1},
	ReadCommand{"ZCARD", "ZCARD", 1},
	ReadCommand{"ZCOUNT", "ZCOUNT", 1},
	ReadCommand{"ZRANGE", "ZRANGE", 1},
	ReadCommand{"ZSCAN", "ZSCAN", 1},
	ReadCommand{"ZSCORE", "ZSCORE", 1},
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
	}
	return *command, nil
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
