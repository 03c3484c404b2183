package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
	"github.com/gravito-framework/pulse/protocol"
)

// settingAdapter is the setting that picks one of the adapters.
const settingAdapter = "adapter"

// guest is an instance: the adapter that was opened, and its session. The result of a method is valid until the next
// call.
type guest struct {
	out     []byte // the last result, kept for its memory
	opened  adapter.Adapter
	session adapter.Session
	asked   int // requests in the last result
}

// describe is the description of the open adapter. Before one is open it is that of all Redis adapters together.
func (g *guest) describe() []byte {
	if g.opened != nil {
		return g.appendDescription(g.opened.Describe())
	}
	all := adapter.Description{Name: "gravito-pulse", Version: "1", Source: adapter.Redis}
	for _, d := range builtin.Of(adapter.Redis) {
		all.Commands = append(all.Commands, d.Adapter.Describe().Commands...)
	}
	slices.Sort(all.Commands)
	all.Commands = slices.Compact(all.Commands)
	return g.appendDescription(all)
}

func (g *guest) appendDescription(d adapter.Description) []byte {
	dst := g.out[:0]
	dst = protocol.AppendText(append(dst, `{"name":`...), d.Name)
	dst = protocol.AppendText(append(dst, `,"version":`...), d.Version)
	dst = protocol.AppendText(append(dst, `,"source":`...), string(d.Source))
	dst = append(dst, `,"commands":[`...)
	for i, command := range d.Commands {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = protocol.AppendText(dst, command)
	}
	dst = append(dst, "]}"...)
	g.out = dst
	return dst
}

// open opens the adapter that the settings name.
func (g *guest) open(data []byte) []byte {
	settings, err := adapter.ParseSettings(data)
	if err != nil {
		return g.fail(err.Error())
	}
	name := settings[settingAdapter]
	delete(settings, settingAdapter)
	var names []string
	for _, d := range builtin.Drivers {
		names = append(names, d.Adapter.Describe().Name)
		if names[len(names)-1] != name {
			continue
		}
		session, err := d.Adapter.Open(context.Background(), settings)
		if err != nil {
			return g.fail(err.Error())
		}
		g.opened, g.session = d.Adapter, session
		g.out = append(g.out[:0], adapter.TagDone)
		return g.out
	}
	err = adapter.Settings{settingAdapter: name}.Wrong(settingAdapter, "one of "+strings.Join(names, ", "))
	return g.fail(err.Error())
}

// poll begins a poll.
func (g *guest) poll(nowMS int64) []byte {
	if g.session == nil {
		return g.fail("the adapter was not opened: call pulse_open first")
	}
	return g.result(g.session.Poll(context.Background(), time.UnixMilli(nowMS)))
}

// next goes on with the replies to the last requests.
func (g *guest) next(data []byte) []byte {
	if g.session == nil {
		return g.fail("the adapter was not opened: call pulse_open first")
	}
	replies, err := adapter.ParseReplies(data, g.asked)
	if err != nil {
		return g.fail("the host's replies cannot be read: " + err.Error())
	}
	return g.result(g.session.Next(context.Background(), replies))
}

func (g *guest) result(step adapter.Step) []byte {
	out := g.out[:0]
	switch {
	case len(step.Requests) > 0:
		g.asked = len(step.Requests)
		g.out = adapter.AppendRequests(append(out, adapter.TagRequests), step.Requests)
	case step.Snapshot != nil:
		g.out = step.Snapshot.AppendJSON(append(out, adapter.TagSnapshot))
	case step.Err != nil:
		return g.fail(step.Err.Error())
	default:
		return g.fail("the adapter ended its poll with neither a snapshot nor a reason")
	}
	return g.out
}

// fail answers with a sentence for a person.
func (g *guest) fail(why string) []byte {
	g.out = append(append(g.out[:0], adapter.TagError), why...)
	return g.out
}
