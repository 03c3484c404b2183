package view

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const fullQueue = `{"name":"a","driver":"sqs","source":"s","status":"fresh","health":"ok","health_reason":"r",
	"trend":{"waiting_per_min":-1.5,"drain_seconds":60,"drain_range":[50,70],"processed_per_min":1.5,"arriving_per_min":2.5,"wait_seconds":7},"metrics":{"waiting":1,"active":1,"delayed":1,"failed":1},"meta":{"a":"b","c":{"d":1,"e":[1]}}}`

const fullServer = `{"status":"fresh","timestamp":1,
	"system":{"hostname":"a","platform":"b","cpu_usage":1,"cpu_cores":1,"memory_total":1,"memory_free":1,"load_avg":[1],"disk_total":1,"disk_free":1},
	"process":{"pid":1,"uptime":1,"cpu_usage":1,"memory_rss":1,"memory_heap":1},"meta":{"a":"b","c":{"d":1,"e":[1]}}}`

// A member that the patch forgot would stay on every page as it was when that page was opened.
func TestEveryMemberOfARowIsInItsPatch(t *testing.T) {
	t.Parallel()
	eachChange(t, fullQueue, func(prev, next []byte) (before, after, patch []byte) {
		a, b := readRow[Queue](t, prev), readRow[Queue](t, next)
		w := &writer{buf: []byte("{")}
		w.patchQueue(a, b)
		w.close()
		return a.appendJSON(nil), b.appendJSON(nil), w.buf
	})
	eachChange(t, fullServer, func(prev, next []byte) (before, after, patch []byte) {
		a, b := readRow[Server](t, prev), readRow[Server](t, next)
		w := &writer{buf: []byte("{")}
		w.patchServer(a, b)
		w.close()
		return a.appendJSON(nil), b.appendJSON(nil), w.buf
	})
}

// A page that missed either would go on calling numbers live, or dead.
func TestThatRedisIsDownIsInThePatch(t *testing.T) {
	t.Parallel()
	of := func(down *RedisDown) *View {
		return &View{Apps: map[string]*App{}, Problems: []Problem{}, RedisDown: down}
	}
	states := []*RedisDown{nil, {Since: 1, ReadAt: 2}, {Since: 3, ReadAt: 2}, {Since: 1, ReadAt: 4}}
	for _, was := range states {
		for _, is := range states {
			patch := Patch(of(was), of(is))
			if was == is {
				if patch != nil {
					t.Errorf("from %v to the same: %s", was, patch)
				}
				continue
			}
			got := rfc7396(*readRow[any](t, []byte(encoded(t, of(was)))), *readRow[any](t, patch))
			if diff := cmp.Diff(*readRow[any](t, []byte(encoded(t, of(is)))), got); diff != "" {
				t.Errorf("from %v to %v, after %s (-want +got):\n%s", was, is, patch, diff)
			}
		}
	}
	if v := of(states[1]).Narrow("shop", "", ""); v.RedisDown != states[1] {
		t.Errorf("narrowed it is %v", v.RedisDown)
	}
}

func readRow[R any](t *testing.T, data []byte) *R {
	t.Helper()
	row := new(R)
	if err := json.Unmarshal(data, row); err != nil {
		t.Fatal(err)
	}
	return row
}

// eachChange changes and removes each member of a full row, however deep, and checks the patch there
// and back.
func eachChange(t *testing.T, full string, diff func(prev, next []byte) (before, after, patch []byte)) {
	t.Helper()
	check := func(what string, prev, next []byte) {
		before, after, text := diff(prev, next)
		if cmp.Equal(before, after) {
			t.Errorf("%s: the row is as before: %s", what, after)
		}
		var target, patch, want any
		for data, into := range map[*[]byte]*any{&before: &target, &text: &patch, &after: &want} {
			if err := json.Unmarshal(*data, into); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(want, rfc7396(target, patch)); diff != "" {
			t.Errorf("%s: after the patch %s (-want +got):\n%s", what, text, diff)
		}
	}
	var row map[string]any
	if err := json.Unmarshal([]byte(full), &row); err != nil {
		t.Fatal(err)
	}
	// The row itself is changed, and put back.
	eachMember(row, func(in map[string]any, name string) {
		was := in[name]
		for what, now := range map[string]any{"changed": other(was), "removed": nil} {
			if now == nil {
				delete(in, name)
			} else {
				in[name] = now
			}
			next, err := json.Marshal(row)
			if err != nil {
				t.Fatal(err)
			}
			in[name] = was
			check(name+" "+what, []byte(full), next)
			check(name+" "+what+", and back", next, []byte(full))
		}
	})
}

// eachMember visits the members of an object and of the objects in it.
func eachMember(object map[string]any, visit func(in map[string]any, name string)) {
	for name, v := range object {
		if inner, ok := v.(map[string]any); ok {
			eachMember(inner, visit)
		}
		visit(object, name)
	}
}

// other is another value of the same type.
func other(v any) any {
	switch v := v.(type) {
	case float64:
		return v + 1
	case string:
		return v + "x"
	case bool:
		return !v
	case []any:
		return append([]any{7.0}, v...)
	case map[string]any:
		return map[string]any{}
	}
	return v
}
