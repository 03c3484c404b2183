package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/api"
	"github.com/gravito-framework/pulse/internal/discover"
	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/probes/recorder"
)

// slowLog is what the API answers.
type slowLog struct {
	App     string
	Entries []struct {
		App              string
		Timestamp        int64
		Kind, Name, Host string
		DurationMS       int64 `json:"duration_ms"`
		ThresholdMS      int64 `json:"threshold_ms"`
		Meta             map[string]any
	}
	Problems []struct{ Key, Reason string }
}

func slow(t *testing.T, url, query string) (log slowLog, body string) {
	t.Helper()
	a := call(t, http.MethodGet, url+"/api/v1/slow?"+query, nil)
	if err := json.Unmarshal([]byte(a.body), &log); a.status != http.StatusOK || err != nil {
		t.Fatalf("%s: %d %.500s", query, a.status, a.body)
	}
	return log, a.body
}

// add appends an entry whose fields these are.
func add(t *testing.T, server *servertest.RedisServer, app string, fields ...string) {
	t.Helper()
	if err := server.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "pulse:slow:" + app, Values: fields}).Err(); err != nil {
		t.Fatal(err)
	}
}

func good(name string) []string {
	return []string{"timestamp", "1764000000000", "kind", "job", "name", name, "duration_ms", "1500", "threshold_ms", "1000"}
}

func TestTheNewestSlowEntriesComeFirst(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	if _, body := slow(t, url, "app=shop"); strings.TrimSpace(body) != `{"app":"shop","entries":[],"problems":[]}` {
		t.Errorf("of nothing: %s", body)
	}
	for i := range 250 {
		add(t, server, "shop", good(fmt.Sprint(i))...)
	}
	add(t, server, "bank", good("another app's")...)
	for query, want := range map[string]int{"app=shop": 100, "app=shop&limit=1": 1, "app=shop&limit=50": 50, "app=shop&limit=51": 51, "app=shop&limit=1000": 250, "app=nobody": 0} {
		log, _ := slow(t, url, query)
		if len(log.Entries) != want || len(log.Problems) > 0 {
			t.Fatalf("%s: %d entries, problems %v", query, len(log.Entries), log.Problems)
		}
		for i, e := range log.Entries {
			if e.Name != fmt.Sprint(249-i) {
				t.Errorf("%s: entry %d is %s", query, i, e.Name)
			}
		}
	}
}

// report makes an app known to the view.
func report(t *testing.T, server *servertest.RedisServer, app string) {
	t.Helper()
	pagetest.Set(t, server, "pulse:queues:"+app, `"app":"%s","queues":[]`, app)
}

func TestTheNewestSlowEntriesOfAllAppsComeFirst(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	for _, app := range []string{"bank", "idle", "shop", "text"} {
		report(t, server, app)
	}
	server.Client.Set(t.Context(), "pulse:slow:text", "rubbish", 0)
	add(t, server, "stranger", good("of an app that the view doesn't have")...)
	var want []string // the oldest first
	for i := range 300 {
		app := []string{"shop", "bank", "shop"}[i%3]
		name := fmt.Sprint(app, i)
		id := fmt.Sprintf("%d-%d", 900+i/7, i) // of some the numbers have more digits, and some are of the same ms
		err := server.Client.XAdd(t.Context(), &redis.XAddArgs{Stream: "pulse:slow:" + app, ID: id, Values: good(name)}).Err()
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, name)
	}
	add(t, server, "bank", "rubbish", "x")
	for query, n := range map[string]int{"": 100, "limit=1": 1, "limit=7": 7, "limit=200": 200, "limit=1000": 300} {
		log, _ := slow(t, url, query)
		if len(log.Entries) != n || log.App != "" {
			t.Fatalf("%s: %d entries of %q", query, len(log.Entries), log.App)
		}
		for i, e := range log.Entries {
			if w := want[len(want)-1-i]; e.Name != w || !strings.HasPrefix(w, e.App) || e.App == "" {
				t.Errorf("%s: entry %d is %s of %s, want %s", query, i, e.Name, e.App, w)
			}
		}
		if len(log.Problems) != 2 || log.Problems[0].Key != "pulse:slow:bank" || log.Problems[1].Key != "pulse:slow:text" || !strings.Contains(log.Problems[1].Reason, "WRONGTYPE") {
			t.Errorf("%s: problems %v", query, log.Problems)
		}
	}
}

