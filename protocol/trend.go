package protocol

import (
	"cmp"
	"errors"
	"maps"
	"slices"
	"strconv"
	"time"
)

// Trends are the recorder's verdicts on the queues of one app, as [TrendKey] holds them.
type Trends struct {
	Timestamp int64 // of the reading they were made of, Unix ms
	App       string
	Queues    map[string]*Verdict // by the queue's key in the view, such as "sqs/orders"; several may share one
	Alerts    map[string]Alert    // those that fire, by fingerprint
	Problems  []string            // what the recorder could not do, in sentences
}

// Alert is a rule that has held for long enough to tell somebody.
type Alert struct {
	Rule   string // such as "stalled 5m"
	Kind   string // what it is about: "queue", "reporter" or "server"
	Key    string // of the queue in the view, of the reporter or the server
	Reason string // why, in a sentence; may be empty
	Since  int64  // when it was first so, Unix ms
	Sent   int64  // when a channel was last told, Unix ms; 0 is not yet
}

const (
	// maxAlerts is how many alerts of an app are read.
	maxAlerts = 1000
	// maxRecorderProblems is how many problems of the recorder are.
	maxRecorderProblems = 10
	// mostShared is of how many verdicts DecodeTrends knows that it has read the same before.
	mostShared = 1000
)

// TrendTTL is how long verdicts live. They are renewed every minute.
const TrendTTL = 3 * time.Minute

// Verdict is how a queue does, and where it is going.
type Verdict struct {
	Source string // the queue's reporter, "-" for one without a source; may be empty, then any
	Health Health
	Reason string // why it is that health, in a sentence; may be empty
	Trend  Trend
}

// Health is how a queue does, in one word.
type Health string

// The healths.
const (
	HealthOK      Health = "ok"
	HealthGrowing Health = "growing" // more and more jobs wait
	HealthStalled Health = "stalled" // jobs wait, and none is worked at
	HealthFailing Health = "failing" // more and more jobs fail
	HealthPaused  Health = "paused"
	HealthUnknown Health = "unknown" // what there is doesn't tell
)

func (h Health) known() bool {
	switch h {
	case HealthOK, HealthGrowing, HealthStalled, HealthFailing, HealthPaused, HealthUnknown:
		return true
	}
	return false
}

// Trend is where a queue is going. A member that is nil is not known.
type Trend struct {
	// WaitingPerMin is how the number of waiting jobs changes, in jobs a minute.
	WaitingPerMin *float64 `json:"waiting_per_min,omitempty"`
	// DrainSeconds is in how many seconds none will wait, if it goes on like that.
	DrainSeconds *int64 `json:"drain_seconds,omitempty"`
	// DrainRange is the 95 % interval of DrainSeconds.
	DrainRange *[2]int64 `json:"drain_range,omitempty"`
	// ProcessedPerMin is how many jobs are finished in a minute, where the queue's driver counts them.
	ProcessedPerMin *float64 `json:"processed_per_min,omitempty"`
	// ArrivingPerMin is how many come in a minute.
	ArrivingPerMin *float64 `json:"arriving_per_min,omitempty"`
	// WaitSeconds is how long a job that comes now will wait.
	WaitSeconds *int64 `json:"wait_seconds,omitempty"`
}

// IsZero reports whether nothing is known.
func (t Trend) IsZero() bool { return t == Trend{} }

// Equal reports whether two trends say the same.
func (t Trend) Equal(other Trend) bool {
	return sameValue(t.WaitingPerMin, other.WaitingPerMin) && sameValue(t.DrainSeconds, other.DrainSeconds) && sameValue(t.DrainRange, other.DrainRange) &&
		sameValue(t.ProcessedPerMin, other.ProcessedPerMin) && sameValue(t.ArrivingPerMin, other.ArrivingPerMin) && sameValue(t.WaitSeconds, other.WaitSeconds)
}

func sameValue[T comparable](a, b *T) bool { return a == b || a != nil && b != nil && *a == *b }

