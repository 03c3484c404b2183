package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/gravito-framework/pulse/protocol"
)

// The parts that documents are drawn from: few names, so that they meet, and some of them hostile.
var (
	apps    = rapid.SampledFrom([]string{"shop", "blog", "constructor", "toString"})
	ids     = rapid.SampledFrom([]string{"web-1", "constructor", "hasOwnProperty"})
	sources = rapid.SampledFrom([]string{"", "sqs", "redis"})
	queues  = rapid.SampledFrom([]string{"a", "b", "a@sqs", "__proto__", "constructor", "<script>", "a/b~0c", "\u2028", "\x00", "ü", "null"})
	counts  = rapid.SampledFrom([]string{"0", "1", "7", "9007199254740991", "null", "-1", "1.5", `"3"`, "2.0", "1e3"})
	ages    = rapid.Int64Range(-40_000, 40_000)
)

// values are JSON values of every shape, by their depth.
func values(depth int) *rapid.Generator[string] {
	leaves := rapid.SampledFrom([]string{"null", "0", "1", "-1.5", "9007199254740993", "12345678901234567890", "1e300", "1e400", "true", "false", `""`, `"x"`, `"<&>\u2028\u0000"`, "{}", "[]"})
	if depth == 0 {
		return leaves
	}
	inner := values(depth - 1)
	return rapid.OneOf(leaves,
		rapid.Map(rapid.SliceOfN(inner, 0, 3), func(vs []string) string { return "[" + strings.Join(vs, ",") + "]" }),
		metas(inner),
	)
}

func metas(inner *rapid.Generator[string]) *rapid.Generator[string] {
	keys := rapid.SampledFrom([]string{"a", "b", "paused", "dlq", "dlq_for", "error", "driver", "id", "__proto__", "constructor", "", "a/b~0", "1"})
	return rapid.Map(rapid.MapOfN(keys, inner, 0, 4), func(members map[string]string) string {
		raw := make(map[string]json.RawMessage, len(members))
		for k, v := range members {
			raw[k] = json.RawMessage(v)
		}
		data, err := json.Marshal(raw)
		if err != nil {
			panic(err) // the values above are JSON
		}
		return string(data)
	})
}

