package alert

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/gravito-framework/pulse/internal/logonce"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

// Keeper keeps the states of alerts, so that a manager that starts anew goes on where another ended.
type Keeper interface {
	// Alerts returns all states, by fingerprint, and the mark of the save that made them so; "" is none.
	Alerts(ctx context.Context) (states map[string]string, mark string, err error)
	// SaveAlerts changes some states and removes others, unless the mark is no longer what it was: it then
	// returns false, because another manager has saved since.
	SaveAlerts(ctx context.Context, was, mark string, changed map[string]string, removed []string) (bool, error)
}

// Manager looks at views and tells channels.
type Manager struct {
	Rules    []Rule
	Channels []*Channel
	// Repeat is how long after a message a channel is told again of what still fires.
	Repeat time.Duration
	// PublicURL is where the page is, for links; empty is no link.
	PublicURL string
	Keeper    Keeper
	Log       *slog.Logger

	// The newest look that this manager knows of, its own or another's:
	states   map[string]*state // by id
	leftOut  map[string]int    // how many more alerts there would be, by app
	untold   string            // why other channels are not told that know of alerts; "" is that there are none
	lookedAt int64             // Unix ms
	troubles logonce.Troubles  // whom it cannot tell
	// owed notes in states who was told, where that could not be noted yet; nil is that it was.
	owed func(states map[string]*state)
}

const (
	// oneLook is the least time between two looks, of one manager or of two.
	oneLook = 30 * time.Second
	// memoryLife is how long a manager goes on from its own memory where Redis has lost the states.
	memoryLife = 30 * time.Minute
	// sendTimeout is how long one channel may take to be told.
	sendTimeout = 15 * time.Second
	// strangeLife is how long the states stay as they are of rules and channels that no manager knows any more. Before that
	// they may be another's, which goes on in a moment.
	strangeLife = time.Hour
	// maxCause bounds what is remembered of why a channel could not be told.
	maxCause = 200
	// marking is how often a manager tries to note who was told, while another saves.
	marking = 3
)

// Look moves each alert on by what v shows, and tells the channels what is due. Of the apps in judged it takes the verdicts
// there, which are newer. It does nothing where there was a look within half a minute: another manager's. An error is that
// the states could not be read or kept; nothing was sent then.
func (m *Manager) Look(ctx context.Context, v *view.View, judged map[string]*protocol.Trends) error {
	now := v.GeneratedAt
	states, mark, err := m.load(ctx)
	if err != nil {
		return err
	}
	before := encoded(states)
	if mark == "" && m.states != nil && now-m.lookedAt < memoryLife.Milliseconds() {
		states = cloned(m.states)
		for _, s := range states {
			s.Row = 0 // history is lost as well
		}
	}
	if m.owed != nil {
		m.owed(states)
	}
	if last, err := strconv.ParseInt(mark, 10, 64); err == nil {
		m.remember(cloned(states), last)
		if isWithin(now-last, oneLook) {
			return nil
		}
	}
	m.advance(states, v, judged)
	due := m.due(states, now)
	for channel, notices := range due {
		for _, n := range notices {
			if n.Trying == nil {
				n.Trying = map[string]int64{}
			}
			n.Trying[channel.id] = now
		}
	}
	newMark := strconv.FormatInt(now, 10)
	saved, err := m.save(ctx, mark, newMark, before, states)
	if err != nil || !saved {
		return err
	}
	m.owed = nil // it is noted now
	m.remember(states, now)
	if len(due) == 0 {
		return nil
	}
	return m.tell(ctx, due, now, newMark)
}

// isWithin reports whether two moments are less than limit apart, in milliseconds; a clock may be set back.
func isWithin(apart int64, limit time.Duration) bool {
	return max(apart, -apart) < limit.Milliseconds()
}

// remember takes states as those of the last look, which was at a time.
func (m *Manager) remember(states map[string]*state, at int64) {
	m.states, m.lookedAt = states, at
	m.findUntold()
}

// Forget forgets what is remembered of the last look. It is for a recorder that stands by: another's looks go on.
func (m *Manager) Forget() { m.states = nil }

