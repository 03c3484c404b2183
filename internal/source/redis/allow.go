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
	"CLIENT INFO":  {},
	"CLIENT LIST":  {},
	"CLUSTER INFO": {},
	"EXISTS":       {1},
	"GET":          {1},
	"HEXISTS":      {1},
	"HGET":         {1},
	"HMGET":        {1},
	"LINDEX":       {1},
	"LLEN":         {1},
	"LRANGE":       {1},
	"PTTL":         {1},
	"ROLE":         {},
	"SCAN":         {},
	"SCARD":        {1},
	"SMEMBERS":     {1},
	"TYPE":         {1},
	"XINFO GROUPS": {2},
	"XINFO STREAM": {2},
	"XLEN":         {1},
	"XRANGE":       {1},
	"ZCARD":        {1},
	"ZCOUNT":       {1},
	"ZRANGE":       {1},
}

func check(r adapter.Request) error {
	name := r.Command()
	rule, ok := allowed[name]
	switch {
	case !ok || strings.Contains(r[0], " "): // two words are two arguments
		return fmt.Errorf("%.80q is refused: only commands that read are sent, and it is not on the list of them", name)
	case rule.key > 0 && (len(r) <= rule.key || r[rule.key] == ""):
		return fmt.Errorf("%s is refused: it names no key", name)
	}
	return nil
}
