package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
	"github.com/gravito-framework/pulse/protocol"
)

const noon = 1_764_000_000_000

func described(t *testing.T, g *guest) (d struct {
	Name, Version, Source string
	Commands              []string
}) {
	t.Helper()
	if err := json.Unmarshal(g.describe(), &d); err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheModuleIsEachOfTheAdapters(t *testing.T) {
	for _, driver := range builtin.Drivers {
		want := driver.Adapter.Describe()
		var g guest
		before := described(t, &g)
		if before.Name != "gravito-pulse" || before.Source != "redis" {
			t.Errorf("before it is open: %+v", before)
		}
		settings := adapter.Settings{"app": "shop", "adapter": want.Name, driver.Settings[0].Name: "jobs"}
		if got := string(g.open(adapter.AppendSettings(nil, settings))); got != "K" {
			t.Fatalf("%s: %q", want.Name, got)
		}
		after := described(t, &g)
		if after.Name != want.Name || after.Source != string(want.Source) || after.Version != want.Version || !slices.Equal(after.Commands, want.Commands) {
			t.Errorf("%+v, want %+v", after, want)
		}
		for _, command := range want.Commands {
			if want.Source == adapter.Redis && !slices.Contains(before.Commands, command) {
				t.Errorf("the module as a whole does not describe %s, which %s asks", command, want.Name)
			}
		}
		if got := g.poll(noon); got[0] != adapter.TagRequests {
			t.Errorf("%s: %q", want.Name, got)
		}
	}
}

func TestWhatIsWrongIsASentence(t *testing.T) {
	settings := func(s adapter.Settings) string { return string(adapter.AppendSettings(nil, s)) }
	for data, want := range map[string]string{
		"": "Eat byte 0 of 0: '*' is due; this is not RESP2",
		settings(adapter.Settings{"app": "shop"}):                                                                           "Eadapter is not set: it takes one of bullmq, laravel, ",
		settings(adapter.Settings{"app": "shop", "adapter": "resque"}):                                                      `Eadapter is "resque": it takes one of bullmq, laravel, `,
		settings(adapter.Settings{"app": "shop", "adapter": "bullmq"}):                                                      "Equeues is not set: it takes ",
		settings(adapter.Settings{"app": "shop", "adapter": "redislist", "keys": "[unclosed"}):                              `Ekeys is "[unclosed": it takes `,
		settings(adapter.Settings{"app": "shop", "source": "redis", "adapter": "bullmq", "queues": "*", "prefx": "sesame"}): `Ebullmq has no setting "prefx": it takes queues, prefix`,
	} {
		var g guest
		if got := string(g.open([]byte(data))); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %s", data, got, want)
		}
		for call, got := range map[string]string{"poll": string(g.poll(noon)), "next": string(g.next(nil))} {
			if got != "Ethe adapter was not opened: call pulse_open first" {
				t.Errorf("%s: %q", call, got)
			}
		}
	}
	var g guest
	g.open([]byte(settings(adapter.Settings{"app": "shop", "adapter": "redislist", "keys": "jobs"})))
	g.poll(noon)
	for replies, want := range map[string]string{
		"rubbish": "Ethe host's replies cannot be read: at byte 0",
		"":        "E" + adapter.ErrReplies.Error(),
	} {
		if got := string(g.next([]byte(replies))); !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %s", replies, got, want)
		}
		g.poll(noon)
	}
}

// FuzzGuest answers each of the adapters with anything: what comes out is something that the ABI has.
func FuzzGuest(f *testing.F) {
	for i := range builtin.Drivers {
		f.Add(byte(i), []byte(":3\r\n$1\r\na\r\n*0\r\n$-1\r\n"))
		f.Add(byte(i), []byte("*2\r\n$1\r\n0\r\n*1\r\n$4\r\njobs\r\n"))
		f.Add(byte(i), []byte("-NOPERM no\r\n"))
		f.Add(byte(i), []byte("$22\r\n{\"QueueUrls\":[\"a/b/c\"]}\r\n"))
	}
	f.Fuzz(func(t *testing.T, which byte, replies []byte) {
		driver := builtin.Drivers[int(which)%len(builtin.Drivers)]
		var g guest
		settings := adapter.Settings{"app": "shop", "adapter": driver.Adapter.Describe().Name, driver.Settings[0].Name: "*"}
		if got := string(g.open(adapter.AppendSettings(nil, settings))); got != "K" {
			t.Fatal(got)
		}
		for n := range 2 {
			result := g.poll(noon + 10_000*int64(n))
			for round := 0; result[0] == adapter.TagRequests && round < 64; round++ {
				requests, err := adapter.ParseRequests(result[1:], adapter.MaxRequests)
				if err != nil {
					t.Fatal(err)
				}
				// Each request gets one of the replies, so that there are as many.
				values, err := adapter.ParseReplies(replies, 1)
				if err != nil || len(values) == 0 {
					result = g.next(replies)
					continue
				}
				all := make([]adapter.Reply, len(requests))
				for i := range all {
					all[i] = values[(i+round)%len(values)]
				}
				result = g.next(adapter.AppendReplies(nil, all))
			}
			switch result[0] {
			case adapter.TagSnapshot:
				if s, _, err := protocol.DecodeSnapshot(result[1:]); err != nil || s.App != "shop" {
					t.Fatalf("%q: %v", result, err)
				}
			case adapter.TagError:
				if len(result) == 1 {
					t.Fatal("no reason")
				}
			case adapter.TagRequests: // after 64 rounds, which a host does not take
			default:
				t.Fatalf("%q", result)
			}
		}
	})
}