// drawDocument draws what a key may hold or have held: right, wrong, refused or gone.
func drawDocument(t *rapid.T, now time.Time) Document {
	at := now.UnixMilli() - ages.Draw(t, "age")
	app := apps.Draw(t, "app")
	meta := metas(values(2))
	var key, data string
	switch rapid.SampledFrom([]string{"queues", "queues", "queues", "server", "node", "trend"}).Draw(t, "kind") {
	case "queues":
		source := sources.Draw(t, "source")
		key = protocol.QueuesKey(app, sources.Draw(t, "key's source")) // mostly another reporter's
		rows := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) string {
			name, err := json.Marshal(queues.Draw(t, "name"))
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf(`{"name":%s,"driver":%q,"metrics":{"waiting":%s,"active":%s,"delayed":%s,"failed":%s},"meta":%s}`, name,
				rapid.SampledFrom([]string{"sqs", "bullmq", "gravito-stream", "celery", ""}).Draw(t, "driver"),
				counts.Draw(t, "waiting"), counts.Draw(t, "active"), counts.Draw(t, "delayed"), counts.Draw(t, "failed"), meta.Draw(t, "meta"))
		}), 0, 4).Draw(t, "queues")
		data = fmt.Sprintf(`{"timestamp":%d,"app":%q,"source":%q,"queues":[%s]}`, at, app, source, strings.Join(rows, ","))
	case "server":
		key = protocol.ServerKey(app, ids.Draw(t, "id"))
		load := rapid.SampledFrom([]string{"[1,2,3]", "[]", "null", "[1,null]", "7"}).Draw(t, "load")
		own := strings.TrimPrefix(meta.Draw(t, "meta"), "{")
		if own != "}" {
			own = "," + own
		}
		numbers := func(names ...string) string {
			var members []string
			for _, name := range names {
				members = append(members, fmt.Sprintf("%q:%s", name, counts.Draw(t, name)))
			}
			return strings.Join(members, ",")
		}
		data = fmt.Sprintf(`{"timestamp":%d,"system":{"hostname":%q,"platform":%q,"load_avg":%s,%s},"process":{%s},"meta":{"app_name":%q%s}`,
			at, ids.Draw(t, "hostname"), sources.Draw(t, "platform"), load,
			numbers("cpu_usage", "cpu_cores", "memory_total", "memory_free", "disk_total", "disk_free"),
			numbers("pid", "uptime", "cpu_usage", "memory_rss", "memory_heap"), app, own)
	case "node":
		id := ids.Draw(t, "id")
		key = "gravito:quasar:node:" + app + ":" + id
		data = fmt.Sprintf(`{"id":%q,"service":%q,"timestamp":%d,"queues":[{"name":"a","driver":"redis","size":{"waiting":%s}}]}`, id, app, at, counts.Draw(t, "waiting"))
	case "trend":
		key = protocol.TrendKey(rapid.SampledFrom([]string{app, app, app, "other"}).Draw(t, "key's app"))
		verdicts := map[string]any{}
		for range rapid.IntRange(0, 3).Draw(t, "verdicts") {
			verdicts[rapid.SampledFrom([]string{"sqs", "bullmq", "celery"}).Draw(t, "driver")+"/"+queues.Draw(t, "name")] = map[string]any{
				"health": rapid.SampledFrom([]string{"ok", "growing", "stalled", "unknown", "excellent"}).Draw(t, "health"),
				"reason": rapid.SampledFrom([]string{"", "<b>", "more wait"}).Draw(t, "reason"),
				"trend":  json.RawMessage(rapid.SampledFrom([]string{"{}", "null", `{"waiting_per_min":-1.5}`, `{"drain_seconds":60,"drain_range":[50,70]}`, `{"drain_range":[1,2]}`, `{"processed_per_min":1.5,"arriving_per_min":0,"wait_seconds":3}`}).Draw(t, "trend")),
			}
		}
		alerts := map[string]any{}
		for range rapid.IntRange(0, 2).Draw(t, "alerts") {
			alerts[rapid.SampledFrom([]string{"01", "02", "constructor"}).Draw(t, "fingerprint")] = map[string]any{
				"rule": rapid.SampledFrom([]string{"lost", "stalled 5m"}).Draw(t, "rule"), "kind": rapid.SampledFrom([]string{"queue", "server"}).Draw(t, "kind"),
				"key": queues.Draw(t, "key"), "reason": rapid.SampledFrom([]string{"", "why"}).Draw(t, "reason"),
				"since": rapid.IntRange(0, 1).Draw(t, "since"), "sent": rapid.IntRange(0, 2).Draw(t, "sent"),
			}
		}
		text, err := json.Marshal(map[string]any{"timestamp": at, "app": app, "queues": verdicts, "alerts": alerts})
		if err != nil {
			t.Fatal(err)
		}
		data = string(text)
	}
	d := Document{Key: key, SeenAt: at, Data: []byte(data)}
	switch rapid.IntRange(0, 9).Draw(t, "fate") {
	case 0, 1:
		d.Data = nil
	case 2:
		d.Data = []byte(rapid.SampledFrom([]string{"", "rubbish", "[]", "null", "{}", data[:len(data)/2]}).Draw(t, "rubbish"))
	case 3:
		d.Data, d.Err = nil, errors.New("WRONGTYPE")
	}
	return d
}

// history draws the views of a builder over some minutes. Most documents stay from view to view.
func history(t *rapid.T) []*View {
	var b Builder
	now := noon
	docs := map[string]Document{}
	views := make([]*View, rapid.IntRange(2, 6).Draw(t, "views"))
	for i := range views {
		now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(t, "seconds")) * time.Second)
		for range rapid.IntRange(0, 3).Draw(t, "changes") {
			d := drawDocument(t, now)
			docs[d.Key] = d
		}
		all := make([]Document, 0, len(docs))
		for _, key := range slices.Sorted(maps.Keys(docs)) { // in order, so that rapid can draw the same again
			d := docs[key]
			all = append(all, d)
			if d.Data == nil && rapid.IntRange(0, 9).Draw(t, "forgotten") == 0 {
				delete(docs, key) // a day later
			}
		}
		views[i] = b.Build(now, all)
	}
	return views
}

