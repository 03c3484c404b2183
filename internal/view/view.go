package view

import (
	"encoding/json"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

// View is everything that is known, at one moment. Its JSON is maps all the way down, without
// nulls, so that a merge patch addresses every part of it.
type View struct {
	GeneratedAt int64           `json:"generated_at"`
	Totals      Totals          `json:"totals"`
	Apps        map[string]*App `json:"apps"`
	Problems    []Problem       `json:"problems"`
}

// Totals are sums over the queues whose numbers are there: not the lost ones, and everything in a
// dead-letter queue once, as failed, however many queues share it. A sum ends at
// [protocol.MaxCount], the last number that every reader keeps exact.
type Totals struct {
	Waiting int64 `json:"waiting"`
	Active  int64 `json:"active"`
	Delayed int64 `json:"delayed"`
	Failed  int64 `json:"failed"`
	Queues  int   `json:"queues"`  // rows, the lost ones too
	Servers int   `json:"servers"` // rows, the lost ones too
	// Unknown says of how many queues a count is not in its sum, because it cannot be known.
	Unknown map[string]int `json:"unknown,omitempty"`
}

// App is one app's queues, keyed by driver and name, and servers, keyed by id.
type App struct {
	Queues  map[string]*Queue  `json:"queues"`
	Servers map[string]*Server `json:"servers"`
}

// Queue is one queue as the reporter of its snapshot saw it.
type Queue struct {
	Name      string           `json:"name"`
	Driver    protocol.Driver  `json:"driver"`
	Origin    string           `json:"origin"` // "gravito" or "external"
	ReadOnly  bool             `json:"read_only"`
	Source    string           `json:"source,omitempty"`
	Status    Status           `json:"status"`
	Health    Health           `json:"health"`
	Timestamp int64            `json:"timestamp"`
	Metrics   protocol.Metrics `json:"metrics"`
	Meta      map[string]any   `json:"meta"`

	// From meta, whether or not that is too large to be shown.
	id    string // the same for the same queue, whoever reports it
	dlq   string // its dead-letter queue's id; "" if it has none
	isDLQ bool   // what is in it has failed in others

	encoded []byte
}

// Server is one process or host.
type Server struct {
	Status    Status            `json:"status"`
	Timestamp int64             `json:"timestamp"`
	System    *protocol.System  `json:"system,omitempty"`
	Process   *protocol.Process `json:"process,omitempty"`
	Meta      map[string]any    `json:"meta"`

	encoded []byte
}

// Problem is something that is wrong with a key, or with what its reporter could read.
type Problem struct {
	Key    string `json:"key"`
	Reason string `json:"reason"`
}

// Status is how old a document is.
type Status string

// The ages of a document.
const (
	Fresh Status = "fresh" // at most 15 s
	Stale Status = "stale" // older, but its key is still there
	Lost  Status = "lost"  // its key is gone: the reporter stopped, or cannot reach Redis
)

// freshFor is how old a document may be and still be fresh.
const freshFor = 15 * time.Second

// clockTolerance is how far a document's clock may be ahead of ours and still be believed.
const clockTolerance = time.Minute

// Health is how a queue does, in one word.
type Health string

// The healths that can be told without history.
const (
	Paused        Health = "paused"
	UnknownHealth Health = "unknown"
)

// MarshalJSON returns what was encoded when the view was built.
func (q *Queue) MarshalJSON() ([]byte, error) { return q.encoded, nil }

// MarshalJSON returns what was encoded when the view was built.
func (s *Server) MarshalJSON() ([]byte, error) { return s.encoded, nil }

const (
	// maxRow bounds one row's JSON: meta is free, and may be rubbish.
	maxRow = 32 << 10
	// maxDepth bounds how deep a meta nests. Readers have bounds of their own: encoding/json takes
	// 10,000 levels, others hundreds, the page's merge patch 64 from the view's root.
	maxDepth = 32
)

func (q *Queue) encode() {
	type plain Queue
	q.Meta = shown(q.Meta)
	data, err := json.Marshal((*plain)(q))
	if err != nil || len(data) > maxRow {
		q.Meta = map[string]any{"error": tooLarge}
		data, _ = json.Marshal((*plain)(q)) // text and numbers only: it cannot fail
	}
	q.encoded = data
}

func (s *Server) encode() {
	type plain Server
	s.Meta = shown(s.Meta)
	data, err := json.Marshal((*plain)(s))
	if err != nil || len(data) > maxRow {
		s.Meta = map[string]any{"error": tooLarge}
		data, _ = json.Marshal((*plain)(s))
	}
	s.encoded = data
}

const (
	tooLarge = "its meta is larger than 32 KiB and is not shown"
	tooDeep  = "its meta nests deeper than 32 levels and is not shown"
)

// shown is what a row shows of a meta. It is never nil.
func shown(meta map[string]any) map[string]any {
	switch {
	case meta == nil:
		return map[string]any{}
	case !dropNulls(meta, maxDepth):
		return map[string]any{"error": tooDeep}
	}
	return meta
}

// dropNulls drops null members: a merge patch could not carry them. It also looks into lists:
// RFC 7396 carries what is in a list as it is, but not everyone who applies a patch does. It
// reports whether v nests at most depth levels.
func dropNulls(v any, depth int) bool {
	switch v := v.(type) {
	case map[string]any:
		if depth == 0 {
			return false
		}
		for k, member := range v {
			if member == nil {
				delete(v, k)
			} else if !dropNulls(member, depth-1) {
				return false
			}
		}
	case []any:
		if depth == 0 {
			return false
		}
		for _, e := range v {
			if !dropNulls(e, depth-1) {
				return false
			}
		}
	}
	return true
}
