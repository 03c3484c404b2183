package redisstream

import (
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

// find takes one part of the walk, takes over the streams that it has found, and counts.
func (s *session) find() adapter.Step {
	return s.walk.Find(&s.Flow, s.now, s.walk.Room(), func(key string) bool { return s.walk.Knows(key) }, func(found []string, err error) adapter.Step {
		if err != nil {
			s.findErr, s.failed = err, err
			s.problem("", err.Error())
			return s.count()
		}
		for _, key := range found {
			s.walk.Add(key)
		}
		s.setStreams(s.walk.Names())
		return s.count()
	})
}

// walkProblems are what there is to say of the walk in each snapshot.
func (s *session) walkProblems() {
	switch {
	case s.walk == nil || s.findErr != nil: // that is said
	case s.walk.Problem() != "":
		s.problem("", s.walk.Problem())
	case len(s.streams) == 0:
		s.problem("", "no stream was found that "+adapter.Quote(strings.Join(s.patterns, ","), 200)+" selects: there is none yet, or it is wrong")
	}
}

func (s *session) problem(queue, reason string) {
	s.problems = append(s.problems, protocol.Problem{Queue: queue, Reason: reason})
}
