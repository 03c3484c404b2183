package api

import (
	"cmp"
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

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/view"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// defaultSlowLimit is how many entries are shown if the query has no limit, maxSlowLimit how many at most.
	defaultSlowLimit = 100
	maxSlowLimit     = protocol.SlowMaxLen
	// slowPage is how many are read at once: Redis cannot be asked for a part of an entry, so this is
	// what bounds what is read beyond maxSlow.
	slowPage = 50
	// maxSlowEntry is the largest entry that is shown, and maxSlow about how much of all of them, in
	// bytes: a Lambda's answer has at most 6 MB.
	maxSlowEntry = 64 << 10
	maxSlow      = 2 << 20
	// slowRoom is what reading and encoding them takes, about, and allSlowRoom the same of all apps.
	slowRoom    = 8 << 20
	allSlowRoom = 24 << 20
	// maxSlowApps is of how many apps entries are read for the newest of all, and slowAtOnce how many entries at once.
	maxSlowApps = 100
	slowAtOnce  = 5 * slowPage
	// slowTimeout bounds one answer.
	slowTimeout = 8 * time.Second
	// maxSlowProblems bounds the list of them.
	maxSlowProblems = 50
)

// tooLargeInAll is the problem of entries that are larger than maxSlow together.
const tooLargeInAll = "what is older is not read: the entries up to here are larger than 2 MiB"

// slowLog is the answer to GET /api/v1/slow.
type slowLog struct {
	App      string         `json:"app,omitempty"` // none where they are of all apps
	Entries  []slowEntry    `json:"entries"`
	Problems []view.Problem `json:"problems"`

	key      string
	size     int  // of the entries, in bytes
	unlisted int  // problems beyond maxSlowProblems
	isCut    bool // some were left out for maxSlow
}

type slowEntry struct {
	App         string         `json:"app,omitempty"` // where the log is of all apps
	Timestamp   int64          `json:"timestamp"`
	Kind        string         `json:"kind"`
	Name        string         `json:"name"`
	DurationMS  int64          `json:"duration_ms"`
	ThresholdMS int64          `json:"threshold_ms"`
	Host        string         `json:"host,omitempty"`
	Meta        map[string]any `json:"meta,omitempty"`

	added streamID
	size  int
}

// streamID is when an entry was added to its stream.
type streamID struct{ ms, seq uint64 }

func streamIDOf(id string) streamID {
	ms, seq, _ := strings.Cut(id, "-")
	var s streamID
	s.ms, _ = strconv.ParseUint(ms, 10, 64) // Redis wrote it
	s.seq, _ = strconv.ParseUint(seq, 10, 64)
	return s
}

func (s streamID) compare(other streamID) int {
	return cmp.Or(cmp.Compare(s.ms, other.ms), cmp.Compare(s.seq, other.seq))
}

// slow answers with the newest slow entries of an app, or of all.
func (s *Server) slow(w http.ResponseWriter, r *http.Request) {
	app, limit, err := slowQuery(r.URL.RawQuery)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	size, what := slowRoom, "slow entries of "+app
	var apps []string
	if app == "" {
		v, err := s.Live.newest(r.Context())
		if err != nil {
			s.unavailable(w, err)
			return
		}
		apps = slices.Sorted(maps.Keys(v.view.Apps))
		size, what = allSlowRoom, "slow entries"
	}
	room := s.reserve(w, r, size)
	if room == nil {
		return
	}
	defer room.leave()
	ctx, cancel := context.WithTimeout(r.Context(), slowTimeout)
	defer cancel()
	var log *slowLog
	if app == "" {
		log, err = readAllSlow(ctx, s.Redis, apps, limit)
	} else {
		log, err = readSlow(ctx, s.Redis, app, "+", limit)
	}
	if log != nil {
		log.App = app
	}
	if !s.couldRead(w, r, what, err) {
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	body, err := json.Marshal(log)
	if err != nil {
		panic(err) // every part of it was JSON, or is of a type that can be
	}
	room.shrink(len(body))
	_ = newClient(w).send(newMessage(body))
}

// slowQuery reads what the caller wants: no app is all of them. Its error is a sentence for them.
func slowQuery(query string) (app string, limit int, err error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", 0, errors.New("The query cannot be read: it takes app and limit, each escaped and separated by &.")
	}
	if app = q.Get("app"); q.Has("app") {
		if err := protocol.CheckName("app", app); err != nil {
			return "", 0, fmt.Errorf("The query's %w.", err)
		}
	}
	if !q.Has("limit") {
		return app, defaultSlowLimit, nil
	}
	limit, err = strconv.Atoi(q.Get("limit"))
	if err != nil || limit < 1 || limit > maxSlowLimit {
		return "", 0, fmt.Errorf("The query's limit is %.40q: it takes 1 to %d, and is %d if absent.", q.Get("limit"), maxSlowLimit, defaultSlowLimit)
	}
	return app, limit, nil
}

