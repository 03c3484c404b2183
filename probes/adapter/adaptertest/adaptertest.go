// Package adaptertest makes replies for the tests of adapters and sources.
package adaptertest

import (
	"fmt"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// Reply is a value as a reply: nil, an int64 or int, a string, a list of any of these, or an error,
// which refuses. A reply stays as it is.
func Reply(v any) adapter.Reply {
	switch v := v.(type) {
	case nil:
		return adapter.Reply{}
	case adapter.Reply:
		return v
	case int:
		return adapter.Int(int64(v))
	case int64:
		return adapter.Int(v)
	case string:
		return adapter.Text(v)
	case adapter.Error:
		return adapter.Refusal(v.Code + " " + v.Message)
	case []any:
		items := make([]adapter.Reply, len(v))
		for i, item := range v {
			items[i] = Reply(item)
		}
		return adapter.List(items...)
	}
	panic(fmt.Sprintf("%T is no reply", v))
}

// Value is a reply as a value, for a test to compare: the reverse of Reply.
func Value(r adapter.Reply) any {
	if err := r.Err(); err != nil {
		return err
	}
	if r.IsNothing() {
		return nil
	}
	if n, err := r.Int(); err == nil {
		return n
	}
	if text, err := r.Text(); err == nil {
		return text
	}
	list, _ := r.List() // there is nothing else that it can be
	values := make([]any, len(list))
	for i, item := range list {
		values[i] = Value(item)
	}
	return values
}

// Values are replies as values.
func Values(replies []adapter.Reply) []any {
	values := make([]any, len(replies))
	for i, r := range replies {
		values[i] = Value(r)
	}
	return values
}
