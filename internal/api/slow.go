package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

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
	// slowRoom is what reading and encoding them takes, about.
	slowRoom = 8 << 20
	// maxSlowProblems bounds the list of them.
	maxSlowProblems = 50
)

// slowLog is the answer to GET /api/v1/slow.
type slowLog struct {
	App      string         `json:"app"`
	Entries  []slowEntry    `json:"entries"`
	Problems []view.Problem `json:"problems"`

	key      string
	size     int // of the entries, in bytes
	unlisted int // problems beyond maxSlowProblems
}

type slowEntry struct {
	Timestamp   int64          `json:"timestamp"`
	Kind        string         `json:"kind"`
	Name        string         `json:"name"`
	DurationMS  int64          `json:"duration_ms"`
	ThresholdMS int64          `json:"threshold_ms"`
	Host        string         `json:"host,omitempty"`
	Meta        map[string]any `json:"meta,omitempty"`
}

// slow answers with the newest slow entries of an app.
func (s *Server) slow(w http.ResponseWriter, r *http.Request) {
	app, limit, err := slowQuery(r.URL.RawQuery)
	if err != nil {
		writeProblem(w, http.StatusBadRequest, err.Error())
		return
	}
	room := s.reserve(w, r, slowRoom)
	if room == nil {
		return
	}
	defer room.leave()
	ctx, cancel := context.WithTimeout(r.Context(), readTimeout)
	defer cancel()
	log, err := readSlow(ctx, s.Redis, app, limit)
	if !s.couldRead(w, r, "slow entries of "+app, err) {
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

// slowQuery reads what the caller wants. Its error is a sentence for them.
func slowQuery(query string) (app string, limit int, err error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", 0, errors.New("The query cannot be read: it takes app and limit, each escaped and separated by &.")
	}
	app = q.Get("app")
	if err := protocol.CheckName("app", app); err != nil {
		return "", 0, fmt.Errorf("The query's %w.", err)
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

// readSlow reads up to limit entries, the newest first. What cannot be read is a problem in the log; err
// is that Redis could not be asked.
func readSlow(ctx context.Context, client redis.UniversalClient, app string, limit int) (*slowLog, error) {
	log := &slowLog{App: app, Entries: []slowEntry{}, Problems: []view.Problem{}, key: protocol.SlowKey(app)}
	atOnce := slowPage
	for before, left := "+", limit; left > 0; {
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
			log.problem(fmt.Sprintf("what is older is not read: the entries up to here are larger than %d MiB", maxSlow>>20))
			break
		}
		if left -= n; len(page) < n {
			break
		}
		before = "(" + page[n-1].ID
	}
	if log.unlisted > 0 {
		log.Problems = append(log.Problems, view.Problem{Key: log.key, Reason: fmt.Sprintf("%d more problems are not listed", log.unlisted)})
	}
	return log, nil
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
	l.Entries = append(l.Entries, slowEntry(e))
}

func (l *slowLog) problem(reason string) {
	if len(l.Problems) == maxSlowProblems {
		l.unlisted++
		return
	}
	l.Problems = append(l.Problems, view.Problem{Key: l.key, Reason: reason})
}