// Read reads the alerts as the last look left them, without one.
func (m *Manager) Read(ctx context.Context) error {
	states, mark, err := m.load(ctx)
	if err != nil || mark == "" {
		return err
	}
	at, _ := strconv.ParseInt(mark, 10, 64)
	m.remember(states, at)
	return nil
}

// Firing are the alerts that fired at the last look, by app and fingerprint.
func (m *Manager) Firing() map[string]map[string]protocol.Alert {
	apps := map[string]map[string]protocol.Alert{}
	for _, s := range m.states {
		if s.Phase != firing || !m.hasRule(s.Rule) {
			continue
		}
		if apps[s.App] == nil {
			apps[s.App] = map[string]protocol.Alert{}
		}
		a := protocol.Alert{Rule: s.Rule, Kind: s.Kind, Key: s.now(), Reason: s.Reason, Since: s.Since}
		for _, at := range s.Sent {
			a.Sent = max(a.Sent, at)
		}
		apps[s.App][s.fingerprint()] = a
	}
	return apps
}

// LeftOut says of how many more alerts of each app nobody is told, because there are too many.
func (m *Manager) LeftOut() map[string]int { return m.leftOut }

// Untold says that there are alerts which were told to channels that this manager doesn't have; "" is none.
func (m *Manager) Untold() string { return m.untold }

// findUntold looks for such alerts in the last states, and logs it once.
func (m *Manager) findUntold() {
	m.untold = ""
	n := 0
	for _, s := range m.states {
		if m.isUntold(s) {
			n++
		}
	}
	if n == 0 {
		m.troubles.Gone(untold)
		return
	}
	m.untold = fmt.Sprintf("PULSE_ALERTS of this recorder lacks channels that were told of %s: if another recorder has them, they are told of nothing "+
		"while this one records. Give it the same PULSE_ALERTS and PULSE_ALERT_RULES, or stop it. Where PULSE_ALERTS was changed, this is over in an hour", plural(n, "alert", "alerts"))
	if isWorthALine, _ := m.troubles.There(untold, time.Now()); isWorthALine {
		m.Log.Warn(m.untold)
	}
}

// untold is what the trouble is called that somebody else's channels are not told.
const untold = "channels of another recorder"

func (m *Manager) isUntold(s *state) bool {
	for channel := range s.Sent {
		if m.channel(channel) == nil {
			return true
		}
	}
	return false
}

func (m *Manager) hasRule(text string) bool {
	return slices.ContainsFunc(m.Rules, func(r Rule) bool { return r.text == text })
}

// load reads the states, by id.
func (m *Manager) load(ctx context.Context) (map[string]*state, string, error) {
	kept, mark, err := m.Keeper.Alerts(ctx)
	if err != nil {
		return nil, "", err
	}
	states := make(map[string]*state, len(kept))
	for field, text := range kept {
		if s := decodeState(field, text); s != nil && len(states) < maxAlerts {
			states[s.id()] = s
		}
	}
	return states, mark, nil
}

func cloned(states map[string]*state) map[string]*state {
	clones := make(map[string]*state, len(states))
	for id, s := range states {
		clones[id] = s.clone()
	}
	return clones
}

// encoded are states as they are kept, by fingerprint.
func encoded(states map[string]*state) map[string]string {
	texts := make(map[string]string, len(states))
	for _, s := range states {
		texts[s.fingerprint()] = s.encode()
	}
	return texts
}

// save keeps what differs from before.
func (m *Manager) save(ctx context.Context, was, mark string, before map[string]string, states map[string]*state) (bool, error) {
	changed := map[string]string{}
	gone := maps.Clone(before)
	for field, text := range encoded(states) {
		delete(gone, field)
		if before[field] != text {
			changed[field] = text
		}
	}
	return m.Keeper.SaveAlerts(ctx, was, mark, changed, slices.Sorted(maps.Keys(gone)))
}

