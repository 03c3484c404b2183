package sqs

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Settings of the adapter, beside "app" and "source".
const (
	// SettingQueues is which queues to read: names, ARNs of other accounts' queues and globs,
	// comma-separated; "*" is all of the account and region.
	SettingQueues = "queues"
	// SettingCallsPerMonth bounds what the polling costs: beyond it queues are read less often,
	// idle ones and dead-letter queues first. Not set, every queue is read at every poll.
	SettingCallsPerMonth = "calls_per_month"
)

// The operations it asks.
const (
	opList       = "ListQueues"
	opURL        = "GetQueueUrl"
	opAttributes = "GetQueueAttributes"
)

// listEvery is how long a list of queues is good for. ListQueues has a price, too.
const listEvery = 5 * time.Minute

// Adapter reads SQS.
type Adapter struct{}

// Describe implements [adapter.Adapter].
func (Adapter) Describe() adapter.Description {
	return adapter.Description{
		Name: "sqs", Version: "1", Source: adapter.SQS,
		Commands: []string{opList, opURL, opAttributes},
	}
}

// Open implements [adapter.Adapter].
func (Adapter) Open(settings adapter.Settings) (adapter.Session, error) {
	s := &session{app: settings["app"], source: settings["source"], targets: map[string]*target{}, lost: map[string]failure{}}
	patterns, err := adapter.ParsePatterns(settings[SettingQueues])
	if err != nil {
		return nil, fmt.Errorf("queues: %w", err)
	}
	names, exact := patterns.Exact()
	s.named, s.globs = names, !exact
	s.patterns = patterns
	if len(patterns) == 1 && s.globs {
		s.prefix = patterns[0][:strings.IndexAny(patterns[0], `*?[\`)]
	}
	if text := settings[SettingCallsPerMonth]; text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			return nil, fmt.Errorf("calls_per_month is %q: it takes a whole number above 0", text)
		}
		s.budget = &budget{perMonth: n}
	}
	return s, nil
}

type session struct {
	adapter.Flow
	app, source string
	patterns    adapter.Patterns
	named       []string // the literal names and ARNs among the patterns
	globs       bool     // some pattern is a glob, so queues must be listed
	prefix      string   // what ListQueues can narrow by
	listedAt    time.Time
	targets     map[string]*target // by queue URL
	lost        map[string]failure // dead-letter queues that could not be found, by ARN
	budget      *budget            // nil: no limit

	// of the poll under way
	now      time.Time
	problems []protocol.Problem
	listed   map[string]bool
}

// target is a queue whose attributes are read, because it is wanted or because it is the
// dead-letter queue of one that is.
type target struct {
	name, url string
	wanted    bool   // by name or glob: it has a row of its own
	named     string // the pattern that names it literally
	attributes
	readAt time.Time // when attributes were read; zero if never
	err    error     // why the last reading failed
}

// attributes are what GetQueueAttributes told.
type attributes struct {
	waiting, active, delayed int64
	arn                      string
	dlq                      string // ARN of its dead-letter queue
}

// failure is why a dead-letter queue could not be found, and when that was tried.
type failure struct {
	err error
	at  time.Time
}

// Poll implements [adapter.Session].
func (s *session) Poll(now time.Time) adapter.Step {
	s.now, s.problems = now, nil
	if s.globs && (s.listedAt.IsZero() || now.Sub(s.listedAt) >= listEvery) {
		s.listed = map[string]bool{}
		return s.list("")
	}
	return s.locate()
}

func (s *session) sorted() []*target {
	out := make([]*target, 0, len(s.targets))
	for _, t := range s.targets {
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b *target) int { return strings.Compare(a.url, b.url) })
	return out
}