// AppendJSON appends t to dst, without what is not known.
func (t Trend) AppendJSON(dst []byte) []byte {
	dst = appendFloat(append(dst, '{'), "waiting_per_min", t.WaitingPerMin)
	dst = appendInt(dst, "drain_seconds", t.DrainSeconds)
	if t.DrainRange != nil {
		dst = append(appendMember(dst, "drain_range"), '[')
		dst = append(strconv.AppendInt(dst, t.DrainRange[0], 10), ',')
		dst = append(strconv.AppendInt(dst, t.DrainRange[1], 10), ']')
	}
	dst = appendFloat(dst, "processed_per_min", t.ProcessedPerMin)
	dst = appendFloat(dst, "arriving_per_min", t.ArrivingPerMin)
	dst = appendInt(dst, "wait_seconds", t.WaitSeconds)
	return append(dst, '}')
}

// Encode checks t and returns it as JSON.
func (t *Trends) Encode() ([]byte, error) {
	errs := []error{checkTimestamp(t.Timestamp), CheckName("app", t.App)}
	for fingerprint, a := range t.Alerts {
		if a.Rule == "" || a.Kind == "" {
			errs = append(errs, errors.New("the alert "+quote(fingerprint)+" has no rule or no kind"))
		}
	}
	for key, v := range t.Queues {
		if !v.Health.known() {
			errs = append(errs, errors.New("the health of "+quote(key)+" is "+quote(string(v.Health))+": it takes ok, growing, stalled, failing, paused or unknown"))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	dst := AppendText(appendMember(appendIntMember([]byte{'{'}, "timestamp", t.Timestamp), "app"), t.App)
	source := t.onlySource()
	if source != "" {
		dst = AppendText(appendMember(dst, "source"), source)
	}
	dst = append(appendMember(dst, "queues"), '{')
	for _, key := range slices.Sorted(maps.Keys(t.Queues)) {
		v := *t.Queues[key]
		if source != "" {
			v.Source = ""
		}
		dst = v.appendJSON(appendMember(dst, key))
	}
	dst = append(dst, '}')
	if len(t.Alerts) > 0 {
		dst = append(appendMember(dst, "alerts"), '{')
		for _, fingerprint := range slices.Sorted(maps.Keys(t.Alerts)) {
			dst = t.Alerts[fingerprint].AppendJSON(appendMember(dst, fingerprint))
		}
		dst = append(dst, '}')
	}
	if len(t.Problems) > 0 {
		dst = append(appendMember(dst, "problems"), '[')
		for i, reason := range t.Problems {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = AppendText(dst, reason)
		}
		dst = append(dst, ']')
	}
	return append(dst, '}'), nil
}

// AppendJSON appends a to dst.
func (a Alert) AppendJSON(dst []byte) []byte {
	dst = AppendText(appendMember(append(dst, '{'), "rule"), a.Rule)
	dst = AppendText(appendMember(dst, "kind"), a.Kind)
	dst = AppendText(appendMember(dst, "key"), a.Key)
	if a.Reason != "" {
		dst = AppendText(appendMember(dst, "reason"), a.Reason)
	}
	dst = appendIntMember(dst, "since", a.Since)
	if a.Sent != 0 {
		dst = appendIntMember(dst, "sent", a.Sent)
	}
	return append(dst, '}')
}

// onlySource is the source of all verdicts; "" where they differ.
func (t *Trends) onlySource() string {
	sources := map[string]bool{}
	for _, v := range t.Queues {
		sources[v.Source] = true
	}
	if len(sources) == 1 {
		for source := range sources {
			return source
		}
	}
	return ""
}

func (v Verdict) appendJSON(dst []byte) []byte {
	dst = AppendText(appendMember(append(dst, '{'), "health"), string(v.Health))
	if v.Source != "" {
		dst = AppendText(appendMember(dst, "source"), v.Source)
	}
	if v.Reason != "" {
		dst = AppendText(appendMember(dst, "reason"), v.Reason)
	}
	if !v.Trend.IsZero() {
		dst = v.Trend.AppendJSON(appendMember(dst, "trend"))
	}
	return append(dst, '}')
}

// maxQueueKey is the longest key of a queue in a view: a driver, a name, and a source where two have one name.
const maxQueueKey = MaxQueueName + 2*(maxName+1)

// DecodeTrends reads verdicts. What cannot be read of one queue is left out: its health is then unknown, as that of
// each queue that the recorder has not seen. err means that nothing is usable.
func DecodeTrends(data []byte) (Trends, error) {
	doc, err := ReadObject(data)
	if err != nil {
		return Trends{}, err
	}
	t := Trends{App: doc.Text("app"), Queues: map[string]*Verdict{}}
	if err := CheckName("app", t.App); err != nil {
		return Trends{}, err
	}
	if t.Timestamp, err = readTimestamp(doc.get("timestamp")); err != nil {
		return Trends{}, err
	}
	source := cut(doc.Text("source"))
	shared := map[string]*Verdict{} // most queues have the same, such as all of them after the recorder's first look
	texts := map[string]string{}    // of which each is kept once, too
	once := func(text string) string {
		if _, is := texts[text]; !is {
			texts[text] = text
		}
		return texts[text]
	}
	for key, value := range doc.Object("queues").All() {
		if len(t.Queues) == MaxQueues || len(key) > maxQueueKey {
			continue
		}
		v := shared[string(value)]
		if v == nil {
			v = new(readVerdict(value))
			v.Source, v.Reason = once(cmp.Or(v.Source, source)), once(v.Reason)
			if len(shared) < mostShared {
				shared[string(value)] = v
			}
		}
		if v.Health.known() {
			t.Queues[string(key)] = v
		}
	}
	for fingerprint, value := range doc.Object("alerts").All() {
		if len(t.Alerts) < maxAlerts && len(fingerprint) <= maxName {
			if a := readAlert(value); a.Rule != "" && a.Kind != "" {
				if t.Alerts == nil {
					t.Alerts = map[string]Alert{}
				}
				t.Alerts[string(fingerprint)] = a
			}
		}
	}
	for value := range elements(doc.get("problems")) {
		if reason := readText(value); len(t.Problems) < maxRecorderProblems && reason != "" {
			t.Problems = append(t.Problems, cut(reason))
		}
	}
	return t, nil
}

func readAlert(value []byte) (a Alert) {
	for name, value := range members(value) {
		switch string(name) {
		case "rule":
			a.Rule = cut(readText(value))
		case "kind":
			a.Kind = cut(readText(value))
		case "key":
			a.Key = Shorten(readText(value), maxQueueKey)
		case "reason":
			a.Reason = cut(readText(value))
		case "since":
			a.Since = readCount(value).value
		case "sent":
			a.Sent = readCount(value).value
		}
	}
	return a
}

func readVerdict(value []byte) (v Verdict) {
	for name, value := range members(value) {
		switch string(name) {
		case "source":
			v.Source = cut(readText(value))
		case "health":
			v.Health = Health(readText(value))
		case "reason":
			v.Reason = cut(readText(value))
		case "trend":
			v.Trend = readTrend(value)
		}
	}
	return v
}

func readTrend(value []byte) (t Trend) {
	for name, value := range members(value) {
		switch string(name) {
		case "waiting_per_min":
			t.WaitingPerMin = readNumber(value, new(float64))
		case "drain_seconds":
			t.DrainSeconds = readSize(value, new(int64))
		case "drain_range":
			t.DrainRange = readRange(value)
		case "processed_per_min":
			t.ProcessedPerMin = readNumber(value, new(float64))
		case "arriving_per_min":
			t.ArrivingPerMin = readNumber(value, new(float64))
		case "wait_seconds":
			t.WaitSeconds = readSize(value, new(int64))
		}
	}
	return t
}

// readRange reads a list of two whole numbers, the smaller first.
func readRange(list []byte) *[2]int64 {
	var ends [2]int64
	n := 0
	for value := range elements(list) {
		if n == len(ends) || readSize(value, &ends[n]) == nil {
			return nil
		}
		n++
	}
	if n < len(ends) || ends[0] > ends[1] {
		return nil
	}
	return &ends
}
