package redislist

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
	// ours begins the keys of this project, which no glob selects.
	ours = "pulse:"
)

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
			s.problem("", "find lists: "+explain(err, "scan", "any key"))
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
	if strings.HasPrefix(key, ours) || !s.patterns.Match(key) {
		return
	}
	if s.lists[key] == nil {
		s.newKeys = append(s.newKeys, key)
	}
}

// check asks what the new keys are, where SCAN could not be told to find lists only.
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
		var lists []string
		for i, key := range s.newKeys {
			what, err := r[i].Text()
			if err != nil {
				s.leaveOut(key, explain(err, "type", key))
			} else if what == "list" {
				lists = append(lists, key)
			}
		}
		return s.add(lists)
	})
}

// add takes over the lists that a part of the walk has found, and counts.
func (s *session) add(keys []string) adapter.Step {
	for _, key := range keys {
		if err := protocol.CheckQueueName(key); err != nil {
			s.leaveOut(key, err.Error())
			continue
		}
		if len(s.lists) >= protocol.MaxQueues {
			s.leaveOut(key, fmt.Sprintf("%d lists are the most that one reporter reports; select fewer", protocol.MaxQueues))
			break
		}
		l := newList(key, false)
		l.seen = s.now
		s.lists[key] = l
	}
	if s.walk.Ended() {
		s.leftOut, s.leftOutNow = s.leftOutNow, ""
	}
	if len(s.order) != len(s.lists) {
		s.setOrder()
	}
	return s.count()
}

// leaveOut notes a key that cannot be reported. One stands for all: where there is one there are many.
func (s *session) leaveOut(key, why string) {
	s.leftOutNow = fmt.Sprintf("list %.80q is left out, and perhaps others: %s", key, why)
}

// forget drops, of the lists that were found and are empty, those that have been for long, and the
// longest empty ones where they are too many.
func (s *session) forget(empty []*list) {
	slices.SortFunc(empty, func(a, b *list) int { // the longest empty ones first
		return cmp.Or(a.seen.Compare(b.seen), strings.Compare(a.key, b.key))
	})
	for i, l := range empty {
		if len(empty)-i > mostEmpty || s.now.Sub(l.seen) >= forgetAfter {
			delete(s.lists, l.key)
		}
	}
}

// walkProblems are what there is to say of the walk in each snapshot.
func (s *session) walkProblems() {
	switch {
	case s.walk == nil:
	case s.leftOut+s.leftOutNow != "":
		s.problem("", cmp.Or(s.leftOut, s.leftOutNow))
	case !s.walk.Through():
		s.problem("", adapter.StillLooking)
	case len(s.lists) == 0:
		s.problem("", fmt.Sprintf("no list was found that %.200q selects: there is none yet, they are all empty, or it is wrong", strings.Join(s.patterns, ",")))
	}
}

func (s *session) problem(key, reason string) {
	s.problems = append(s.problems, protocol.Problem{Queue: key, Reason: reason})
}
