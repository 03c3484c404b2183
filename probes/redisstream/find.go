package redisstream

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// newAtOnce is how many keys that were not known are taken in one poll at most.
	newAtOnce = 20_000
	// mostStreams is how many streams are found at most: a report has no room for more.
	mostStreams = protocol.MaxQueues
	// ours begins the keys of this project, which no glob selects.
	ours = "pulse:"
)

// commonStart is the literal text that all globs of ps begin with.
func commonStart(ps adapter.Patterns) string {
	start, first := "", true
	for _, p := range ps {
		if !adapter.IsGlob(p) {
			continue
		}
		literal := literalStart(p)
		if first {
			start, first = literal, false
		}
		for !strings.HasPrefix(literal, start) {
			start = start[:len(start)-1]
		}
	}
	return start
}

// literalStart is the text before a glob's first '*', '?' or '['.
func literalStart(glob string) string {
	var b strings.Builder
	for i := 0; i < len(glob) && !strings.ContainsRune("*?[", rune(glob[i])); i++ {
		if glob[i] == '\\' && i+1 < len(glob) {
			i++
		}
		b.WriteByte(glob[i])
	}
	return b.String()
}

// scan takes one part of the walk, and then counts.
func (s *session) scan() adapter.Step {
	return s.Ask([]adapter.Request{s.walk.Request()}, func(r []adapter.Reply) adapter.Step {
		if !s.askTypes && r[0].Code() == "ERR" && strings.Contains(r[0].Err().Error(), "syntax") {
			s.askTypes, s.walk = true, adapter.NewWalk(s.match)
			return s.scan()
		}
		more, err := s.walk.Take(r[0], s.now, s.found)
		switch {
		case err != nil:
			s.problem("", "find streams: "+explain(err, "+scan", "any key"))
			return s.count()
		case more && len(s.newKeys) < newAtOnce:
			return s.scan()
		}
		s.walk.Pause()
		return s.check()
	})
}

// found notes a key that SCAN has found.
func (s *session) found(key string) {
	if !strings.HasPrefix(key, ours) && s.patterns.Match(key) && !s.walk.Knows(key) {
		s.newKeys = append(s.newKeys, key)
	}
}

// check asks what the new keys are, where SCAN could not be told to find streams only.
func (s *session) check() adapter.Step {
	slices.Sort(s.newKeys)
	s.newKeys = slices.Compact(s.newKeys)
	if !s.askTypes {
		return s.add(s.newKeys)
	}
	requests := make([]adapter.Request, len(s.newKeys))
	for i, key := range s.newKeys {
		requests[i] = adapter.Request{"TYPE", key}
	}
	return s.Ask(requests, func(r []adapter.Reply) adapter.Step {
		var streams []string
		for i, key := range s.newKeys {
			what, err := r[i].Text()
			if err != nil {
				s.leaveOut(key, explain(err, "+type", key))
			} else if what == "stream" {
				streams = append(streams, key)
			}
		}
		return s.add(streams)
	})
}

// add takes over the streams that a part of the walk has found, and counts.
func (s *session) add(keys []string) adapter.Step {
	for i, key := range keys {
		if err := protocol.CheckQueueName(key); err != nil {
			s.leaveOut(key, err.Error())
			continue
		}
		if len(s.streams)+i >= mostStreams {
			s.leaveOut(key, fmt.Sprintf("%d streams are the most that one reporter reads; select fewer", mostStreams))
			break
		}
		s.walk.Add(key)
	}
	if s.walk.Ended() {
		s.leftOut, s.leftOutNow = s.leftOutNow, ""
	}
	s.setStreams(s.walk.Names())
	return s.count()
}

// leaveOut notes a key that cannot be reported. One stands for all: where there is one there are many.
func (s *session) leaveOut(key, why string) {
	s.leftOutNow = fmt.Sprintf("stream %.80q is left out, and perhaps others: %s", key, why)
}

// walkProblems are what there is to say of the walk in each snapshot.
func (s *session) walkProblems() {
	switch {
	case s.walk == nil:
	case s.leftOut+s.leftOutNow != "":
		s.problem("", cmp.Or(s.leftOut, s.leftOutNow))
	case !s.walk.Through():
		s.problem("", adapter.StillLooking)
	case len(s.streams) == 0:
		s.problem("", fmt.Sprintf("no stream was found that %.200q selects: there is none yet, or it is wrong", strings.Join(s.patterns, ",")))
	}
}

func (s *session) problem(queue, reason string) {
	s.problems = append(s.problems, protocol.Problem{Queue: queue, Reason: reason})
}