// advance moves each alert on.
func (m *Manager) advance(states map[string]*state, v *view.View, judged map[string]*protocol.Trends) {
	now := v.GeneratedAt
	looked := map[*state]bool{} // the states that were looked at: not all there is, which is a hundred thousand queues
	m.leftOut = map[string]int{}
	byObject, ofApp := make(map[object]*state, len(states)), map[string]int{}
	for _, s := range states {
		byObject[s.object()] = s
		ofApp[s.App]++
	}
	see := func(r *Rule, s state, l look) {
		s.Rule = r.text
		verdict := r.judge(l)
		there := byObject[s.object()]
		if there != nil {
			looked[there] = true
			there.moveTo(s.Key)
			there.Unseen = 0
			verdict = there.believe(verdict, r.looks, now)
		}
		switch {
		case there == nil && verdict == isSo && (len(states) >= maxAlerts || ofApp[s.App] >= maxOfApp && r.word != lost):
			m.leftOut[s.App]++
			return
		case there == nil && verdict == isSo:
			ofApp[s.App]++
			there = &s
			there.Phase, there.Since, there.Seen, there.Looks = pending, now, now, 1
			there.believe(isSo, r.looks, now)
			for states[there.id()] != nil { // another reporter's queue had the key first
				there.Key += "@" + s.Source
			}
			there.moveTo(s.Key)
			states[there.id()], looked[there] = there, true
		case there == nil:
			return
		case !there.advance(verdict, r.lasts, now):
			delete(states, there.id())
			return
		}
		if verdict == isSo {
			there.Reason = r.describe(l)
			if r.unit != none {
				there.Value = &l.value
			}
		}
	}
	for i := range m.Rules {
		r := &m.Rules[i]
		for _, app := range slices.Sorted(maps.Keys(v.Apps)) {
			r.lookAt(app, v.Apps[app], judged[app], now, see)
		}
	}
	absence := absence{view: v}
	for id, s := range states {
		isKnown := m.hasRule(s.Rule)
		switch {
		case isKnown && !m.isUntold(s):
			s.Strange = 0
		case s.Strange == 0:
			s.Strange = now
		}
		isOver := s.Strange != 0 && now-s.Strange >= strangeLife.Milliseconds()
		if isOver {
			maps.DeleteFunc(s.Sent, func(channel string, _ int64) bool { return m.channel(channel) == nil })
		}
		switch {
		case looked[s]:
			if s.Phase == resolved && len(s.Sent) == 0 {
				delete(states, id)
			}
		case !isKnown && !isOver: // another's
		default:
			verdict := isNot // by a rule that is no more
			if isKnown {
				s.Row = 0 // history begins anew where the queue is back
				verdict = absence.judge(s)
			}
			if !s.advance(verdict, 0, now) {
				delete(states, id)
			}
		}
		maps.DeleteFunc(s.Trying, func(_ string, began int64) bool { return !isWithin(now-began, trialLife) })
	}
}

func (m *Manager) channel(id string) *Channel {
	for _, c := range m.Channels {
		if c.id == id {
			return c
		}
	}
	return nil
}

// lookAt looks at all of an app that the rule selects.
func (r *Rule) lookAt(name string, app *view.App, judged *protocol.Trends, now int64, see func(*Rule, state, look)) {
	switch {
	case r.word == lost:
		queues := map[string]int{} // how many there are of each reporter that the rule selects
		for _, q := range app.Queues {
			if r.selects(name, q.Name) {
				queues[sourceOf(q)]++
			}
		}
		for source, s := range app.Sources {
			if r.app == nil || queues[source] > 0 {
				see(r, state{App: name, Kind: "reporter", Key: source, Source: source}, lostLook(s, queues[source]))
			}
		}
	case r.server != nil:
		for id, s := range app.Servers {
			if r.selects(name, id) {
				l := look{}
				if s.Status != view.Lost {
					l = r.server(s)
				}
				see(r, state{App: name, Kind: "server", Key: id}, l)
			}
		}
	default:
		app.Judge(judged, func(key string, q *view.Queue) {
			if r.selects(name, q.Name) {
				l := look{} // of old numbers nothing is known; a lost reporter has an alert of its own
				if q.IsCurrent() {
					l = r.ofRow(q, now)
				}
				see(r, state{App: name, Kind: "queue", Key: key, Plain: q.PlainKey(), Source: sourceOf(q)}, l)
			}
		})
	}
}

func lostLook(s *view.Source, queues int) look {
	return look{known: true, isTrue: s.Status == view.Lost, reason: fmt.Sprintf("nothing has been reported since %s, of %s: the reporter stopped, or cannot reach Redis",
		time.UnixMilli(s.SeenAt).UTC().Format("15:04:05 UTC"), plural(queues, "queue", "queues"))}
}

