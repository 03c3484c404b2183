package history

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/internal/servertest"
	"github.com/gravito-framework/pulse/protocol"
)

const day = 24 * time.Hour

func entryAt(minute int64) int64 { return start + minute*minuteMS }

// written is one entry of a stream.
type written struct {
	id   int64
	data []byte
}

// drawSample draws a sample of one of few queues, so that they come, go and come back.
func drawSample(t *rapid.T, number int) Sample {
	count := rapid.Int64Range(0, 300)
	some := rapid.OneOf(rapid.Just[*int64](nil), rapid.Map(count, func(n int64) *int64 { return &n }))
	s := Sample{
		Name: []string{"a", "ab", "abc", "", "ü/x", "b:c"}[number%6], Driver: protocol.DriverBullMQ,
		Source:  rapid.SampledFrom([]string{"redis", "redis", "redis", ""}).Draw(t, "source"),
		Metrics: protocol.Metrics{Waiting: count.Draw(t, "waiting"), Active: some.Draw(t, "active"), Delayed: some.Draw(t, "delayed"), Failed: some.Draw(t, "failed")},
		Workers: some.Draw(t, "workers"), Processed: some.Draw(t, "processed"), Paused: rapid.Bool().Draw(t, "paused"),
		Part: Part{NotJobs: rapid.Bool().Draw(t, "not jobs"), DeadLetters: rapid.Bool().Draw(t, "dead letters"), NotFailed: rapid.Bool().Draw(t, "not failed")}, Lost: rapid.IntRange(0, 5).Draw(t, "lost") == 0,
	}
	text := rapid.SampledFrom([]string{"", "", "a", "dead", "https://sqs.eu-west-1.amazonaws.com/1/"})
	s.Links = Links{Place: text.Draw(t, "place"), DLQ: text.Draw(t, "dlq"), DLQFor: text.Draw(t, "dlq for")}
	if number >= 6 {
		s.Driver, s.MetaDriver = protocol.DriverOther, "redis-list"
	}
	s.Key = Key(scopeOf(s.Driver, s.MetaDriver) + "/" + s.Name)
	if number == 5 {
		s.Key += "@second"
	}
	return s
}

// model is what a history must say: by minute and key.
type model struct {
	points map[int64]map[Key]Sample // not lost
	last   map[Key]Sample
}

func (m *model) look(minute int64, samples []Sample) {
	if m.points == nil {
		m.points = map[int64]map[Key]Sample{}
	}
	last := map[Key]Sample{}
	m.points[minute] = map[Key]Sample{}
	for _, s := range samples {
		s.Seen = entryAt(minute)
		if before, ok := m.last[s.Key]; s.Lost && ok {
			source, links := s.Source, s.Links
			if source == before.Source {
				links = before.Links
			}
			s = before
			s.Lost, s.Source, s.Links = true, source, links
		}
		if !s.Lost {
			m.points[minute][s.Key] = s
		}
		last[s.Key] = s
	}
	m.last = last
}

func (m *model) columns(key Key, from int64, minutes int) Columns {
	number := func(minute int64, of func(*protocol.Metrics) *int64) int64 {
		if s, ok := m.points[minute][key]; ok {
			if n := of(&s.Metrics); n != nil {
				return *n
			}
		}
		return Absent
	}
	var c Columns
	for minute := from; minute < from+int64(minutes); minute++ {
		c.Waiting = append(c.Waiting, number(minute, func(m *protocol.Metrics) *int64 { return &m.Waiting }))
		c.Active = append(c.Active, number(minute, func(m *protocol.Metrics) *int64 { return m.Active }))
		c.Delayed = append(c.Delayed, number(minute, func(m *protocol.Metrics) *int64 { return m.Delayed }))
		c.Failed = append(c.Failed, number(minute, func(m *protocol.Metrics) *int64 { return m.Failed }))
	}
	return c
}

