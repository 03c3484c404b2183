package redis

import (
	"fmt"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// allowed is every command that may be sent, and which argument is its key; 0 is none. Each only
// reads: law one of this project. docs/acl.md grants the same.
var allowed = map[string]int{
	"CLIENT LIST": 0,
	"EXISTS":      1,
	"GET":         1,
	"HEXISTS":     1,
	"HGET":        1,
	"HMGET":       1,
	"LINDEX":      1,
	"LLEN":        1,
	"LRANGE":      1,
	"PTTL":        1,
	"SCAN":        0,
	"TYPE":        1,
	"ZCARD":       1,
	"ZCOUNT":      1,
	"ZRANGE":      1,
}

// command is the name that r goes by in the list.
func command(r adapter.Request) string {
	if len(r) == 0 {
		return ""
	}
	name := r[0]
	if len(r) > 1 && strings.EqualFold(name, "CLIENT") {
		name += " " + r[1]
	}
	return strings.ToUpper(name)
}

func check(r adapter.Request) error {
	name := command(r)
	key, ok := allowed[name]
	switch {
	case !ok:
		return fmt.Errorf("%q is refused: only commands that read are sent, and it is not on the list of them", name)
	case key > 0 && (len(r) <= key || r[key] == ""):
		return fmt.Errorf("%s is refused: it names no key", name)
	}
	return nil
}

func keyAt(r adapter.Request) int { return allowed[command(r)] }