// readSlow reads up to limit entries from one on, the newest first. What cannot be read is a problem in the log; err
// is that Redis could not be asked.
func readSlow(ctx context.Context, client redis.UniversalClient, app, before string, limit int) (*slowLog, error) {
	log := newSlowLog(app)
	atOnce := slowPage
	for left := limit; left > 0; {
		n := min(left, atOnce)
		page, err := client.XRevRangeN(ctx, log.key, before, "-", int64(n)).Result()
		switch {
		case redis.HasErrorPrefix(err, "WRONGTYPE"), redis.HasErrorPrefix(err, "NOPERM"), redis.HasErrorPrefix(err, "TOOLARGE"):
			log.problem(fmt.Sprintf("it cannot be read: %v", err))
			page = nil
		case isTooLarge(err) && n > 1:
			atOnce = n / 2
			continue
		case isTooLarge(err):
			log.problem("what is older is not read: the next entry has too many fields")
			page = nil
		case err != nil:
			return nil, err
		}
		for _, m := range page {
			log.add(m)
		}
		if log.size > maxSlow && left > len(page) {
			log.problem(tooLargeInAll)
			break
		}
		if left -= n; len(page) < n {
			break
		}
		before = "(" + page[n-1].ID
	}
	log.count()
	return log, nil
}

func newSlowLog(app string) *slowLog {
	return &slowLog{Entries: []slowEntry{}, Problems: []view.Problem{}, key: protocol.SlowKey(app)}
}

// readAllSlow reads up to limit entries of these apps, the newest first: a page of each, and more of those whose page may not
// have all that are among the newest.
func readAllSlow(ctx context.Context, client redis.UniversalClient, apps []string, limit int) (*slowLog, error) {
	all := newSlowLog("*")
	if more := len(apps) - maxSlowApps; more > 0 {
		apps = apps[:maxSlowApps]
		all.problem(fmt.Sprintf("those of %d more apps are not read", more))
	}
	err := all.readEach(ctx, client, apps, limit)
	if err != nil && (ctx.Err() == nil || len(all.Entries) == 0) {
		return nil, err
	}
	if err != nil {
		all.problem(fmt.Sprintf("not all is read: it would take longer than %v. Ask for one app's", slowTimeout))
	}
	if all.isCut {
		all.problem(tooLargeInAll)
	}
	all.count()
	return all, nil
}

// readEach reads the newest entries of these apps into l. Where it ends early l has those of some of them.
func (l *slowLog) readEach(ctx context.Context, client redis.UniversalClient, apps []string, limit int) error {
	n := min(limit, slowPage)
	last := map[string]string{} // the id of the last entry of each page that was full
	for apps := range slices.Chunk(apps, slowAtOnce/n) {
		pipe := client.Pipeline()
		pages := make([]*redis.XMessageSliceCmd, len(apps))
		for i, app := range apps {
			pages[i] = pipe.XRevRangeN(ctx, protocol.SlowKey(app), "+", "-", int64(n))
		}
		if err := redisconn.Exec(ctx, pipe); err != nil {
			return err
		}
		for i, app := range apps {
			page, err := pages[i].Result()
			if err != nil || hasGaps(page) { // together they may be too large: alone it is known what is wrong
				if err := l.read(ctx, client, app, "+", 0, limit); err != nil {
					return err
				}
				continue
			}
			log := newSlowLog(app)
			for _, m := range page {
				log.add(m)
			}
			l.merge(app, log, limit)
			if len(page) == n && n < limit {
				last[app] = page[n-1].ID
			}
		}
	}
	for _, app := range apps {
		if id, isFull := last[app]; isFull && l.takes(id, limit) {
			if err := l.read(ctx, client, app, "("+id, n, limit); err != nil {
				return err
			}
		}
	}
	return nil
}