// notice is what a channel is to be told of an alert.
type notice struct {
	*state

	as   phase // firing or resolved
	sent int64 // when the channel was told before, as in the state's Sent
}

// due lists what each channel is to be told: what fires first, the oldest first.
func (m *Manager) due(states map[string]*state, now int64) map[*Channel][]notice {
	due := map[*Channel][]notice{}
	for _, c := range m.Channels {
		if time.Now().Before(c.notBefore) {
			continue
		}
		for _, s := range states {
			if (s.Phase == resolved || m.hasRule(s.Rule)) && s.isDue(c.id, m.Repeat, now) {
				due[c] = append(due[c], notice{s, s.Phase, s.Sent[c.id]})
			}
		}
		slices.SortFunc(due[c], func(a, b notice) int {
			return cmp.Or(cmp.Compare(a.as, b.as), cmp.Compare(a.Since, b.Since), cmp.Compare(a.id(), b.id()))
		})
		if len(due[c]) > c.most {
			due[c] = due[c][:c.most]
		}
		if len(due[c]) == 0 {
			delete(due, c)
		}
	}
	return due
}

// tell sends to the channels at once, and notes whom it could tell.
func (m *Manager) tell(ctx context.Context, due map[*Channel][]notice, now int64, mark string) error {
	told := make([]int, len(m.Channels))
	errs := make([]error, len(m.Channels))
	var group errgroup.Group
	for i, c := range m.Channels {
		if len(due[c]) == 0 {
			continue
		}
		group.Go(func() error {
			ctx, cancel := context.WithTimeout(ctx, sendTimeout)
			defer cancel()
			told[i], errs[i] = c.send(ctx, message{due[c], m.PublicURL})
			return nil
		})
	}
	_ = group.Wait() // each has its own error
	for i, c := range m.Channels {
		m.logTrouble(c, errs[i])
	}
	mend := func(states map[string]*state) {
		for i, c := range m.Channels {
			for j, n := range due[c] {
				s, isTold := states[n.id()], j < told[i]
				switch {
				case s != nil:
					s.tried(c.id, n, isTold, now)
				case isTold && n.as == firing: // another manager has seen the end meanwhile, and didn't know whom to tell
					s = n.clone()
					s.Phase, s.Over, s.Sent, s.Trying = resolved, now, map[string]int64{c.id: now}, nil
					states[n.id()] = s
				}
			}
		}
		maps.DeleteFunc(states, func(_ string, s *state) bool { return s.Phase == resolved && len(s.Sent) == 0 })
	}
	m.owed = mend
	return m.note(ctx, mark, mend)
}

// note changes the states by mend, and again where another manager saves meanwhile. What was sent was sent: a ctx that
// ends doesn't keep it from being noted.
func (m *Manager) note(ctx context.Context, mark string, mend func(map[string]*state)) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), sendTimeout)
	defer cancel()
	states := m.states
	for range marking {
		before := encoded(states)
		mend(states)
		saved, err := m.save(ctx, mark, mark, before, states)
		if err != nil {
			return fmt.Errorf("note which alerts were sent, which may be sent again: %w", err)
		}
		if saved {
			m.states, m.owed = states, nil
			return nil
		}
		if states, mark, err = m.load(ctx); err != nil {
			return fmt.Errorf("note which alerts were sent, which may be sent again: %w", err)
		}
	}
	return errors.New("note which alerts were sent, which may be sent again: other recorders kept changing them; let one recorder run")
}

func (m *Manager) logTrouble(c *Channel, err error) {
	if err == nil {
		if c.troubles.AllGone() {
			m.Log.Info("alerts are sent again", "channel", c.name)
		}
		return
	}
	if later, ok := errors.AsType[*retryLaterError](err); ok {
		c.notBefore = time.Now().Add(later.after)
	}
	cause := protocol.Shorten(logonce.Kind(err.Error()), maxCause)
	if isWorthALine, times := c.troubles.Only(cause, time.Now()); isWorthALine {
		m.Log.Warn("alerts cannot be sent; will try again until it works", "channel", c.name, "error", err, "times", times)
	}
}
