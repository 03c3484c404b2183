package redis

import (
	"fmt"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// rule is what is known of a command that may be sent.
type rule struct {
	name any // its first word, boxed once
	key  int // which argument is its key; 0 is none
}

// allowed is every command that may be sent. Each only reads: law one of this project. docs/acl.md
// grants the same.
var allowed = map[string]*rule{
	"CLIENT INFO":  {"CLIENT", 0},
	"CLIENT LIST":  {"CLIENT", 0},
	"CLUSTER INFO": {"CLUSTER", 0},
	"EXISTS":       {"EXISTS", 1},
	"GET":          {"GET", 1},
	"HEXISTS":      {"HEXISTS", 1},
	"HGET":         {"HGET", 1},
	"HMGET":        {"HMGET", 1},
	"LINDEX":       {"LINDEX", 1},
	"LLEN":         {"LLEN", 1},
	"LRANGE":       {"LRANGE", 1},
	"PTTL":         {"PTTL", 1},
	"ROLE":         {"ROLE", 0},
	"SCAN":         {"SCAN", 0},
	"TYPE":         {"TYPE", 1},
	"XINFO GROUPS": {"XINFO", 2},
	"XINFO STREAM": {"XINFO", 2},
	"XLEN":         {"XLEN", 1},
	"XRANGE":       {"XRANGE", 1},
	"ZCARD":        {"ZCARD", 1},
	"ZCOUNT":       {"ZCOUNT", 1},
	"ZRANGE":       {"ZRANGE", 1},
}

// ruleOf is what is known of r's command; nil where it may not be sent.
func ruleOf(r adapter.Request) *rule {
	if len(r) == 0 {
		return nil
	}
	if rule := allowed[r[0]]; rule != nil && !strings.Contains(r[0], " ") { // two words are two arguments
		return rule
	}
	name := r.Command()
	if first, _, _ := strings.Cut(name, " "); !strings.EqualFold(first, r[0]) {
		return nil
	}
	return allowed[name]
}

func check(r adapter.Request) error {
	switch rule := ruleOf(r); {
	case rule == nil:
		return fmt.Errorf("%.80q is refused: only commands that read are sent, and it is not on the list of them", r.Command())
	case rule.key > 0 && (len(r) <= rule.key || r[rule.key] == ""):
		return fmt.Errorf("%s is refused: it names no key", r.Command())
	}
	return nil
}