// TestLargeSlowEntriesOfManyAppsAreAShortAnswer, and hide none of their neighbours': together they are more than a connection
// lets through.
func TestLargeSlowEntriesOfManyAppsAreAShortAnswer(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	for i := range 110 {
		report(t, server, fmt.Sprintf("app-%03d", i))
	}
	text := strings.Repeat("x", 60<<10)
	for i := range 50 {
		add(t, server, "app-000", append(good("huge"), "a", text, "b", text, "c", text, "d", text, "e", text, "f", text, "g", text)...)
		add(t, server, "app-001", append(good(fmt.Sprint(i)), "meta", `{"x":"`+text[:2<<10]+`"}`)...)
		add(t, server, "app-099", append(good(fmt.Sprint(i)), "meta", `{"x":"`+text+`"}`)...)
	}
	log, body := slow(t, url, "limit=1000")
	last := log.Problems[len(log.Problems)-1].Reason
	if log.Problems[0].Reason != "those of 10 more apps are not read" || !strings.HasSuffix(last, " more problems are not listed") || len(body) > 3<<20 {
		t.Errorf("%d bytes, problems %v", len(body), log.Problems)
	}
	n := map[string]int{}
	for _, e := range log.Entries {
		if want := fmt.Sprint(49 - n[e.App]); e.Name != want {
			t.Errorf("of %s there is %s, want %s", e.App, e.Name, want)
		}
		n[e.App]++
	}
	if n["app-001"] < 30 || n["app-099"] < 30 || n["app-099"] > 40 || len(n) != 2 {
		t.Errorf("the entries are of %v", n)
	}
}

// late is a Redis that has no time for the slow entries of one app.
type late struct{ app string }

func (late) DialHook(next redis.DialHook) redis.DialHook { return next }

func (late) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (l late) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		for _, cmd := range cmds {
			if cmd.Name() == "xrevrange" && cmd.Args()[1] == "pulse:slow:"+l.app {
				<-ctx.Done()
				for _, cmd := range cmds {
					cmd.SetErr(ctx.Err())
				}
				return ctx.Err()
			}
		}
		return next(ctx, cmds)
	}
}

// TestWhatIsReadInTimeIsShown: of many apps with large entries the time may be enough for some.
func TestWhatIsReadInTimeIsShown(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]int{"app-09": http.StatusOK, "app-00": http.StatusServiceUnavailable} {
		server := servertest.Redis(t)
		for i := range 10 {
			report(t, server, fmt.Sprintf("app-%02d", i))
			add(t, server, fmt.Sprintf("app-%02d", i), good("x")...)
		}
		server.Client.AddHook(late{at})
		s := &api.Server{
			Live:  api.NewLive(discover.New(server.Client, "redis", 1000).Read, 0, slog.New(slog.DiscardHandler)),
			Redis: server.Client, Log: slog.New(slog.DiscardHandler),
		}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		w := httptest.NewRecorder()
		s.Handler().ServeHTTP(w, request(ctx, http.MethodGet, "/api/v1/slow?limit=100"))
		body := w.Body.String()
		if w.Code != want || (want == http.StatusOK) != strings.Contains(body, "not all is read: it would take longer than 8s. Ask for one app's") ||
			want == http.StatusOK && strings.Count(body, `"name":"x"`) == 0 {
			t.Errorf("%s: %d %s", at, w.Code, body)
		}
	}
}

func TestWhatARecorderNotesIsShown(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	r, err := recorder.New(recorder.Options{App: "shop", Redis: server.Client})
	if err != nil {
		t.Fatal(err)
	}
	r.Slow(recorder.Query, "SELECT 1", 2*time.Second, map[string]any{"rows": 1})
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(t.Context())
	}()
	t.Cleanup(func() { <-ended })
	servertest.Eventually(t, "the entry", func() bool { return server.Client.XLen(t.Context(), "pulse:slow:shop").Val() == 1 })
	log, _ := slow(t, pagetest.Serve(t, server, "").URL, "app=shop")
	e := log.Entries[0]
	if e.Timestamp == 0 || e.Kind != "query" || e.Name != "SELECT 1" || e.DurationMS != 2000 || e.ThresholdMS != 1000 || e.Host == "" || e.Meta["rows"] != 1.0 {
		t.Errorf("%+v", e)
	}
}