// read reads an app's entries alone, from one on before which there are so many, and keeps the newest of all.
func (l *slowLog) read(ctx context.Context, client redis.UniversalClient, app, from string, before, limit int) error {
	log, err := readSlow(ctx, client, app, from, limit-before)
	if err == nil {
		l.merge(app, log, limit)
	}
	return err
}

// hasGaps reports whether something in a page was too large to read.
func hasGaps(page []redis.XMessage) bool {
	return slices.ContainsFunc(page, func(m redis.XMessage) bool {
		for name, value := range m.Values {
			if text, _ := value.(string); redisconn.IsLeftOut(name) || redisconn.IsLeftOut(text) {
				return true
			}
		}
		return false
	})
}

// merge adds another app's entries and problems, and keeps the newest, up to limit and to maxSlow bytes.
func (l *slowLog) merge(app string, other *slowLog, limit int) {
	for _, p := range other.Problems {
		l.addProblem(p)
	}
	l.unlisted += other.unlisted
	if len(other.Entries) == 0 {
		return
	}
	for _, e := range other.Entries {
		e.App = app
		l.Entries = append(l.Entries, e)
	}
	slices.SortStableFunc(l.Entries, func(a, b slowEntry) int { return b.added.compare(a.added) })
	limit = min(limit, len(l.Entries))
	kept := 0
	for l.size = 0; kept < limit && l.size <= maxSlow; kept++ {
		l.size += l.Entries[kept].size
	}
	l.isCut = l.isCut || kept < limit
	clear(l.Entries[kept:])
	l.Entries = l.Entries[:kept]
}

// takes reports whether entries that are older than id may be among the newest.
func (l *slowLog) takes(id string, limit int) bool {
	if len(l.Entries) < limit && !l.isCut {
		return true
	}
	return streamIDOf(id).compare(l.Entries[len(l.Entries)-1].added) > 0
}

// count adds how many problems are not listed.
func (l *slowLog) count() {
	if l.unlisted > 0 {
		l.Problems = append(l.Problems, view.Problem{Key: l.key, Reason: fmt.Sprintf("%d more problems are not listed", l.unlisted)})
		l.unlisted = 0
	}
}

// isTooLarge reports whether err is that of a page in which a list was left out, because all of them were too
// large: go-redis finds a text where an entry should be.
func isTooLarge(err error) bool {
	return err != nil && strings.HasPrefix(err.Error(), "redis: can't parse")
}

// add shows an entry, or says why not.
func (l *slowLog) add(m redis.XMessage) {
	fields := make(map[string]string, len(m.Values))
	size := 0
	for name, value := range m.Values {
		fields[name], _ = value.(string)
		if redisconn.IsLeftOut(name) || redisconn.IsLeftOut(fields[name]) {
			l.problem(fmt.Sprintf("entry %s is left out: it is larger than %d KiB", m.ID, maxSlowEntry>>10))
			return
		}
		size += len(name) + len(fields[name])
	}
	l.size += size
	if size > maxSlowEntry {
		l.problem(fmt.Sprintf("entry %s is left out: it is larger than %d KiB", m.ID, maxSlowEntry>>10))
		return
	}
	e, err := protocol.DecodeSlow(fields)
	if err != nil {
		l.problem(fmt.Sprintf("entry %s is left out: %v", m.ID, err))
		return
	}
	l.Entries = append(l.Entries, slowEntry{
		Timestamp: e.Timestamp, Kind: e.Kind, Name: e.Name, DurationMS: e.DurationMS, ThresholdMS: e.ThresholdMS, Host: e.Host, Meta: e.Meta,
		added: streamIDOf(m.ID), size: size,
	})
}

func (l *slowLog) problem(reason string) { l.addProblem(view.Problem{Key: l.key, Reason: reason}) }

func (l *slowLog) addProblem(p view.Problem) {
	if len(l.Problems) >= maxSlowProblems {
		l.unlisted++
		return
	}
	l.Problems = append(l.Problems, p)
}