// What was recorded is what is read: with missed minutes, entries that were lost, recorders that started again from
// what they read, and readers that begin anywhere.
func TestWhatIsRecordedIsRead(t *testing.T) {
	var keyframes, deltas, cold, unread int
	rapid.Check(t, func(t *rapid.T) {
		var m model
		var stream []written
		keys := map[Key]bool{}
		e := NewEncoder(day, nil)
		queues := map[int]Sample{}
		minute := int64(0)
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			minute += rapid.SampledFrom([]int64{1, 1, 1, 1, 2, 7}).Draw(t, "minutes")
			for range rapid.IntRange(0, 3).Draw(t, "changes") {
				number := rapid.IntRange(0, 7).Draw(t, "queue")
				queues[number] = drawSample(t, number)
				if rapid.IntRange(0, 5).Draw(t, "gone") == 0 {
					delete(queues, number)
				}
			}
			samples := slices.Collect(maps.Values(queues))
			for _, s := range samples {
				keys[s.Key] = true
			}
			data, leftOut := e.Encode(entryAt(minute)+rapid.Int64Range(0, minuteMS-1).Draw(t, "late"), samples)
			if leftOut > 0 {
				t.Fatalf("%d left out", leftOut)
			}
			m.look(minute, samples)
			if rapid.IntRange(0, 9).Draw(t, "not written") == 0 {
				delete(m.points, minute)
				e.Restart()
				continue
			}
			stream = append(stream, written{entryAt(minute), slices.Clone(data)})
			if rapid.IntRange(0, 9).Draw(t, "restart") == 0 { // a recorder that starts again
				var d Decoder
				for _, w := range stream {
					if err := d.Add(w.id, w.data); err != nil {
						t.Fatal(err)
					}
				}
				e = NewEncoder(day, &d)
				cold++
			}
		}
		if len(stream) == 0 {
			return
		}

		from := rapid.Int64Range(0, minute).Draw(t, "from")
		wanted := rapid.SampledFrom(slices.Sorted(maps.Keys(map[Key]bool{"bullmq/a": true, "bullmq/b:c@second": true, "redis-list/a": true}))).Draw(t, "wanted")
		whole, part := Decoder{}, Decoder{From: entryAt(from), Wants: func(k Key) bool { return k == wanted }}
		first := len(stream)
		for _, w := range stream { // as a reader finds its first entry
			if w.id > part.From && first < len(stream) {
				break
			}
			at, err := KeyframeOf(w.id, w.data)
			if err != nil {
				t.Fatal(err)
			}
			first = slices.IndexFunc(stream, func(w written) bool { return w.id == at })
		}
		for i, w := range stream {
			if kind := w.data[1]; kind == keyframe {
				keyframes++
			} else {
				deltas++
			}
			if err := whole.Add(w.id, w.data); err != nil {
				t.Fatal(err)
			}
			if i < first {
				unread++
				continue
			}
			if err := part.Add(w.id, w.data); err != nil {
				t.Fatal(err)
			}
		}
		for key := range keys {
			if diff := cmp.Diff(m.columns(key, 0, int(minute)+2), whole.Columns(key, start, int(minute)+2)); diff != "" {
				t.Fatalf("%s: -want +got:\n%s", key, diff)
			}
		}
		if diff := cmp.Diff(m.columns(wanted, from, int(minute-from)+2), part.Columns(wanted, part.From, int(minute-from)+2)); diff != "" {
			t.Fatalf("%s from %d: -want +got:\n%s", wanted, from, diff)
		}
		if len(part.series) > 1 {
			t.Errorf("points of %d queues are kept: one was asked for", len(part.series))
		}
		if stream[len(stream)-1].id != entryAt(minute) {
			return // the last look was not written
		}
		for _, d := range []*Decoder{&whole, &part} {
			last := map[Key]Sample{}
			for s := range d.Last() {
				last[s.Key] = s
			}
			if diff := cmp.Diff(m.last, last); diff != "" || d.At() != entryAt(minute) {
				t.Fatalf("at %d: -want +got:\n%s", d.At(), diff)
			}
		}
	})
	if keyframes == 0 || deltas == 0 || cold == 0 || unread == 0 {
		t.Errorf("%d keyframes, %d deltas, %d cold starts, %d entries not needed: each is due", keyframes, deltas, cold, unread)
	}
}

