package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/internal/recorder"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// maxHistoryKeys, maxHistoryMinutes and maxHistoryPoints bound what one answer has; defaultMinutes is how far back it goes if the
	// query doesn't say.
	maxHistoryKeys    = 100
	maxHistoryMinutes = 7 * 24 * 60
	maxHistoryPoints  = 150_000 // 100 queues for a day, and 14 for a week
	defaultMinutes    = 60
	// pointSize is about what a point takes in the answer and while it is made, in bytes: four counts.
	pointSize = 64
	// historyRoom is what reading histories takes beside, about: they are read one after the other. What a large one takes
	// is there once for all who read: see recorder.Store.
	historyRoom = 4 << 20
	// historyTimeout bounds one answer.
	historyTimeout = 5 * time.Second
)

// series is a queue of which history is wanted.
type series struct {
	name string // as the query has it: {app}/{queue key}
	app  string
	key  history.Key
}

func (s series) isSum() bool { return s.name == sumOfAll }

// history answers with the counts of queues over time.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	wanted, minutes, err := historyQuery(r.URL.RawQuery)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	size := historyRoom + pointSize*(minutes+1)*len(wanted)
	isSum := slices.ContainsFunc(wanted, series.isSum)
	if isSum {
		size += historyRoom
	}
	room := s.reserve(w, r, size)
	if room == nil {
		return
	}
	defer room.leave()
	ctx, cancel := context.WithTimeout(r.Context(), historyTimeout)
	defer cancel()
	now, err := s.Live.time(ctx)
	if err != nil {
		s.unavailable(w, err)
		return
	}
	// A minute more is read than was asked for: the recorder looks in the middle of the current one, and until it has,
	// the answer ends with the one before.
	step := time.Minute.Milliseconds()
	current := now / step * step
	from := current - int64(minutes)*step
	read := make(map[series]history.Columns, len(wanted))
	newest := int64(0) // minute in which one of the apps was looked at, in Unix ms
	bad, err := s.History(ctx, from, wants(wanted), func(app string, d *history.Decoder) {
		newest = max(newest, d.At())
		for _, one := range wanted {
			if one.app == app {
				read[one] = d.Columns(one.key, from, minutes+1)
			}
		}
	})
	var all sums
	if err == nil && isSum {
		all, err = s.sums.of(ctx, s, from, minutes+1)
		maps.Copy(bad, all.bad)
		newest = max(newest, all.newest)
	}
	var v *version
	if err == nil {
		v, err = s.Live.newest(ctx)
	}
	if !s.couldRead(w, r, "history", err) {
		return
	}
	first := 0
	if newest >= current {
		first = 1
	}
	var problems []view.Problem
	for _, app := range slices.Sorted(maps.Keys(bad)) {
		problems = append(problems, view.Problem{Key: protocol.HistoryKey(app), Reason: bad[app].Error()})
	}
	if isSum && now-from > protocol.IndexLife.Milliseconds()+step {
		problems = append(problems, view.Problem{Key: sumOfAll, Reason: forgotten})
	}
	if all.unrecorded > 0 {
		problems = append(problems, view.Problem{Key: sumOfAll, Reason: fmt.Sprintf("%d of %d apps are not in the sum: they have no history. A recorder keeps that of %d apps", all.unrecorded, all.apps, recorder.MaxApps)})
	}
	body := make([]byte, 0, pointSize/3*minutes*len(wanted)) // most counts are short
	body = fmt.Appendf(body, `{"from":%d,"step_seconds":60,"series":{`, from+int64(first)*step)
	for i, one := range wanted {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(protocol.AppendText(body, one.name), ':')
		columns, isRead := read[one]
		switch {
		case one.isSum():
			columns = all.columns
		case !isRead:
			columns = new(history.Decoder).Columns(one.key, from, minutes+1)
		}
		columns = columns.Part(first, minutes)
		body = columns.AppendJSON(body)
		if !one.isSum() && bad[one.app] == nil && !v.view.Has(one.app, string(one.key)) && columns.IsEmpty() {
			problems = append(problems, view.Problem{Key: one.name, Reason: unknownQueue})
		}
	}
	body = append(body, '}')
	if len(problems) > 0 {
		list, err := json.Marshal(problems)
		if err != nil {
			panic(err) // it is texts
		}
		body = append(append(body, `,"problems":`...), list...)
	}
	s.made(w, r, room, "application/json", append(body, '}'))
}

// unknownQueue is what is said of a key that only nulls can be told of.
const unknownQueue = "no queue has this key, now or in these minutes: it takes an app, a slash and the queue's key in /api/v1/view"

// forgotten is what is said of a sum that goes further back than apps are known that are no more.
const forgotten = "what is more than 24 hours ago is the sum of the apps that are known now: one of which nothing has been heard for 24 hours is not in it"

// wants are the queues of each app.
func wants(wanted []series) map[string]recorder.Wants {
	keys := map[string]map[history.Key]bool{}
	for _, one := range wanted {
		switch {
		case one.isSum():
		case keys[one.app] == nil:
			keys[one.app] = map[history.Key]bool{one.key: true}
		default:
			keys[one.app][one.key] = true
		}
	}
	apps := make(map[string]recorder.Wants, len(keys))
	for app, keys := range keys {
		apps[app] = recorder.Wants{Queues: func(key history.Key) bool { return keys[key] }}
	}
	return apps
}

// historyQuery reads what the caller wants. Its error is a sentence for them.
func historyQuery(query string) (wanted []series, minutes int, err error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, 0, errors.New("The query cannot be read: it takes key and minutes, each escaped and separated by &.")
	}
	minutes = defaultMinutes
	if q.Has("minutes") {
		minutes, err = strconv.Atoi(q.Get("minutes"))
		if err != nil || minutes < 1 || minutes > maxHistoryMinutes {
			return nil, 0, fmt.Errorf("The query's minutes is %.40q: it takes 1 to %d, and is %d if absent.", q.Get("minutes"), maxHistoryMinutes, defaultMinutes)
		}
	}
	for _, name := range q["key"] {
		app, key, _ := strings.Cut(name, "/")
		if name == sumOfAll {
			app, key = "", "" // of no app
		} else if !protocol.ValidName(app) || key == "" {
			return nil, 0, fmt.Errorf("The query's key is %.200q: it takes an app, a slash and the key of a queue, such as shop/sqs/orders, or * for all queues.", name)
		}
		one := series{name, app, history.Key(key)}
		if !slices.Contains(wanted, one) {
			wanted = append(wanted, one)
		}
	}
	if len(wanted)*minutes > maxHistoryPoints {
		return nil, 0, fmt.Errorf("The query is for %d keys and %d minutes: it takes up to %d points in all. Ask for fewer keys at a time.", len(wanted), minutes, maxHistoryPoints)
	}
	if len(wanted) == 0 || len(wanted) > maxHistoryKeys {
		return nil, 0, fmt.Errorf("The query has %d keys: it takes 1 to %d, such as key=shop/sqs/orders.", len(wanted), maxHistoryKeys)
	}
	return wanted, minutes, nil
}
