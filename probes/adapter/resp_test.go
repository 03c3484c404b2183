package adapter_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
)

func TestRepliesAreRESP2(t *testing.T) {
	t.Parallel()
	for resp, want := range map[string]any{
		"":                             []any{},
		":0\r\n":                       []any{int64(0)},
		":-9223372036854775808\r\n":    []any{int64(-9223372036854775808)},
		"$0\r\n\r\n":                   []any{""},
		"$4\r\na\r\nb\r\n":             []any{"a\r\nb"},
		"$-1\r\n":                      []any{nil},
		"*0\r\n":                       []any{[]any{}},
		"*2\r\n:1\r\n*1\r\n$-1\r\n":    []any{[]any{int64(1), []any{nil}}},
		"-NOPERM no access\r\n":        []any{adapter.Error{Code: "NOPERM", Message: "no access"}},
		":1\r\n$1\r\n\xff\r\n-ERR\r\n": []any{int64(1), "\xff", adapter.Error{Code: "ERR"}},
		"*1\r\n-WRONGTYPE a b\r\n":     []any{[]any{adapter.Error{Code: "WRONGTYPE", Message: "a b"}}},
	} {
		got, err := adapter.ParseReplies([]byte(resp), 1)
		if err != nil {
			t.Errorf("%q: %v", resp, err)
			continue
		}
		if diff := cmp.Diff(want, adaptertest.Values(got)); diff != "" {
			t.Errorf("%q (-want +got):\n%s", resp, diff)
		}
		if again := adapter.AppendReplies(nil, got); string(again) != resp {
			t.Errorf("%q is written as %q", resp, again)
		}
	}
	// Redis also answers these. AppendReplies never writes them.
	for resp, want := range map[string]any{"+OK\r\n": "OK", "*-1\r\n": nil} {
		got, err := adapter.ParseReplies([]byte(resp), 1)
		if err != nil || !cmp.Equal(adaptertest.Values(got), []any{want}) {
			t.Errorf("%q: %v, %v", resp, adaptertest.Values(got), err)
		}
	}
}

func TestARefusalStaysOnItsLine(t *testing.T) {
	t.Parallel()
	if got := adapter.AppendReplies(nil, []adapter.Reply{adapter.Refusal("ERR a\r\n:1\r\nb")}); string(got) != "-ERR a  :1  b\r\n" {
		t.Errorf("%q", got)
	}
}

func TestWhatIsNotRESP2IsRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("*1\r\n", 40) + ":1\r\n"
	for _, resp := range []string{
		"x", ":", ":1", ":1\r", ":1\n", ":\r\n", ":1x\r\n", ":9223372036854775808\r\n", "$", "$1\r\n", "$1\r\na", "$1\r\nab\r\n",
		"$2\r\na\r\n", "$-2\r\n", "$01x\r\n\r\n", "$999999999\r\na\r\n", "$9999999999\r\n", "*1\r\n", "*2\r\n:1\r\n", "*-2\r\n", "*\r\n", "_\r\n", "#t\r\n", "%1\r\n",
		"*1000000000\r\n", deep, "+OK", "-ERR\n",
	} {
		if got, err := adapter.ParseReplies([]byte(resp), 1); err == nil || !strings.Contains(err.Error(), "this is not RESP2") {
			t.Errorf("%q: %v, %v", resp, adaptertest.Values(got), err)
		}
	}
	for _, resp := range []string{
		"*0\r\n", "*-1\r\n", "$4\r\nLLEN\r\n", "*1\r\n$-1\r\n", "*1\r\n:1\r\n", "*2\r\n$4\r\nLLEN\r\n", "*1\r\n$4\r\nLLEN\r\nx", "PING\r\n", "*1\r\n+PING\r\n",
	} {
		if got, err := adapter.ParseRequests([]byte(resp), 10); err == nil {
			t.Errorf("requests %q: %v", resp, got)
		}
	}
	for _, resp := range []string{
		"", "*1\r\n$3\r\napp\r\n", "*-1\r\n", "*2\r\n$3\r\napp\r\n$-1\r\n", "*2\r\n$3\r\napp\r\n$4\r\nshop\r\n:1\r\n", ":1\r\n", "*2\r\n$3\r\napp\r\n",
	} {
		if got, err := adapter.ParseSettings([]byte(resp)); err == nil {
			t.Errorf("settings %q: %v", resp, got)
		}
	}
}

func TestMoreRequestsThanMayBeAreRefused(t *testing.T) {
	t.Parallel()
	data := adapter.AppendRequests(nil, slices.Repeat([]adapter.Request{{"LLEN", "a"}}, 3))
	if got, err := adapter.ParseRequests(data, 3); err != nil || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := adapter.ParseRequests(data, 2); err == nil || err.Error() != "there are more than 2 requests" {
		t.Error(err)
	}
}

func TestSettingsBeginWithTheAppAndTheSource(t *testing.T) {
	t.Parallel()
	s := adapter.Settings{"zoo": "z", "source": "redis", "queues": "a,b", "app": "shop", "alpha": "x", "empty": ""}
	const want = "*10\r\n$3\r\napp\r\n$4\r\nshop\r\n$6\r\nsource\r\n$5\r\nredis\r\n$5\r\nalpha\r\n$1\r\nx\r\n$6\r\nqueues\r\n$3\r\na,b\r\n$3\r\nzoo\r\n$1\r\nz\r\n"
	data := adapter.AppendSettings(nil, s)
	if string(data) != want {
		t.Errorf("%q", data)
	}
	delete(s, "empty")
	if got, err := adapter.ParseSettings(data); err != nil || !cmp.Equal(got, s) {
		t.Errorf("%v, %v", got, err)
	}
}