func queue(name string, waiting int64) Sample {
	return Sample{Key: Key("bullmq/" + name), Name: name, Driver: protocol.DriverBullMQ, Source: "redis", Metrics: protocol.Metrics{Waiting: waiting, Active: new(int64), Failed: new(int64)}}
}

// queues are so many of them, with names that have not much in common.
func queues(n int) []Sample {
	r := rand.New(rand.NewPCG(3, 4))
	words := []string{"orders", "emails", "invoices", "thumbnails", "webhooks", "search-index", "reports", "imports", "payments", "notifications"}
	samples := make([]Sample, n)
	for i := range samples {
		name := fmt.Sprintf("%s-%x-%s", words[r.IntN(len(words))], r.Int32(), words[r.IntN(len(words))])
		samples[i] = queue(name, r.Int64N(900))
		samples[i].Metrics.Delayed = new(int64(3))
	}
	return samples
}

// link makes half of them dead-letter queues of the others.
func link(samples []Sample) {
	for i := range samples {
		if samples[i].Place = "https://sqs.eu-west-1.amazonaws.com/123456789012/"; i%2 == 0 {
			samples[i].DLQ, samples[i+1].DLQFor = samples[i+1].Name, samples[i].Name
		}
	}
}

// busy changes so many of them, as a minute does.
func busy(r *rand.Rand, samples []Sample, n int) {
	for range n {
		m := &samples[r.IntN(len(samples))].Metrics
		m.Waiting = max(0, m.Waiting+r.Int64N(401)-190)
		m.Active = new(r.Int64N(20))
		if r.IntN(10) == 0 {
			m.Failed = new(*m.Failed + r.Int64N(3))
		}
	}
}

// record records minutes in which so many of the queues change.
func record(samples []Sample, changes, minutes int) []written {
	r := rand.New(rand.NewPCG(1, 2))
	e := NewEncoder(day, nil)
	var stream []written
	for minute := range int64(minutes) {
		busy(r, samples, changes)
		data, _ := e.Encode(entryAt(minute), samples)
		stream = append(stream, written{entryAt(minute), slices.Clone(data)})
	}
	return stream
}

func TestMemoryInRedis(t *testing.T) {
	server := servertest.Redis(t)
	ctx := context.Background()
	for _, c := range []struct {
		queues, changes, minutes int
		links                    bool
		most                     int64 // bytes
	}{
		{1_000, 100, 1440, false, 3 << 20},
		{1_000, 100, 1440, true, 3 << 20},
		{10_000, 0, 720, false, 3 << 18}, // half a day: the other half is the same
		{1, 1, 1440, false, 128 << 10},
	} {
		key := fmt.Sprintf("pulse:history:app-%d-%t", c.queues, c.links)
		samples := queues(c.queues)
		if c.links {
			link(samples)
		}
		pipe := server.Client.Pipeline()
		keyframes, bytes := 0, 0
		for _, w := range record(samples, c.changes, c.minutes) {
			pipe.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: EntryID(w.id), Values: []any{Field, w.data}})
			if w.data[1] == keyframe {
				keyframes++
			}
			bytes += len(w.data)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			t.Fatal(err)
		}
		used, err := server.Client.MemoryUsage(ctx, key, 0).Result()
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%d queues, links %t, %d changes a minute: %d minutes take %.2f MiB of Redis, %.2f MiB of entries, %d keyframes", c.queues, c.links, c.changes, c.minutes, float64(used)/(1<<20), float64(bytes)/(1<<20), keyframes)
		if used > c.most {
			t.Errorf("%d queues, %d changes a minute: %d bytes, at most %d are due", c.queues, c.changes, used, c.most)
		}
		entries, err := server.Client.XRange(ctx, key, "-", "+").Result()
		if err != nil || len(entries) != c.minutes {
			t.Fatalf("%d entries: %v", len(entries), err)
		}
		err = server.Client.XAdd(ctx, &redis.XAddArgs{Stream: key, ID: entries[c.minutes-1].ID, Values: []any{Field, ""}}).Err()
		if err == nil || !strings.Contains(err.Error(), "equal or smaller") {
			t.Errorf("a second recorder's entry of the same minute: %v", err)
		}
	}
}

