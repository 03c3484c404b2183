package alert

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"time"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/protocol"
)

// state is an alert as Redis keeps it. Times are Unix ms.
type state struct {
	Phase  phase  `json:"state"`
	Rule   string `json:"rule"`
	App    string `json:"app"`
	Kind   string `json:"kind"`             // "queue", "reporter" or "server"
	Key    string `json:"key"`              // of the queue in the view, of the reporter or the server in its app: what people are told
	Plain  string `json:"plain,omitempty"`  // the key that a queue would have in the view, were its reporter the only one
	Now    string `json:"now,omitempty"`    // the queue's key in the view now, where that is another
	Source string `json:"source,omitempty"` // the reporter of the queue, or the reporter itself
	Reason string `json:"reason,omitempty"`
	// Value is the number that the rule looks at, if there is one.
	Value *float64 `json:"value,omitempty"`
	Since int64    `json:"since"` // when it was first so
	Seen  int64    `json:"seen"`  // when it was last so
	Looks int      `json:"looks"` // how often in a row it was so, while it is pending
	Clear int      `json:"clear"` // how often in a row it was not, while it fires
	// Known is when a health that takes many looks to see was last known, and Row how many of these looks were in a row.
	Known int64 `json:"known,omitempty"`
	Row   int   `json:"row,omitempty"`
	Over  int64 `json:"over,omitempty"` // when it was over
	// Sent is, by channel, when it was last told that the alert fires, and has not been told that it is over.
	Sent map[string]int64 `json:"sent,omitempty"`
	// Trying is, by channel, when a manager began to tell it. It may have ended before it knew whether it could.
	Trying map[string]int64 `json:"trying,omitempty"`
	// Unseen is since when the view doesn't have it; 0 is that it does.
	Unseen int64 `json:"unseen,omitempty"`
	// Strange is since when managers look that don't know its rule or one of the channels in Sent; 0 is not now.
	Strange int64 `json:"strange,omitempty"`

	isSeen bool // the look under way sees that it is so, or close to it
}

// phase is how far an alert is.
type phase string

const (
	pending  phase = "pending"  // it is so, but not for long enough
	firing   phase = "firing"   // it is worth telling
	resolved phase = "resolved" // it is over, and not everybody has been told
)

const (
	// surelyOver is how many looks in a row must see no trouble before it is over.
	surelyOver = 2
	// surelyThere is how many must see it before it is there.
	surelyThere = 2
	// maxGap is the longest time between two looks that count as in a row.
	maxGap = 150 * time.Second
	// jitter is how much earlier than a minute later the next look may be.
	jitter = 5 * time.Second
	// trialLife is how long another manager may take to tell a channel. After that it has ended.
	trialLife = 2 * time.Minute
)

// id is the same for each look at the same object by the same rule.
func (s *state) id() string { return s.Rule + "\x00" + s.App + "\x00" + s.Kind + "\x00" + s.Key }

// object is what a rule looks at. It is the same at each look: the key of a queue in the view may be another where two reporters
// have queues of one name, as the plain one is of the reporter that sorts first.
type object struct{ rule, app, kind, plain, source string }

func (s *state) object() object {
	if s.Kind != "queue" {
		return object{s.Rule, s.App, s.Kind, s.Key, ""}
	}
	return object{s.Rule, s.App, s.Kind, cmp.Or(s.Plain, s.Key), s.Source}
}

// now is its key in the view.
func (s *state) now() string { return cmp.Or(s.Now, s.Key) }

// moveTo notes its key in the view.
func (s *state) moveTo(key string) {
	if s.Now = key; key == s.Key {
		s.Now = ""
	}
}

// fingerprint is a short name of an id: the field in Redis, and PagerDuty's dedup_key.
func (s *state) fingerprint() string {
	sum := sha256.Sum256([]byte(s.id()))
	return hex.EncodeToString(sum[:8])
}

