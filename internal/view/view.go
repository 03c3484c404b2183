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

// Totals are sums over the queues whose numbers are there: not the lost ones, a shared dead-letter
// queue once, and what waits in a dead-letter queue only as failed.
type Totals struct {
	Waiting int64 `json:"waiting"`
	Active  int64 `json:"active"`
	Delayed int64 `json:"delayed"`
	Failed  int64 `json:"failed"`
	Queues  int   `json:"queues"`
	Servers int   `json:"servers"`
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

// maxRow bounds one row's JSON: meta is free, and may be rubbish.
const maxRow = 32 << 10

func (q *Queue) encode() {
	type plain Queue
	if q.Meta = withoutNulls(q.Meta); q.Meta == nil {
		q.Meta = map[string]any{}
	}
	data, err := json.Marshal((*plain)(q))
	if err != nil || len(data) > maxRow {
		q.Meta = map[string]any{"error": tooLarge}
		data, _ = json.Marshal((*plain)(q)) // text and numbers only: it cannot fail
	}
	q.encoded = data
}

func (s *Server) encode() {
	type plain Server
	if s.Meta = withoutNulls(s.Meta); s.Meta == nil {
		s.Meta = map[string]any{}
	}
	data, err := json.Marshal((*plain)(s))
	if err != nil || len(data) > maxRow {
		s.Meta = map[string]any{"error": tooLarge}
		data, _ = json.Marshal((*plain)(s))
	}
	s.encoded = data
}

const tooLarge = "its meta is larger than 32 KiB and is not shown"

// withoutNulls drops null members: a merge patch could not carry them.
func withoutNulls(m map[string]any) map[string]any {
	for k, v := range m {
		if v == nil {
			delete(m, k)
			continue
		}
		dropNulls(v)
	}
	return m
}

// dropNulls also looks into lists. RFC 7396 carries what is in a list as it is, but not everyone
// who applies a patch does.
func dropNulls(v any) {
	switch v := v.(type) {
	case map[string]any:
		withoutNulls(v)
	case []any:
		for _, e := range v {
			dropNulls(e)
		}
	}
}
