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

// The tags that a result begins with.
const (
	tagDone     = 'K'
	tagRequests = 'R'
	tagSnapshot = 'S'
	tagError    = 'E'
)

// guest is an instance: the adapter that was opened, and its session. Each of its methods appends its
// result to dst.
type guest struct {
	opened  adapter.Adapter
	session adapter.Session
	asked   int // requests in the last result
}

// describe is about the adapter that is open. Before there is one, it is about all that read a Redis
// together.
func (g *guest) describe(dst []byte) []byte {
	if g.opened != nil {
		return appendDescription(dst, g.opened.Describe())
	}
	all := adapter.Description{Name: "gravito-pulse", Version: "1", Source: adapter.Redis}
	for _, d := range builtin.Of(adapter.Redis) {
		all.Commands = append(all.Commands, d.Adapter.Describe().Commands...)
	}
	slices.Sort(all.Commands)
	all.Commands = slices.Compact(all.Commands)
	return appendDescription(dst, all)
}

func appendDescription(dst []byte, d adapter.Description) []byte {
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
	return append(dst, "]}"...)
}

// open opens the adapter that the settings name.
func (g *guest) open(dst, data []byte) []byte {
	settings, err := adapter.ParseSettings(data)
	if err != nil {
		return appendError(dst, err)
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
			return appendError(dst, err)
		}
		g.opened, g.session = d.Adapter, session
		return append(dst, tagDone)
	}
	err = adapter.Settings{settingAdapter: name}.Wrong(settingAdapter, "one of "+strings.Join(names, ", "))
	return appendError(dst, err)
}

// poll begins a poll.
func (g *guest) poll(dst []byte, nowMS int64) []byte {
	if g.session == nil {
		return append(dst, "Ethe adapter was not opened: call pulse_open first"...)
	}
	return g.result(dst, g.session.Poll(context.Background(), time.UnixMilli(nowMS)))
}

// next goes on with the replies to the last requests.
func (g *guest) next(dst, data []byte) []byte {
	if g.session == nil {
		return append(dst, "Ethe adapter was not opened: call pulse_open first"...)
	}
	replies, err := adapter.ParseReplies(data, g.asked)
	if err != nil {
		return append(append(dst, "Ethe host's replies cannot be read: "...), err.Error()...)
	}
	return g.result(dst, g.session.Next(context.Background(), replies))
}

func (g *guest) result(dst []byte, step adapter.Step) []byte {
	switch {
	case len(step.Requests) > 0:
		g.asked = len(step.Requests)
		return adapter.AppendRequests(append(dst, tagRequests), step.Requests)
	case step.Snapshot != nil:
		return step.Snapshot.AppendJSON(append(dst, tagSnapshot))
	case step.Err != nil:
		return appendError(dst, step.Err)
	}
	return append(dst, "Ethe adapter ended its poll with neither a snapshot nor a reason"...)
}

func appendError(dst []byte, err error) []byte {
	return append(append(dst, tagError), err.Error()...)
}