// believe is what is true of a verdict that takes so many looks in a row: after a gap nobody can see that it is so, and that
// is no look.
func (s *state) believe(v verdict, looks int, now int64) verdict {
	if looks == 0 || v == unknown {
		return v
	}
	if history.IsGap(s.Known, now) {
		s.Row = 0
	}
	s.Known, s.Row = now, min(s.Row+1, looks)
	switch {
	case v == isSo:
		s.Row = looks // it was seen
	case s.Row < looks:
		return unknown
	}
	return v
}

// advance moves an alert on by a look. It returns false where nothing is left of it.
func (s *state) advance(v verdict, lasts time.Duration, now int64) bool {
	s.isSeen = v == isSo || v == isClose
	switch s.Phase {
	case pending:
		switch v {
		case isSo:
			if now-s.Seen > maxGap.Milliseconds() || s.Seen > now { // what was between is not known, or the clock was set back
				s.Since, s.Looks = now, 0
			}
			s.Looks++
			s.Seen = now
			if s.Looks >= surelyThere && now-s.Since >= (lasts-jitter).Milliseconds() {
				s.Phase, s.Clear = firing, 0
			}
		case isClose, isNot:
			s.Phase, s.Over = resolved, now // somebody may not know yet that it was over the last time
		case unknown:
		}
	case firing:
		switch v {
		case isSo:
			s.Seen, s.Clear = now, 0
		case isClose:
			s.Clear = 0
		case isNot:
			if s.Clear++; s.Clear >= surelyOver {
				s.Phase, s.Over = resolved, now
			}
		case unknown:
		}
	case resolved:
		if v == isSo { // it is back before everybody was told that it was over
			s.Phase, s.Since, s.Seen, s.Over, s.Looks, s.Clear = pending, now, now, 0, 1, 0
		}
	}
	return s.Phase != resolved || len(s.Sent) > 0
}

// isDue reports whether a channel is to be told of s now.
func (s *state) isDue(channel string, repeat time.Duration, now int64) bool {
	if began := s.Trying[channel]; began != 0 && isWithin(now-began, trialLife) {
		return false // another manager is at it
	}
	sent := s.Sent[channel]
	switch s.Phase {
	case firing:
		return sent == 0 || s.isSeen && now-sent >= (repeat-jitter).Milliseconds()
	case resolved:
		return sent != 0
	case pending:
	}
	return false
}

// tried notes that a channel was, or could not be, told of s, which a manager began at a time.
func (s *state) tried(channel string, n notice, isTold bool, began int64) {
	if s.Trying[channel] == began {
		delete(s.Trying, channel)
	}
	switch {
	case !isTold, s.Sent[channel] != n.sent: // the latter is that another manager has told it since
	case n.as == resolved:
		delete(s.Sent, channel)
	case s.Sent == nil:
		s.Sent = map[string]int64{channel: began}
	default:
		s.Sent[channel] = began
	}
}

const (
	// maxAlerts bounds the alerts that there are at a time, maxOfApp those of one app, so that a storm in one does not
	// hide the others'. maxState bounds one of them in Redis.
	maxAlerts = 5000
	maxOfApp  = 500
	maxState  = 8 << 10
	maxReason = 500
)

func (s *state) clone() *state {
	c := *s
	c.Sent, c.Trying = maps.Clone(s.Sent), maps.Clone(s.Trying)
	return &c
}

func (s *state) encode() string {
	s.Reason = protocol.Shorten(s.Reason, maxReason)
	data, err := json.Marshal(s)
	if err != nil {
		panic(err) // it is texts and numbers that JSON has
	}
	return string(data)
}

// decodeState reads a field of the hash. Others may have written it: what isn't an alert is nil.
func decodeState(field, text string) *state {
	if len(text) > maxState {
		return nil
	}
	var s state
	if err := json.Unmarshal([]byte(text), &s); err != nil || s.fingerprint() != field {
		return nil
	}
	switch s.Phase {
	case pending, firing, resolved:
		return &s
	}
	return nil
}