func TestABadSlowEntryDoesNotHideItsNeighbours(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	add(t, server, "shop", good("first")...)
	add(t, server, "shop", "rubbish", "\xff")
	add(t, server, "shop", append(good("huge"), "meta", strings.Repeat("x", 1<<20))...)
	add(t, server, "shop", append(good("large"), "meta", strings.Repeat("x", 40<<10), "more", strings.Repeat("x", 40<<10))...)
	add(t, server, "shop", append(good("last"), "more", "unknown")...)
	log, _ := slow(t, pagetest.Serve(t, server, "").URL, "app=shop")
	if len(log.Entries) != 2 || log.Entries[0].Name != "last" || log.Entries[1].Name != "first" || len(log.Problems) != 3 {
		t.Fatalf("%+v", log)
	}
	for i, want := range []string{"is left out: it is larger than 64 KiB", "is left out: it is larger than 64 KiB", "is left out: timestamp is missing: it takes a number"} {
		if p := log.Problems[i]; p.Key != "pulse:slow:shop" || !strings.HasPrefix(p.Reason, "entry ") || !strings.HasSuffix(p.Reason, want) {
			t.Errorf("%+v, want %s", p, want)
		}
	}
}

// TestEntriesOfManyFieldsDoNotHideTheirNeighbours: together they are more than a connection lets through.
func TestEntriesOfManyFieldsDoNotHideTheirNeighbours(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	add(t, server, "shop", good("first")...)
	for range 3 {
		fields := make([]string, 0, 150_000)
		for i := range cap(fields) / 2 {
			fields = append(fields, fmt.Sprint("f", i), "x")
		}
		add(t, server, "shop", fields...)
	}
	add(t, server, "shop", good("last")...)
	log, _ := slow(t, pagetest.Serve(t, server, "").URL, "app=shop&limit=5")
	if len(log.Entries) != 2 || log.Entries[0].Name != "last" || log.Entries[1].Name != "first" || len(log.Problems) != 3 {
		t.Errorf("%d entries, problems %v", len(log.Entries), log.Problems)
	}
}

func TestAStreamFullOfRubbishIsAShortAnswer(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "").URL
	for range 300 {
		add(t, server, "bad", "rubbish", "x")
		add(t, server, "large", append(good("large"), "meta", `{"x":"`+strings.Repeat("x", 60<<10)+`"}`)...)
	}
	server.Client.Set(t.Context(), "pulse:slow:text", "rubbish", 0)
	for app, want := range map[string]string{
		"bad":   "250 more problems are not listed",
		"large": "what is older is not read: the entries up to here are larger than 2 MiB",
		"text":  "it cannot be read: WRONGTYPE Operation against a key holding the wrong kind of value",
	} {
		log, body := slow(t, url, "limit=1000&app="+app)
		if len(body) > 5<<20 || log.Problems[len(log.Problems)-1].Reason != want {
			t.Errorf("%s: %d bytes, %+v", app, len(body), log.Problems)
		}
	}
}

func TestAQueryForSlowEntriesSaysWhatItTakes(t *testing.T) {
	t.Parallel()
	url := pagetest.Serve(t, servertest.Redis(t), "").URL
	for query, want := range map[string]string{
		"app=":                `The query's app is "": it takes 1 to 128 letters`,
		"app=my%20shop":       `The query's app is "my shop": it takes 1 to 128 letters`,
		"app=a:b":             `The query's app is "a:b": it takes 1 to 128 letters`,
		"app=%":               `The query cannot be read`,
		"app=shop&limit=0":    `The query's limit is "0": it takes 1 to 1000, and is 100 if absent.`,
		"app=shop&limit=":     `The query's limit is "": it takes 1 to 1000`,
		"app=shop&limit=all":  `The query's limit is "all": it takes 1 to 1000`,
		"app=shop&limit=1001": `The query's limit is "1001": it takes 1 to 1000`,
	} {
		a := call(t, http.MethodGet, url+"/api/v1/slow?"+query, nil)
		var p struct{ Detail string }
		if _ = json.Unmarshal([]byte(a.body), &p); a.status != http.StatusBadRequest || !strings.HasPrefix(p.Detail, want) {
			t.Errorf("%s: %d %s", query, a.status, p.Detail)
		}
	}
}

func TestSlowEntriesNeedRedisAndALogin(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	url := pagetest.Serve(t, server, "sesame").URL
	const path = "/api/v1/slow?app=shop"
	if a := call(t, http.MethodGet, url+path, nil); a.status != http.StatusUnauthorized {
		t.Errorf("without the token: %d", a.status)
	}
	server.Stop()
	a := call(t, http.MethodGet, url+path, header("Authorization", "Bearer sesame"))
	if a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("without Redis: %d %s", a.status, a.body)
	}
	server.Start()
	if a := call(t, http.MethodGet, url+path, header("Authorization", "Bearer sesame")); a.status != http.StatusOK {
		t.Errorf("with Redis again: %d %s", a.status, a.body)
	}
}

