package protocol

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// How long what we write lives, unless a setting says otherwise.
const (
	// DefaultTTL is the life of a snapshot and of a heartbeat.
	DefaultTTL = 30 * time.Second
	// IndexLife is how long a key that is no longer written stays in [IndexKey].
	IndexLife = 24 * time.Hour
)

// IndexKey is a sorted set of the snapshot and heartbeat keys that exist or lately existed,
// scored by the Unix milliseconds at which each was last seen.
const IndexKey = "pulse:index"

const (
	queuesPrefix = "pulse:queues:"
	serverPrefix = "pulse:server:"
	trendPrefix  = "pulse:trend:"
	// Older agents write nodes here; they are read as heartbeats and snapshots.
	quasarPrefix = "gravito:quasar:node:"
)

// QueuesKey is where a reporter SETs its snapshot of one app. Reporters that share an app set a
// source, so that they don't overwrite each other; source may be empty.
func QueuesKey(app, source string) string {
	if source == "" {
		return queuesPrefix + app
	}
	return queuesPrefix + app + ":" + source
}

// ServerKey is where one process or host SETs its heartbeat.
func ServerKey(app, id string) string { return serverPrefix + app + ":" + id }

// TrendKey is where the recorder SETs its verdicts on an app's queues.
func TrendKey(app string) string { return trendPrefix + app }

// HistoryKey is the stream of an app's history, which the recorder writes.
func HistoryKey(app string) string { return "pulse:history:" + app }

// AlertsKey is the hash in which the recorder keeps the state of each alert.
const AlertsKey = "pulse:alerts"

// Kind says what a key holds.
type Kind int

// What a key can hold.
const (
	KindOther  Kind = iota // not a key of this protocol
	KindQueues             // a QueueSnapshot
	KindServer             // a Heartbeat
	KindQuasar             // a node of the older namespace
	KindTrend              // Trends
)

// KindOf tells from a key's prefix what it holds.
func KindOf(key string) Kind {
	switch {
	case strings.HasPrefix(key, queuesPrefix):
		return KindQueues
	case strings.HasPrefix(key, serverPrefix):
		return KindServer
	case strings.HasPrefix(key, quasarPrefix):
		return KindQuasar
	case strings.HasPrefix(key, trendPrefix):
		return KindTrend
	}
	return KindOther
}

// Address is what a key alone says. Nothing else is left when a key's document is gone.
type Address struct {
	Kind Kind
	App  string
	Rest string // the source of a snapshot, the id of a server; may be empty for a snapshot
}

// ParseKey reads a key of this protocol. ok is false for any other key, and for one with parts that are not names.
// While a document exists believe its body, not its key.
func ParseKey(key string) (a Address, ok bool) {
	a.Kind = KindOf(key)
	var rest string
	switch a.Kind {
	case KindQueues:
		rest = key[len(queuesPrefix):]
	case KindServer:
		rest = key[len(serverPrefix):]
	case KindQuasar:
		rest = key[len(quasarPrefix):]
	case KindTrend:
		a.App = key[len(trendPrefix):]
		return a, ValidName(a.App)
	case KindOther:
		return a, false
	}
	a.App, a.Rest, ok = strings.Cut(rest, ":")
	switch {
	case a.Kind == KindQueues && !ok:
		return a, ValidName(a.App)
	case a.Kind == KindQuasar:
		a.App, a.Rest = NameFrom(a.App), NameFrom(a.Rest)
	}
	return a, ok && ValidName(a.App) && ValidName(a.Rest)
}

// maxName is the most characters of a name, each of them one byte.
const maxName = 128

// ValidName reports whether s can be an app, an id or a source: [A-Za-z0-9][A-Za-z0-9._@-]{0,127}. It uses no
// regular expression, because compiling one took a tenth of a function's start.
func ValidName(s string) bool {
	for i, r := range s {
		if !isAlphanumeric(r) && (i == 0 || !strings.ContainsRune("._@-", r)) {
			return false
		}
	}
	return s != "" && len(s) <= maxName
}

func isAlphanumeric(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9'
}

// CheckName is [ValidName] with an error that says what is wrong with s, named as what.
func CheckName(what, s string) error {
	if ValidName(s) {
		return nil
	}
	return errors.New(what + " is " + quote(s) + ": it takes 1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit")
}

// NameFrom makes a name of free text, such as a host's: it replaces each character that a name cannot hold by '-'.
// The name is empty only where s is empty or all spaces.
func NameFrom(s string) string {
	out := strings.Map(func(r rune) rune {
		if ValidName("a" + string(r)) {
			return r
		}
		return '-'
	}, strings.TrimLeft(s, " "))
	if out != "" && !ValidName(out[:1]) {
		out = "x" + out
	}
	return out[:min(len(out), maxName)]
}

// quote returns a foreign text in quotes: escaped, and cut so that rubbish can't fill a log.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return strconv.Quote(s[:most]) + "… (" + strconv.Itoa(len(s)) + " bytes)"
	}
	return strconv.Quote(s)
}