// rfc7396 is the algorithm of RFC 7396, section 2, to the letter.
func rfc7396(target, patch any) any {
	members, ok := patch.(map[string]any)
	if !ok {
		return patch
	}
	object, ok := target.(map[string]any)
	if !ok {
		object = map[string]any{}
	}
	for name, value := range members {
		if value == nil {
			delete(object, name)
		} else {
			object[name] = rfc7396(object[name], value)
		}
	}
	return object
}

// TestAnyPatchMakesTheNextView applies the patch between any two views, as a slow client gets it that has missed
// some: with a foreign implementation and with the RFC's own algorithm, of whole views and of narrowed ones.
func TestAnyPatchMakesTheNextView(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		views := history(rt)
		texts := make([]string, len(views))
		app, driver, q := rapid.SampledFrom([]string{"", "", "shop"}).Draw(rt, "app"), rapid.SampledFrom([]string{"", "", "sqs"}).Draw(rt, "driver"), rapid.SampledFrom([]string{"", "", "a"}).Draw(rt, "q")
		for i := range views {
			views[i] = views[i].Narrow(app, driver, q)
			texts[i] = encoded(t, views[i])
		}
		for i, from := range views {
			for j, to := range views {
				patch := Patch(from, to)
				if unchanged := withoutTime(texts[i]) == withoutTime(texts[j]); unchanged != (patch == nil) {
					rt.Fatalf("the patch is %s; from\n%s\nto\n%s", patch, texts[i], texts[j])
				}
				if patch == nil {
					continue
				}
				merged, err := jsonpatch.MergePatch([]byte(texts[i]), patch)
				if err != nil {
					rt.Fatal(err)
				}
				want := jsonValue(rt, []byte(texts[j]))
				if diff := cmp.Diff(want, jsonValue(rt, merged)); diff != "" {
					rt.Fatalf("with another implementation, after %s (-want +got):\n%s", patch, diff)
				}
				got := rfc7396(jsonValue(rt, []byte(texts[i])), jsonValue(rt, patch))
				if diff := cmp.Diff(want, got); diff != "" {
					rt.Fatalf("with the RFC's algorithm, after %s (-want +got):\n%s", patch, diff)
				}
			}
		}
		// Making patches and narrower views has changed none of them.
		for i, v := range views {
			if got := encoded(t, v); got != texts[i] {
				rt.Fatalf("a view was\n%s\nand is\n%s", texts[i], got)
			}
		}
	})
}

func jsonValue(t *rapid.T, data []byte) any {
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// withoutTime returns a view's JSON without its first member, the time when it was made.
func withoutTime(text string) string {
	_, rest, _ := strings.Cut(text, ",")
	return rest
}

// TestViewsOfAnyDocumentsAgree guards that a builder's memory changes no view: two builders that read the same
// documents make the same view, and reading the same documents again changes nothing.
func TestViewsOfAnyDocumentsAgree(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var a, b Builder
		now := noon
		for range rapid.IntRange(1, 4).Draw(rt, "rounds") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20).Draw(rt, "seconds")) * time.Second)
			docs := rapid.SliceOfNDistinct(rapid.Custom(func(t *rapid.T) Document { return drawDocument(t, now) }), 0, 6, func(d Document) string { return d.Key }).Draw(rt, "docs")
			first := a.Build(now, docs)
			again := a.Build(now, docs)
			other := b.Build(now, rapid.Permutation(docs).Draw(rt, "permuted"))
			want := encoded(t, first)
			if strings.Contains(want, `"load_avg":null`) {
				rt.Fatalf("it has a null: %s", want)
			}
			for what, v := range map[string]*View{"the same builder": again, "another builder": other} {
				if got := encoded(t, v); got != want {
					rt.Fatalf("%s makes\n%s\nof what was\n%s", what, got, want)
				}
			}
			if p := Patch(first, again); p != nil {
				rt.Fatalf("the patch is %s", p)
			}
		}
	})
}

