package redis

import (
	"fmt"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// rule is what is known of a command that may be sent.
type rule struct{ key int } // which argument is its key; 0 is none

// allowed is every command that may be sent. Each only reads: law one of this project. docs/acl.md
// grants the same.
var allowed = map[string]rule{
	"CLIENT LIST": {},
	"EXISTS":      {1},
	"GET":         {1},
	"HEXISTS":     {1},
	"HGET":        {1},
	"HMGET":       {1},
	"LINDEX":      {1},
	"LLEN":        {1},
	"LRANGE":      {1},
	"PTTL":        {1},
	"SCAN":        {},
	"TYPE":        {1},
	"ZCARD":       {1},
	"ZCOUNT":      {1},
	"ZRANGE":      {1},
}

// command is the name that r goes by in the list.
func command(r adapter.Request) string {
	switch {
	case len(r) == 0:
		return ""
	case len(r) > 1 && strings.EqualFold(r[0], "CLIENT"):
		return strings.ToUpper(r[0] + " " + r[1])
	}
	return strings.ToUpper(r[0]) // no copy where it is upper case already
}

func check(r adapter.Request) error {
	name := command(r)
	rule, ok := allowed[name]
	switch {
	case !ok || strings.Contains(r[0], " "): // two words are two arguments
		return fmt.Errorf("%q is refused: only commands that read are sent, and it is not on the list of them", name)
	case rule.key > 0 && (len(r) <= rule.key || r[rule.key] == ""):
		return fmt.Errorf("%s is refused: it names no key", name)
	}
	return nil
}
