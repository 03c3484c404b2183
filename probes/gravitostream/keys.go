package gravitostream

import (
	"strconv"
	"strings"
)

// Names of queues may hold ':', so we never split a key: we cut off only the known ends. If the rest is a queue that
// the settings select, the key is that queue's.

// notQueues begin keys of Gravito Stream, behind the prefix, that belong to no queue.
var notQueues = []string{"pending:", "worker:", "logs:", "lock:", "schedule"}

func isNoQueue(rest string) bool {
	for _, start := range notQueues {
		if strings.HasPrefix(rest, start) {
			return true
		}
	}
	return rest == "active" || strings.Contains(rest, ":ratelimit:")
}

// candidate is a key that may belong to a queue, if Redis says that it has the type kind.
type candidate struct {
	queue, kind string
	stranded    int // the numeric priority that this list is of; none is notStranded
}

const notStranded = -1

// numericPriorities is how many there are: of one or two digits.
const numericPriorities = 100

// classify returns the queue and the type that a key should have, from the key without its prefix. ok is false where
// the key belongs to no selected queue.
func (s *session) classify(rest string) (c candidate, ok bool) {
	if isNoQueue(rest) {
		return candidate{}, false
	}
	c = candidate{kind: "list", stranded: notStranded}
	name, state := cutState(rest)
	switch state {
	case "delayed":
		c.kind = "zset"
	case "paused":
		c.kind = "string"
	}
	ofAll := state == "failed" || state == "paused" // kept a queue, not a priority
	if stem, _ := cutPriority(name); stem != "" && !ofAll && s.patterns.Match(stem) {
		c.queue = stem
		return c, true
	}
	// A number at the end may also be part of a name, as in tenant:42. It is where the settings name such a queue, or
	// where there are keys that only queues have.
	if stem, n := cutNumber(name); stem != "" && !ofAll && !s.isNamed(name) && s.patterns.Match(stem) {
		c.queue = stem
		if state == "" {
			c.stranded = n
		}
		return c, true
	}
	c.queue = name
	return c, s.patterns.Match(name)
}

func (s *session) isNamed(name string) bool {
	q := s.queues[name]
	return q != nil && q.named
}

// ownerOf returns the selected queue that has its jobs of one part, such as a priority, under the key that a queue
// called name would use. Where there is an owner there can be no queue called name.
func (s *session) ownerOf(name string) (owner, part string) {
	if stem, priority := cutPriority(name); stem != "" && s.patterns.Match(stem) {
		return stem, priority
	}
	if stem, state := cutState(name); state != "" && stem != "" && s.patterns.Match(stem) {
		return stem, state
	}
	return "", ""
}

// cutState cuts off the end of a key that names the state of its jobs.
func cutState(key string) (name, state string) {
	for _, state := range [...]string{"delayed", "failed", "paused"} {
		if name, ok := strings.CutSuffix(key, ":"+state); ok && name != "" {
			return name, state
		}
	}
	return key, ""
}

// cutPriority cuts off the end of a list's key that names the priority of its jobs. stem is empty where there is no
// such end.
func cutPriority(name string) (stem, priority string) {
	for _, p := range priorities[1:] {
		if stem, ok := strings.CutSuffix(name, p); ok {
			return stem, p[1:]
		}
	}
	return "", ""
}

// cutNumber cuts off a numeric priority: one or two digits. A longer number is far more likely an id, which is part
// of a name. stem is empty where there is no such end.
func cutNumber(name string) (stem string, n int) {
	i := strings.LastIndexByte(name, ':')
	digits := name[i+1:]
	if i < 0 || len(digits) < 1 || len(digits) > 2 {
		return "", 0
	}
	value, err := strconv.ParseUint(digits, 10, 8)
	if err != nil || strconv.FormatUint(value, 10) != digits {
		return "", 0
	}
	return name[:i], int(value)
}