// TestMemberThatBecomesAnEmptyObjectIsInThePatch: the patch of a member that was no object is its whole new value.
func TestMemberThatBecomesAnEmptyObjectIsInThePatch(t *testing.T) {
	of := func(x string) *View {
		return build(snapshot("shop", "", `{"name":"q","driver":"sqs","metrics":{"waiting":1},"meta":{"x":`+x+`}}`))
	}
	for _, was := range []string{"1", "[1]", `"y"`, `{"y":1}`} {
		for _, is := range []string{"{}", `{"z":2}`} {
			var from, patch any
			if json.Unmarshal([]byte(encoded(t, of(was))), &from) != nil || json.Unmarshal(Patch(of(was), of(is)), &patch) != nil {
				t.Fatalf("from %s to %s there is no patch", was, is)
			}
			var want any
			if err := json.Unmarshal([]byte(encoded(t, of(is))), &want); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, rfc7396(from, patch)); diff != "" {
				t.Errorf("from %s to %s (-want +got):\n%s", was, is, diff)
			}
		}
	}
}

// TestPatchNamesOnlyWhatChanged is about its size: a page with a thousand queues gets a line.
func TestPatchNamesOnlyWhatChanged(t *testing.T) {
	queue := func(name string, waiting int, meta string) string {
		return fmt.Sprintf(`{"name":%q,"driver":"sqs","metrics":{"waiting":%d,"active":0,"delayed":0,"failed":0},"meta":%s}`, name, waiting, meta)
	}
	base := []Document{snapshot("shop", "", queue("a", 1, `{"x":1,"y":{"z":[1],"w":2}}`)+","+queue("b", 1, "{}")), snapshot("blog", "", queue("c", 0, "{}")), beat("shop", "web-1", "")}
	at := noon.Add(time.Second).UnixMilli()
	for _, tc := range []struct {
		name string
		docs []Document
		want string
	}{
		{"one count", []Document{snapshot("shop", "", queue("a", 2, `{"x":1,"y":{"z":[1],"w":2}}`)+","+queue("b", 1, "{}")), base[1], base[2]},
			`{"generated_at":%d,"totals":{"waiting":3},"apps":{"shop":{"queues":{"sqs/a":{"metrics":{"waiting":2}}}}}}`},
		{"within meta", []Document{snapshot("shop", "", queue("a", 1, `{"y":{"z":[1,2],"w":2}}`)+","+queue("b", 1, "{}")), base[1], base[2]},
			`{"generated_at":%d,"apps":{"shop":{"queues":{"sqs/a":{"meta":{"y":{"z":[1,2]},"x":null}}}}}}`},
		{"a queue", []Document{snapshot("shop", "", queue("b", 1, "{}")), base[1], base[2]},
			`{"generated_at":%d,"totals":{"waiting":1,"queues":2},"apps":{"shop":{"queues":{"sqs/a":null}}}}`},
		{"a server", base[:2], `{"generated_at":%d,"totals":{"servers":0},"apps":{"shop":{"servers":{"web-1":null}}}}`},
		{"an app", []Document{base[0], base[2]}, `{"generated_at":%d,"totals":{"queues":2},"apps":{"blog":null}}`},
		{"a problem", append([]Document{doc("pulse:queues:x", "[]")}, base...),
			`{"generated_at":%d,"problems":[{"key":"pulse:queues:x","reason":"it is not a JSON object: it starts with \"[]\""}]}`},
	} {
		var b Builder
		before := b.Build(noon, base)
		got := Patch(before, b.Build(noon.Add(time.Second), tc.docs))
		if want := fmt.Sprintf(tc.want, at); string(got) != want {
			t.Errorf("%s: the patch is\n%s\nwant\n%s", tc.name, got, want)
		}
	}
}