// TestThatSlowEntriesCannotBeReadIsSaidOnce while the view can be read, and the answer is what Redis said, where it said
// something.
func TestThatSlowEntriesCannotBeReadIsSaidOnce(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	var log servertest.Output
	seen := 0
	client := server.Client
	live := api.NewLive((&pagetest.Store{}).Read, 0, slog.New(slog.DiscardHandler))
	if _, err := live.View(t.Context()); err != nil {
		t.Fatal(err)
	}
	h := (&api.Server{Live: live, Redis: client, Log: slog.New(slog.NewTextHandler(&log, nil))}).Handler()
	ask := func(app string) (detail string) {
		t.Helper()
		w := httptest.NewRecorder()
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/api/v1/slow?app="+app, http.NoBody)
		r.Host = "localhost"
		h.ServeHTTP(w, r)
		var p struct{ Detail string }
		if err := json.Unmarshal(w.Body.Bytes(), &p); err != nil {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return p.Detail
	}
	expect := func(when, detail string, lines ...string) {
		t.Helper()
		for range 3 {
			for _, app := range []string{"shop", "bank"} {
				if got := ask(app); !strings.HasPrefix(got, detail) || (got == "") != (detail == "") {
					t.Errorf("%s: the answer is %q", when, got)
				}
			}
		}
		if live.IsDown(t.Context()) {
			t.Fatalf("%s: the view cannot be read", when)
		}
		servertest.Eventually(t, "so many lines", func() bool { return strings.Count(log.String()[seen:], "\n") >= len(lines) })
		said := strings.Split(strings.TrimSpace(log.String()[seen:]), "\n")
		seen = len(log.String())
		if len(said) != len(lines) && (len(lines) > 0 || said[0] != "") {
			t.Fatalf("%s: it said\n%s", when, strings.Join(said, "\n"))
		}
		for _, line := range lines { // in any order
			if !slices.ContainsFunc(said, func(one string) bool { return strings.Contains(one, line) }) {
				t.Errorf("%s: it said %q, want %q", when, said, line)
			}
		}
	}
	do := func(words ...any) {
		t.Helper()
		if err := client.Do(t.Context(), words...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	expect("all is well", "")
	do("CONFIG", "SET", "replica-serve-stale-data", "no")
	do("REPLICAOF", "127.0.0.1", "1")
	expect("without its master", "Redis answers: MASTERDOWN", `msg="cannot read slow entries of shop" error="MASTERDOWN`, `msg="cannot read slow entries of bank" error="MASTERDOWN`)
	server.Stop()
	expect("down", "Redis does not answer", `entries of shop" error="dial`, `entries of bank" error="dial`)
	server.Start()
	expect("back", "", `level=INFO msg="reads slow entries of shop again"`, "entries of bank again")
	server.Stop()
	expect("down again, soon after", "Redis does not answer")
	server.Start()
	expect("back again", "")
}

// TestARedisWithTooManyClientsIsNotSaidToBeSilent: all who look at it read why it cannot be used, and what to do.
func TestARedisWithTooManyClientsIsNotSaidToBeSilent(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	pagetest.Set(t, server, "pulse:queues:shop", pagetest.OneQueue, 3)
	url := pagetest.Serve(t, server, "").URL
	if a := call(t, http.MethodGet, url+"/api/v1/view", nil); a.status != http.StatusOK {
		t.Fatalf("before: %d %s", a.status, a.body)
	}
	for _, words := range [][]any{{"CONFIG", "SET", "maxclients", "1"}, {"CLIENT", "KILL", "TYPE", "normal"}} {
		if err := server.Client.Do(t.Context(), words...).Err(); err != nil {
			t.Fatal(err)
		}
	}
	const why = ": ERR max number of clients reached; close connections that nobody uses (CLIENT LIST shows them), or raise its maxclients"
	servertest.Eventually(t, "that the view says why", func() bool {
		body := call(t, http.MethodGet, url+"/api/v1/view", nil).body
		if strings.Contains(body, "Redis has not answered") {
			t.Error("it did answer")
		}
		return strings.Contains(body, why+"; these are the last numbers") && strings.Contains(body, "Redis cannot be used since ")
	})
	for url, want := range map[string]string{
		url + "/api/v1/slow?app=shop":                      "Redis cannot be used" + why,
		pagetest.Serve(t, server, "").URL + "/api/v1/view": "Redis cannot be used since this program started" + why,
	} {
		if a := call(t, http.MethodGet, url, nil); a.status != http.StatusServiceUnavailable || !strings.Contains(a.body, want) {
			t.Errorf("%s: %d %s", url, a.status, a.body)
		}
	}
}