// A keyframe is never older than half a history: trimming to the keyframe of the oldest minute keeps at most half a
// history more.
func TestKeyframesComeInTime(t *testing.T) {
	stream := record(queues(300), 0, 1440)
	var at []int64
	for _, w := range stream {
		if w.data[1] == keyframe {
			at = append(at, (w.id-start)/minuteMS)
		}
	}
	if !slices.Equal(at, []int64{0, 720}) {
		t.Errorf("keyframes at the minutes %d", at)
	}
	if n := len(stream[700].data); n > 8 {
		t.Errorf("a minute in which nothing changed has %d bytes", n)
	}
}

// A reader from cold reads about twice a keyframe at most.
func TestDeltasDoNotOutweighTheirKeyframe(t *testing.T) {
	frame, deltas := 0, 0
	for _, w := range record(queues(200), 60, 300) {
		if w.data[1] == keyframe {
			frame, deltas = len(w.data), 0
		} else if deltas += len(w.data); deltas > frame {
			t.Fatalf("%d bytes of deltas on a keyframe of %d", deltas, frame)
		}
	}
}

func TestAMissedEntryIsAGapUntilTheNextKeyframe(t *testing.T) {
	samples := queues(50)
	stream := record(samples, 1, 300)
	second := slices.IndexFunc(stream[1:], func(w written) bool { return w.data[1] == keyframe }) + 1
	for name, spoil := range map[string]func(w written) written{
		"missing":         func(written) written { return written{} },
		"empty":           func(w written) written { return written{w.id, nil} },
		"foreign":         func(w written) written { return written{w.id, []byte(`{"waiting":3}`)} },
		"a later version": func(w written) written { return written{w.id, append([]byte{version + 1}, w.data[1:]...)} },
		"cut":             func(w written) written { return written{w.id, w.data[:len(w.data)-1]} },
	} {
		var d Decoder
		failed := 0
		for i, w := range stream[:second+5] {
			if i == 3 {
				if w = spoil(w); w.id == 0 {
					continue
				}
			}
			if err := d.Add(w.id, w.data); err != nil {
				failed++
				if i > 3 && !errors.Is(err, ErrNoKeyframe) || i < 3 || i >= second {
					t.Errorf("%s: entry %d: %v", name, i, err)
				}
			}
		}
		want := second - 3
		if name == "missing" {
			want--
		}
		if failed != want {
			t.Errorf("%s: %d entries could not be read: %d are due", name, failed, want)
		}
		got := d.Columns(samples[0].Key, start, second+5).Waiting
		for i, n := range got {
			if (n == Absent) != (i >= 3 && i < second) {
				t.Fatalf("%s: minute %d is %d", name, i, n)
			}
		}
	}
}

