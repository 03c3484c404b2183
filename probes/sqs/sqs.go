package sqs

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// Settings of the adapter, beside "app" and "source".
const (
	// SettingQueues is which queues to read: names, URLs, ARNs and globs, comma-separated; "*" is all
	// of the account and region, and so is a setting that is not set. Another account's queues cannot
	// be listed: they are named by their URLs or ARNs.
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

// listEvery is how long a list of queues is good for, and how long a dead-letter queue that is not
// there or may not be read is left alone: looking has a price, too.
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
func (a Adapter) Open(_ context.Context, settings adapter.Settings) (adapter.Session, error) {
	if err := settings.Only(a.Describe().Name, SettingQueues, SettingCallsPerMonth); err != nil {
		return nil, err
	}
	s := &session{
		app: settings["app"], source: settings["source"], pages: 1, located: map[string]bool{},
		targets: map[string]*target{}, unfound: map[string]failure{}, lost: map[string]failure{},
	}
	settings = adapter.Settings{SettingQueues: settings.Or(SettingQueues, "*"), SettingCallsPerMonth: settings[SettingCallsPerMonth]}
	var err error
	if s.patterns, err = settings.Patterns(SettingQueues); err != nil {
		return nil, err
	}
	for _, p := range s.patterns {
		if strings.Contains(p, "@") { // before it may stand a password
			return nil, &adapter.SettingError{Setting: SettingQueues, Value: "***@***", Takes: "names, globs, URLs or ARNs of queues, and none of them has an @"}
		}
		if !isARN(p) && !isURL(p) && !isNamePattern(p) {
			return nil, settings.Wrong(SettingQueues, "names, globs, URLs or ARNs of queues; "+adapter.Quote(p, 200)+
				" is none: a name has 1 to 80 letters, digits, '-' or '_', and may end in .fifo; an ARN is such as arn:aws:sqs:eu-west-1:123456789012:orders")
		}
	}
	s.named, s.globs = s.patterns.Names(), s.patterns.HasGlob()
	if len(s.patterns) == 1 && s.globs {
		s.prefix = s.patterns[0][:strings.IndexAny(s.patterns[0], `*?[\`)]
	}
	if text := settings[SettingCallsPerMonth]; text != "" {
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil || n <= 0 {
			return nil, settings.Wrong(SettingCallsPerMonth, "a whole number of calls above 0, such as 1000000; not set, it is unlimited")
		}
		s.budget = &budget{perMonth: n}
	}
	return s, nil
}

type session struct {
	adapter.Flow
	app, source string
	patterns    adapter.Patterns
	named       []string // the literal names, URLs and ARNs among the patterns
	globs       bool     // some pattern is a glob, so queues must be listed
	prefix      string   // the beginning of every name that the globs match, for ListQueues
	budget      *budget  // nil: no limit

	listedAt time.Time          // when the list was last read to its end
	pages    int                // the number of pages it had
	unlisted *failure           // why the list could not be read since then
	located  map[string]bool    // the named queues with a known URL
	targets  map[string]*target // by queue URL
	unfound  map[string]failure // the named queues that could not be found
	lost     map[string]failure // the dead-letter queues that could not be found or read, by ARN
	outage   int                // polls in a row in which no queue answered

	// of the poll under way
	now      time.Time
	problems []protocol.Problem
	listed   map[string]bool
	answered int   // queues that SQS answered for
	readErr  error // why SQS did not answer for another
}

// target is a queue of which we read the attributes, because it is wanted or because it is the dead-letter queue
// of a wanted one.
type target struct {
	name, url string
	wanted    bool            // by name or glob: it has a row of its own
	named     bool            // by its full name: it is a problem when such a queue is gone
	asked     string          // the ARN that the settings or another queue name it by; "" if none does
	request   adapter.Request // for its attributes
	attributes
	readAt   time.Time // when attributes were read; zero if never
	triedAt  time.Time // when we last tried to read them
	err      error     // why the last try failed
	failures int       // how many tries have failed since the last success
}

// attributes are what GetQueueAttributes told.
type attributes struct {
	waiting, active, delayed int64
	arn                      string
	dlq                      string // ARN of its dead-letter queue
}

// failure is why a queue could not be found or read, and when we tried.
type failure struct {
	operation string
	err       error
	at        time.Time
}

func (f failure) String() string { return explain(f.operation, f.err) }

// Poll implements [adapter.Session].
func (s *session) Poll(_ context.Context, now time.Time) adapter.Step {
	s.now, s.problems, s.answered, s.readErr = now, nil, 0, nil
	s.budget.begin(now)
	if s.listIsDue() {
		s.listed, s.pages = map[string]bool{}, 0
		return s.list("")
	}
	return s.locate()
}

// target is the queue at url, new if it is not known yet.
func (s *session) target(url string) *target {
	t := s.targets[url]
	if t == nil {
		t = &target{name: nameOf(url), url: url, request: attributesRequest(url)}
		s.targets[url] = t
	}
	return t
}

func (s *session) sorted() []*target {
	out := make([]*target, 0, len(s.targets))
	for _, url := range adapter.SortedKeys(s.targets) {
		out = append(out, s.targets[url])
	}
	return out
}
