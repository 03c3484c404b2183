package alert

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// absentLife is how long an alert stays as it is whose app, reporter or server is in no view, though nothing says why:
	// Redis may have lost its keys, and who reports now and then reports again.
	absentLife = time.Hour
	// unreadableLife is how long it stays while a problem says why, or its reporter says nothing new: as long as a lost one.
	unreadableLife = protocol.IndexLife
)

// absence says what it means that something is not in a view: that it is gone, or that it could not be read.
type absence struct {
	view  *view.View
	heard map[string]map[string]bool // whether a reporter's numbers are of now, by app and source
}

// judge is the verdict on an alert of what is not in the view. That it is gone only its reporter can say: by a report of now
// without it, and without a problem that may be why.
func (a *absence) judge(s *state) verdict {
	now := a.view.GeneratedAt
	if s.Unseen == 0 || s.Unseen > now {
		s.Unseen = now
	}
	isHeard, isThere := a.reporter(s)
	life := absentLife
	switch isUnreadable := a.isUnreadable(s); {
	case isHeard && !isUnreadable:
		return isNot
	case isThere || isUnreadable:
		life = unreadableLife
	}
	if now-s.Unseen < life.Milliseconds() {
		return unknown
	}
	return isNot
}

// reporter says whether the reporter of what s is about is in the view, and whether it is heard now. A server has none but
// itself.
func (a *absence) reporter(s *state) (isHeard, isThere bool) {
	if s.Kind == "server" {
		return false, false
	}
	all := a.reporters(s.App)
	if s.Source != "" {
		isHeard, isThere = all[s.Source]
		return isHeard, isThere
	}
	// It was kept by a version that did not know of reporters: it may be any.
	isHeard = len(all) > 0
	for _, is := range all {
		isHeard = isHeard && is
	}
	return isHeard, len(all) > 0
}

func (a *absence) reporters(app string) map[string]bool {
	if heard := a.heard[app]; heard != nil || a.view.Apps[app] == nil {
		return heard
	}
	heard := map[string]bool{}
	for name, s := range a.view.Apps[app].Sources {
		heard[name] = s.Status == view.Fresh
	}
	for _, q := range a.view.Apps[app].Queues { // who reports once a minute is not always fresh
		if q.IsCurrent() {
			heard[sourceOf(q)] = true
		}
	}
	if a.heard == nil {
		a.heard = map[string]map[string]bool{}
	}
	a.heard[app] = heard
	return heard
}

func sourceOf(q *view.Queue) string { return cmp.Or(q.Source, view.NoSource) }

// isUnreadable reports whether one of the view's problems may be why what s is about is not in it.
func (a *absence) isUnreadable(s *state) bool {
	for _, p := range a.view.Problems {
		if a.isAbout(p, s) {
			return true
		}
	}
	return false
}

func (a *absence) isAbout(p view.Problem, s *state) bool {
	address, ok := protocol.ParseKey(p.Key)
	switch {
	case !ok:
		return true // of Redis, or one of many that are not listed
	case address.App != s.App || address.Kind == protocol.KindTrend:
		return false
	case s.Kind == "server":
		return address.Kind == protocol.KindQuasar || address.Kind == protocol.KindServer && address.Rest == s.Key
	case address.Kind == protocol.KindServer:
		return false
	}
	source := address.Rest
	switch {
	case address.Kind == protocol.KindQuasar:
		source = protocol.QuasarSource
	case source == "" && a.reporters(s.App)[view.NoSource]:
		source = view.NoSource // else it is one that left its source out of its key
	}
	if source != "" && s.Source != "" && source != s.Source {
		return false
	}
	name, isOfQueue := queueIn(p.Reason)
	return !isOfQueue || s.Kind == "queue" && strings.Contains(s.Key, name)
}

// queueIn is the queue, or how its name begins, that a snapshot's problem is about: see [protocol.Problem].
func queueIn(reason string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(reason, "queue ")
	if !ok {
		return "", false
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		return "", false
	}
	name, err = strconv.Unquote(quoted)
	return name, err == nil
}