// FuzzRESP guards that any value that can be read is written so that it reads as the same, by each of the three
// readers.
func FuzzRESP(f *testing.F) {
	for _, seed := range []string{
		":1\r\n$3\r\nabc\r\n*2\r\n:1\r\n$-1\r\n-ERR x\r\n+OK\r\n", "*2\r\n$4\r\nLLEN\r\n$1\r\na\r\n", "*2\r\n$3\r\napp\r\n$4\r\nshop\r\n", "*-1\r\n", "$999\r\n", "*1000000000\r\n",
		strings.Repeat("*1\r\n", 32) + ":1\r\n",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if replies, err := adapter.ParseReplies(data, 1); err == nil {
			written := adapter.AppendReplies(nil, replies)
			again, err := adapter.ParseReplies(written, 1)
			if err != nil || !bytes.Equal(adapter.AppendReplies(nil, again), written) {
				t.Errorf("%q: %v", written, err)
			}
		}
		if requests, err := adapter.ParseRequests(data, 100); err == nil {
			again, err := adapter.ParseRequests(adapter.AppendRequests(nil, requests), 100)
			if err != nil || !cmp.Equal(again, requests) {
				t.Errorf("%q: %v", requests, err)
			}
		}
		if settings, err := adapter.ParseSettings(data); err == nil {
			for name, value := range settings {
				if value == "" {
					delete(settings, name) // is not written
				}
			}
			if again, err := adapter.ParseSettings(adapter.AppendSettings(nil, settings)); err != nil || !cmp.Equal(again, settings) {
				t.Errorf("%q: %v", settings, err)
			}
		}
	})
}

func TestGuardKnowsWhatMayBeAsked(t *testing.T) {
	t.Parallel()
	described := adapter.Description{Name: "test", Source: adapter.Redis, Commands: []string{"LLEN", "XINFO GROUPS", "CLIENT LIST"}}
	for want, requests := range map[string][]adapter.Request{
		"": {{"LLEN", "a"}, {"LLEN", "b"}, {"llen", "c"}, {"XINFO", "GROUPS", "s"}, {"CLIENT", "LIST"}},
		`asked "GET", which it does not describe: it describes ["LLEN" "XINFO GROUPS" "CLIENT LIST"]`: {{"LLEN", "a"}, {"GET", "b"}},
		`asked "XINFO STREAM", which it does not describe`:                                            {{"XINFO", "GROUPS", "s"}, {"XINFO", "STREAM", "s"}},
		`asked a command that may not be sent: "DEL" is refused`:                                      {{"LLEN", "a"}, {"DEL", "b"}},
		`asked a command that may not be sent: LLEN is refused: it names no key`:                      {{"LLEN", "a"}, {"LLEN"}},
		`asked a command that may not be sent: XINFO GROUPS is refused: it names no key`:              {{"XINFO", "GROUPS", ""}},
		`asked a command that may not be sent: "" is refused`:                                         {nil},
		`asked a command that may not be sent: "CLIENT LIST" is refused`:                              {{"CLIENT LIST"}},
	} {
		g := adapter.Guard{Adapter: described}
		if err := g.Check(requests); (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v: %v, want %s", requests, err, want)
		}
	}
}

func TestReplyOfAClientsAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		err   error
		want  any
	}{
		{int64(3), nil, int64(3)},
		{"x", nil, "x"},
		{nil, nil, nil},
		{nil, nothing{}, nil},
		{nil, refused("NOPERM no"), adapter.Error{Code: "NOPERM", Message: "no"}},
		{[]any{int64(1), "a", nil, refused("ERR x"), []any{}}, nil, []any{int64(1), "a", nil, adapter.Error{Code: "ERR", Message: "x"}, []any{}}},
	} {
		got, err := adapter.ReplyOf(c.value, c.err)
		if err != nil || !cmp.Equal(adaptertest.Value(got), c.want) {
			t.Errorf("%v, %v: %v, %v", c.value, c.err, adaptertest.Value(got), err)
		}
	}
	if _, err := adapter.ReplyOf(nil, bytes.ErrTooLarge); err == nil {
		t.Error("a reply of what Redis did not say")
	}
	for _, value := range []any{map[any]any{"a": int64(1)}, 1.5, true, []any{[]any{2.5}}} {
		if got, err := adapter.ReplyOf(value, nil); err == nil || !strings.Contains(err.Error(), "set its protocol version to 2") {
			t.Errorf("%v is %v, %v", value, adaptertest.Value(got), err)
		}
	}
}

// answered is a command that was sent, as a client has it.
type answered struct {
	value any
	err   error
}

func (a answered) Result() (any, error) { return a.value, a.err }

func TestRepliesOfAPipelineAreInItsOrder(t *testing.T) {
	t.Parallel()
	got, err := adapter.RepliesOf([]answered{{int64(3), nil}, {nil, refused("NOPERM no")}, {"x", nil}})
	if err != nil || len(got) != 3 || !cmp.Equal([]any{adaptertest.Value(got[0]), adaptertest.Value(got[1]), adaptertest.Value(got[2])}, []any{int64(3), adapter.Error{Code: "NOPERM", Message: "no"}, "x"}) {
		t.Errorf("%v, %v", got, err)
	}
	if got, err := adapter.RepliesOf([]answered{{int64(3), nil}, {nil, bytes.ErrTooLarge}}); got != nil || !errors.Is(err, bytes.ErrTooLarge) {
		t.Errorf("%v, %v: replies of a connection that failed", got, err)
	}
}

type refused string

func (r refused) Error() string { return string(r) }
func (refused) RedisError()     {}

type nothing struct{}

func (nothing) Error() string { return "redis: nil" }