func TestALostQueueKeepsItsLastNumbers(t *testing.T) {
	e := NewEncoder(day, nil)
	var d Decoder
	look := func(minute int64, samples ...Sample) {
		t.Helper()
		data, _ := e.Encode(entryAt(minute), samples)
		if err := d.Add(entryAt(minute), data); err != nil {
			t.Fatal(err)
		}
	}
	// A second queue, and one with a long name, so that the rest fits into deltas.
	other := queue("other"+strings.Repeat("-", 400), 5)
	look(0, queue("a", 7), other)
	look(1, queue("a", 8), other)
	// A recorder that was started again knows a lost queue's name, not its numbers.
	lost := queue("a", 0)
	lost.Lost = true
	foreign := queue("b", 3)
	foreign.Lost, foreign.Seen = true, entryAt(-30)
	look(2, lost, foreign, other)
	look(3, lost, foreign, other)
	check := func() {
		t.Helper()
		want := map[string]string{"a": "8 true 1", "b": "3 true -30", other.Name: fmt.Sprint("5 false ", (d.At()-start)/minuteMS)}
		got := map[string]string{}
		for s := range d.Last() {
			got[s.Name] = fmt.Sprint(s.Metrics.Waiting, s.Lost, (s.Seen-start)/minuteMS)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
	}
	check()
	e.Restart()
	look(4, lost, foreign, other)
	check()
	look(5, queue("a", 0), other)
	if got := d.Columns("bullmq/a", start, 6).Waiting; !slices.Equal(got, Column{7, 8, Absent, Absent, Absent, 0}) {
		t.Errorf("a: %d", got)
	}
	if got := d.Columns("bullmq/b", start, 6).Waiting; !slices.Equal(got, Column{Absent, Absent, Absent, Absent, Absent, Absent}) {
		t.Errorf("b, which was lost all the time: %d", got)
	}
}

func TestWhatHistoryDoesNotHold(t *testing.T) {
	negative, long, noText := queue("negative", -1), queue(strings.Repeat("x", maxText), 1), queue("\xff", 1)
	good, moved, fresh := queue("good", 1), queue("good", 1), queue("new", 1)
	moved.Source = "another"
	for _, first := range []bool{true, false} {
		e := NewEncoder(day, nil)
		if !first { // in a delta
			e.Encode(entryAt(0), append(queues(200), good))
		}
		data, leftOut := e.Encode(entryAt(1), []Sample{negative, good, long, good, moved, fresh, fresh, noText})
		if leftOut != 6 || (data[1] == keyframe) != first {
			t.Errorf("kind %q: %d left out", data[1], leftOut)
		}
	}
	many := make([]Sample, 10_000)
	for i := range many {
		many[i] = queue(fmt.Sprint(i, strings.Repeat("x", 1000)), 1)
	}
	e := NewEncoder(day, nil)
	data, leftOut := e.Encode(entryAt(0), many)
	var d Decoder
	if err := d.Add(entryAt(0), data); err != nil || leftOut == 0 || len(d.slots)+leftOut != len(many) {
		t.Errorf("%d left out, %d read: %v", leftOut, len(d.slots), err)
	}
	// Others come in a delta that would have room for them, beside the names that are gone.
	for i := range 10 {
		many[i] = queue(fmt.Sprint("other", i, strings.Repeat("x", 1000)), 1)
	}
	data, _ = e.Encode(entryAt(1), many[:4000])
	if err := d.Add(entryAt(1), data); err != nil {
		t.Error(err)
	}
	// Links count, also those that come later, and those that many queues have.
	linked := queues(5000)
	e, d = NewEncoder(day, nil), Decoder{}
	for minute, place := range []string{"", strings.Repeat("x", 1000), strings.Repeat("y", 1000), strings.Repeat("z", maxText)} {
		for i := range linked {
			linked[i].Place = place
		}
		data, leftOut = e.Encode(entryAt(int64(minute)), linked)
		if err := d.Add(entryAt(int64(minute)), data); err != nil || d.texts > maxTexts || d.texts != e.texts || (leftOut > 0) != (minute == 3) || len(d.slots)+leftOut != len(linked) {
			t.Errorf("minute %d, an entry of kind %q: %d left out, %d read, %d and %d bytes of texts: %v", minute, data[1], leftOut, len(d.slots), e.texts, d.texts, err)
		}
	}
	long = queue("a", 1)
	long.DLQ = strings.Repeat("x", maxText+1)
	data, leftOut = e.Encode(entryAt(9), []Sample{long})
	if err := d.Add(entryAt(9), data); err != nil || leftOut > 0 {
		t.Errorf("a link that is too long: %d left out, %v", leftOut, err)
	}
	for s := range d.Last() {
		if s.DLQ != "" {
			t.Errorf("it is kept: %d bytes", len(s.DLQ))
		}
	}
}

func TestColumnsJSON(t *testing.T) {
	if got := string(Column{3, Absent, 0}.AppendJSON(nil)); got != "[3,null,0]" {
		t.Error(got)
	}
}

// What only a hostile program, or a broken one, would write.
func TestHostileEntries(t *testing.T) {
	frame, _ := NewEncoder(day, nil).Encode(entryAt(0), []Sample{queue("a", 7), queue("b", 7)})
	text := func(s string) string { return string(rune(len(s))) + s }
	record := "\x00\x00" + text("c") + "\x00" + text("sqs") + "\x00" + text("") + "\x02" + "\x05"
	for name, c := range map[string]struct{ entry, want string }{
		"more queues than bytes":     {"\x02K\xa0\x8d\x06", "cut off"},
		"more queues than there may": {"\x02K\xff\xff\x7f", "too large"},
		"a queue twice":              {"\x02K\x02" + record + "\x00\x01\x00\x01\x02\x02\x05", "twice"},
		"more after its queues":      {"\x02K\x01" + record + "\x00", "more than its queues"},
		"a name that is no text":     {"\x02K\x01" + strings.Replace(record, "c", "\xff", 1), "no text"},
		"a source that is no text":   {"\x02K\x01" + strings.Replace(record, "sqs", "\xff\xff\xff", 1), "no text"},
		"a text that never came":     {"\x02K\x01" + strings.Replace(record, "\x02\x05", "\x03\x05", 1), "too large"},
		"drops one that isn't there": {"\x02D\x01\x01\x03\x00\x00\x00", "too large"},
		"drops one after the last":   {"\x02D\x01\x01\x02\x01\x00\x00", "dropped"},
		"adds one that is there":     {"\x02D\x01\x01\x00\x01" + strings.Replace(strings.Replace(record, "c", "a", 1), text("sqs"), text("bullmq"), 1), "twice"},
		"changes one twice":          {"\x02D\x01\x01\x00\x00\x01\x01\x02\x00\x01\x02", "changes"},
		"changes nothing":            {"\x02D\x01\x01\x00\x00\x00\x00", "change"},
		"links that never came":      {"\x02D\x01\x01\x00\x00\x00\x80\x00" + text("sqs"), "cut off"},
		"a link that is no text":     {"\x02D\x01\x01\x00\x00\x00\x80\x00" + text("\xff"), "no text"},
		"links that are too long":    {"\x02K\x01\x80\x10" + record[1:len(record)-1] + strings.Repeat("\x00\x81\x10", 3), "too large"},
		"flags to unknown":           {"\x02K\x01\x80\x20" + record[1:], "too large"},
		"changes flags to unknown":   {"\x02D\x01\x01\x00\x00\x00\x40\x80\x08", "too large"},
		"less than no jobs":          {"\x02D\x01\x01\x00\x00\x00\x01\x7f", "too large"},
		"a keyframe in the future":   {"\x02D\x01\x02\x00\x00", "not read"},
		"an unknown kind":            {"\x02X", "kind"},
		"too large":                  {"\x02K" + strings.Repeat("x", maxEntry), "bytes"},
	} {
		var d Decoder
		if err := d.Add(entryAt(0), frame); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := d.Add(entryAt(1), []byte(c.entry))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "2025-11-24T16:01:00Z") {
			t.Errorf("%s: %v: want one with %q", name, err, c.want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 && len(c.entry) < 1<<20 {
			t.Errorf("%s: %d bytes for %d", name, took, len(c.entry))
		}
		// After half a change nothing can be built on it, not even the right entry. All else is as if it weren't there.
		isHalf := strings.HasPrefix(c.entry, "\x02D") && !errors.Is(err, ErrNoKeyframe)
		err = d.Add(entryAt(1), []byte("\x02D\x01\x01\x00\x00\x01\x01\x02"))
		if errors.Is(err, ErrNoKeyframe) != isHalf || err != nil && !isHalf {
			t.Errorf("%s: the next entry: %v", name, err)
		}
		next, _ := NewEncoder(day, &d).Encode(entryAt(2), []Sample{queue("a", 7), queue("b", 7)})
		if isHalf && next[1] != keyframe {
			t.Errorf("%s: an encoder that goes on from it begins with %q", name, next[1])
		}
	}
	var d Decoder
	all := binary.AppendUvarint(nil, uint64(start/minuteMS))
	first := slices.Concat([]byte("\x02D"), all, all, []byte("\x00\x01"+record))
	if err := d.Add(start, first); !errors.Is(err, ErrNoKeyframe) {
		t.Errorf("a first entry that builds on the year 1970: %v", err)
	}
	if err := errors.Join(d.Add(entryAt(0), frame), d.Add(entryAt(0), frame)); err == nil || !strings.Contains(err.Error(), "not later") {
		t.Errorf("an entry twice: %v", err)
	}
	if err := d.Add(entryAt(1), []byte("\x02D\x01\x01\x00\x00\x01\x01\x02")); err != nil {
		t.Errorf("the one after it: %v", err)
	}
}

// FuzzDecoder reads any bytes: nothing panics, nothing grows without bound, and a keyframe makes all well again.
func FuzzDecoder(f *testing.F) {
	e := NewEncoder(day, nil)
	samples := queues(40)
	link(samples[:4])
	for minute := range int64(6) {
		data, _ := e.Encode(entryAt(minute), samples)
		f.Add(data, byte(1))
		busy(rand.New(rand.NewPCG(1, 1)), samples, 3)
		if minute == 3 {
			samples = append(samples[3:], queue("new", 3))
			samples[1].Lost, samples[5].DLQ, samples[6].DLQFor = true, "b", "a"
		}
	}
	f.Add([]byte{1, 'D', 1, 1, 0, 0, 0, 1, 2}, byte(3))
	good, _ := NewEncoder(day, nil).Encode(start, queues(40))
	after, _ := NewEncoder(day, nil).Encode(start, []Sample{queue("a", 7)})
	f.Fuzz(func(t *testing.T, data []byte, parts byte) {
		var d Decoder
		if err := d.Add(entryAt(0), good); err != nil {
			t.Fatal(err)
		}
		minute := int64(1)
		for part := range slices.Chunk(data, max(1, len(data)/max(1, int(parts%4)))) {
			_ = d.Add(entryAt(minute), part)
			_, _ = KeyframeOf(entryAt(minute), part)
			minute++
		}
		kept := 0
		for _, s := range d.series {
			kept += len(*s)
		}
		if d.texts > maxTexts || len(d.slots) > 40+len(data) || kept > 40+40+len(data) { // each queue can come and go
			t.Fatalf("%d bytes of texts, %d queues, %d changes of %d bytes", d.texts, len(d.slots), kept, len(data))
		}
		for s := range d.Last() {
			d.Columns(s.Key, start, 5)
		}
		// An encoder that goes on from it, and a reader, understand each other.
		if err := d.Add(entryAt(minute), after); err != nil {
			t.Fatal(err)
		}
		if got := d.Columns("bullmq/a", entryAt(minute), 1).Waiting; got[0] != 7 {
			t.Fatalf("after a keyframe: %d", got)
		}
	})
}

func BenchmarkDecodeADay(b *testing.B) {
	for _, c := range []struct{ queues, wanted int }{{100, 100}, {1_000, 100}} {
		b.Run(fmt.Sprintf("%d_of_%d_queues", c.wanted, c.queues), func(b *testing.B) {
			samples := queues(c.queues)
			stream := record(samples, c.queues/10, 1440)
			wanted := map[Key]bool{}
			for _, s := range samples[:c.wanted] {
				wanted[s.Key] = true
			}
			b.ReportAllocs()
			for b.Loop() {
				d := Decoder{From: start, Wants: func(k Key) bool { return wanted[k] }}
				for _, w := range stream {
					if err := d.Add(w.id, w.data); err != nil {
						b.Fatal(err)
					}
				}
				for key := range wanted {
					d.Columns(key, start, 1440)
				}
			}
		})
	}
}

// History outlives the program that wrote it. Where this fails, entries of older programs can't be read: the version is
// due to change, or the format isn't. docs/protocol.md describes these bytes.
func TestTheFormatStays(t *testing.T) {
	list := Sample{
		Key: "redis-list/mail@b", Name: "mail", Driver: protocol.DriverOther, MetaDriver: "redis-list", Source: "b",
		Metrics: protocol.Metrics{Waiting: 300}, Workers: new(int64(2)), Paused: true, Lost: true, Seen: entryAt(-5),
	}
	orders, mail := queue("orders", 7), queue("ordered", 0)
	e := NewEncoder(day, nil)
	for i, want := range []string{
		"\x02K\x03" +
			"\x05\x00\x07ordered\x00\x06bullmq\x00\x00\x00\x05redis\x00\x00\x00" +
			"\x05\x05\x01s\x01\x02\x03\x07\x00\x00" +
			"\xb8\x08\x00\x04mail\x00\x05other\x00\x0aredis-list\x00\x01b\x11redis-list/mail@b\xac\x02\x02\x05",
		"\x02D\x01\x01" + "\x01\x02" + "\x01\x80\x10\x00\x01n\x00\x03sqs\x00\x00\x00\x02eu\x00\x0ahttps://x/\x02\x00\x06orders\x09" + "\x00\x01\x06" + "\x00\x42\x87\x02\x06",
		"\x02D\x03\x04" + "\x00\x00" + "\x00\x80\x00\x00\x00\x01n\x01" + "\x00\x40\xa7\x02",
	} {
		samples, minute := []Sample{orders, mail, list}, int64(0)
		if i > 0 {
			mail.Metrics.Waiting = 3
			orders.Metrics.Active, orders.Metrics.Delayed, orders.DeadLetters = new(int64(3)), new(int64), true
			samples, minute = []Sample{orders, mail, {Key: "sqs/n", Name: "n", Driver: protocol.DriverSQS, Source: "eu", Metrics: protocol.Metrics{Waiting: 9}, Links: Links{Place: "https://x/", DLQFor: "orders"}}}, 1
		}
		if i > 1 {
			orders.Lost, minute = true, 4
			mail.DLQ = "n"
			samples[0], samples[1] = orders, mail
		}
		if got, _ := e.Encode(entryAt(minute), samples); string(got) != want {
			t.Errorf("entry %d:\n got %q\nwant %q", i, got, want)
		}
	}
}

// TestAWindowIsOfOneQueue: a key may become another reporter's. A recorder that starts again doesn't take the looks of one for
// the other's.
func TestAWindowIsOfOneQueue(t *testing.T) {
	for name, beside := range map[string][]Sample{"keyframes": nil, "deltas": queues(50)} {
		e, d := NewEncoder(day, nil), Decoder{}
		orders := queue("z-orders", 7)
		for minute := range int64(6) {
			orders.Source = map[bool]string{true: "b", false: "a"}[minute < 4]
			data, _ := e.Encode(entryAt(minute), append(slices.Clone(beside), orders))
			if minute == 4 && (data[1] == delta) != (beside != nil) {
				t.Fatalf("%s: the entry begins with %q", name, data[:2])
			}
			if err := d.Add(entryAt(minute), slices.Clone(data)); err != nil {
				t.Fatal(err)
			}
		}
		if w := d.Window(orders.Key); w.n != 2 {
			t.Errorf("%s: it has %d looks", name, w.n)
		}
		if source, ok := d.Source(orders.Key); source != "a" || !ok {
			t.Errorf("%s: the reporter is %q, %t", name, source, ok)
		}
	}
}
