package protocol

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

// members are the names that a document's objects have here, and those of the objects and lists of
// objects in them; nil is a value that is taken as it is.
type members map[string]members

// form is a document's members, and what is asked of them for each document.
type form struct {
	members  members
	names    []string // at any depth
	capitals bool     // a name has one
}

func newForm(known members) form {
	f := form{members: known}
	var collect func(members)
	collect = func(m members) {
		for name, inner := range m {
			f.names = append(f.names, name)
			f.capitals = f.capitals || strings.ToLower(name) != name
			collect(inner)
		}
	}
	collect(known)
	return f
}

// The documents' members. encoding/json would take "Waiting" for "waiting", and the later of the two
// would win; to this protocol it is an unknown member, and ignored.
var (
	snapshotForm = newForm(members{
		"timestamp": nil, "app": nil, "source": nil, "problems": {"queue": nil, "reason": nil},
		"queues": {"name": nil, "driver": nil, "meta": nil, "metrics": {"waiting": nil, "active": nil, "delayed": nil, "failed": nil}},
	})
	heartbeatForm = newForm(members{
		"timestamp": nil, "meta": nil,
		"system": {
			"hostname": nil, "platform": nil, "cpu_usage": nil, "cpu_cores": nil, "memory_total": nil,
			"memory_free": nil, "load_avg": nil, "disk_total": nil, "disk_free": nil,
		},
		"process": {"pid": nil, "uptime": nil, "cpu_usage": nil, "memory_rss": nil, "memory_heap": nil},
	})
	quasarForm = newForm(members{
		"id": nil, "service": nil, "language": nil, "version": nil, "pid": nil, "hostname": nil, "platform": nil,
		"timestamp": nil, "runtime": {"uptime": nil, "framework": nil}, "cpu": {"system": nil, "process": nil, "cores": nil},
		"memory": {"system": {"total": nil, "free": nil}, "process": {"rss": nil, "heapUsed": nil}},
		"queues": {"name": nil, "driver": nil, "size": {"waiting": nil, "active": nil, "delayed": nil, "failed": nil}},
	})
)

// maxFolded is the largest document that is cleaned of members in another case.
const maxFolded = 1 << 20

// exactly is data without the members that differ from those known only in case. That is nearly
// always data itself.
func exactly(data []byte, known form) ([]byte, error) {
	if !mayFold(data, known) {
		return data, nil
	}
	if len(data) > maxFolded {
		return nil, fmt.Errorf("it has members that differ from the protocol's only in case, and is larger than %d MiB: write them as the protocol does", maxFolded>>20)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	if d.More() {
		return data, nil // whoever reads it next says what is wrong
	}
	dropFolded(v, known.members)
	return json.Marshal(v)
}

// dropFolded drops from an object, or the objects in a list, what differs from a known member in case.
func dropFolded(v any, known members) {
	switch v := v.(type) {
	case []any:
		for _, e := range v {
			dropFolded(e, known)
		}
	case map[string]any:
		for name, value := range v {
			if inner, ok := known[name]; !ok && known.fold(name) {
				delete(v, name)
			} else if inner != nil {
				dropFolded(value, inner)
			}
		}
	}
}

func (m members) fold(name string) bool {
	for known := range m {
		if strings.EqualFold(known, name) {
			return true
		}
	}
	return false
}

// mayFold tells whether data may have a member that differs from a known one in case. A name without
// a capital, an escape or anything beyond ASCII is none, where the known ones have no capitals.
func mayFold(data []byte, known form) bool {
	for i := 0; i < len(data); i++ {
		if data[i] != '"' {
			continue
		}
		start, plain := i+1, !known.capitals
		for i++; i < len(data) && data[i] != '"'; i++ {
			switch c := data[i]; {
			case c == '\\':
				plain = false
				i++
			case 'A' <= c && c <= 'Z', c >= utf8.RuneSelf:
				plain = false
			}
		}
		if plain || i >= len(data) {
			continue
		}
		if rest := bytes.TrimLeft(data[i+1:min(i+64, len(data))], " \t\r\n"); len(rest) > 0 && rest[0] != ':' {
			continue // a value
		}
		var name string
		if json.Unmarshal(data[start-1:i+1], &name) != nil || known.folds(name) {
			return true
		}
	}
	return false
}

// folds tells whether name differs from a known one in case, and is none itself.
func (f form) folds(name string) bool {
	return !slices.Contains(f.names, name) && slices.ContainsFunc(f.names, func(known string) bool { return strings.EqualFold(known, name) })
}
