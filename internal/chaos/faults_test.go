//go:build linux

package chaos

import (
	"syscall"
	"testing"
	"time"
)

// fault is one row of docs/reliability.md: what is done to Redis, and what is then to be seen.
type fault struct {
	name   string
	short  bool // it is among those that run in every `go test`
	where  func(*testing.T) *place
	sqs    string // where the app's SQS is
	begin  func(*house)
	end    func(*house)
	steps  func(*house) []fault // what befalls one house in turn, instead of begin and end
	isStep bool

	keepsRecorder bool // no other recorder is started in the fault, which looks at once

	heals  bool                // all is well again before the fault ends, and stays so
	shows  []string            // each is, sooner or later, in the view: a reason, or the status of rows such as "queues lost"; or either|or
	slow   string              // how the answer begins, sooner or later, that there are no slow entries and why
	never  []string            // none is ever in the view: a reason that would not be true
	says   map[string][]string // each is, sooner or later, in a program's log, or either|or; a program that is not in here says nothing
	health string              // what /healthz sooner or later says of Redis, and says at the end of the fault; "" is that it may be either
}

// everybody says that Redis cannot be reached, and why.
func everybody(why string) map[string][]string {
	says := writers(why)
	says[aggregator] = []string{`msg="cannot read; the last numbers are shown until it works"`, why}
	return says
}

// writers say that they cannot publish, and why; who reads has nothing to say.
func writers(why string) map[string][]string {
	return map[string][]string{
		redisReporter: {`msg="cannot report; will try again until it works"`, why},
		sqsReporter:   {`msg="cannot report; will try again until it works"`, why},
		host:          {`msg="cannot publish heartbeats; will try again until it works"`, why},
		recorder:      {cannotRecord, why},
	}
}

// onlyReads is everybody, where who writes has heard another reason.
func onlyReads(why string) map[string][]string {
	says := everybody("")
	says[aggregator] = append(says[aggregator], why)
	return says
}

// butSQS is everybody but the SQS reporter, which may get through: it needs one reply of Redis a report, and waits longer.
func butSQS(why string) map[string][]string {
	says := everybody(why)
	says[sqsReporter] = nil
	return says
}

// anything is that it depends on who asks whom just then.
var anything = map[string][]string{redisReporter: {}, sqsReporter: {}, host: {}, aggregator: {}, recorder: {}}

const (
	lastNumbers  = "these are the last numbers"
	nothingSince = "nothing has been reported since"
	notNoted     = "Redis has not taken this server's own notes"
)

var faults = []fault{
	{
		name: "Killed", short: true, where: single,
		begin: func(h *house) { h.nodes[0].Stop() },
		end:   func(h *house) { h.nodes[0].Start() },
		shows: []string{lastNumbers}, says: everybody("connection refused|EOF|reset by peer"), slow: "Redis does not answer", health: "down", // or it was killed while it answered
	},
	{
		name: "Frozen", where: single,
		begin: func(h *house) { h.signal(h.nodes[0], syscall.SIGSTOP) },
		end:   func(h *house) { h.signal(h.nodes[0], syscall.SIGCONT) },
		shows: []string{lastNumbers}, says: everybody(""), slow: "Redis does not answer", health: "down",
	},
	{
		name: "Half-open", where: proxied,
		begin: func(h *house) { h.proxy.Set(Fault{HalfOpen: true}) },
		end:   func(h *house) { h.proxy.Set(Fault{}) },
		shows: []string{lastNumbers}, says: everybody(""), health: "down",
	},
	{
		name: "Loading", where: filled, begin: (*house).reload,
		end: func(h *house) { h.do("CONFIG", "SET", "key-load-delay", "0"); h.answers() },
		// A server that is busy with its first keys answers nobody: who asks just then hears that first.
		shows: []string{lastNumbers}, says: everybody("LOADING|timeout|deadline exceeded"), slow: "Redis answers: LOADING", health: "down",
	},
	{
		name: "Read-only", short: true, where: single,
		begin: func(h *house) { h.do("REPLICAOF", "127.0.0.1", "1") },
		end:   func(h *house) { h.do("REPLICAOF", "NO", "ONE") },
		shows: []string{nothingSince, "queues lost", "servers lost"}, says: writers("READONLY"), health: "up",
	},
	{
		name: "Replica without its master", where: single,
		begin: func(h *house) {
			h.do("CONFIG", "SET", "replica-serve-stale-data", "no")
			h.do("REPLICAOF", "127.0.0.1", "1")
		},
		end:   func(h *house) { h.do("REPLICAOF", "NO", "ONE") },
		shows: []string{lastNumbers}, says: onlyReads("MASTERDOWN"), slow: "Redis answers: MASTERDOWN", health: "down",
	},
	{
		name: "Full", short: true, where: single,
		begin: func(h *house) { h.do("CONFIG", "SET", "maxmemory", "1") },
		end:   func(h *house) { h.do("CONFIG", "SET", "maxmemory", "0") },
		shows: []string{nothingSince, "queues lost", "servers lost"}, says: writers("OOM"), health: "up",
	},
	{
		name: "Writes paused", where: single,
		begin: func(h *house) { h.do("CLIENT", "PAUSE", "600000", "WRITE") },
		end:   func(h *house) { h.do("CLIENT", "UNPAUSE") },
		shows: []string{nothingSince, "queues lost", "servers lost", notNoted}, never: []string{lastNumbers}, says: writers(""), health: "up",
	},
	{
		name: "Login refused", where: single,
		begin: func(h *house) { h.users("off") },
		end:   func(h *house) { h.users("on") },
		shows: []string{lastNumbers}, says: everybody("WRONGPASS"), slow: "Redis answers: WRONGPASS", health: "down",
	},
	{
		name: "5 s latency", where: proxied,
		begin: func(h *house) { h.proxy.Set(Fault{Latency: 5 * time.Second}) },
		end:   func(h *house) { h.proxy.Set(Fault{}) },
		shows: []string{lastNumbers}, says: butSQS(""), health: "down",
	},
	{
		name: "1 kB/s", where: busy,
		begin: func(h *house) { h.proxy.Set(Fault{Rate: 1000}) },
		end:   func(h *house) { h.proxy.Set(Fault{}) },
		shows: []string{lastNumbers}, says: map[string][]string{redisReporter: {}, sqsReporter: {}, aggregator: {"i/o timeout"}, recorder: {}}, health: "up",
	},
	{
		name: "Cut mid-reply", short: true, where: proxied,
		begin: func(h *house) { h.proxy.Set(Fault{CutOver: len("+OK\r\n")}) },
		end:   func(h *house) { h.proxy.Set(Fault{}) },
		shows: []string{lastNumbers}, says: everybody("EOF"), slow: "Redis does not answer", health: "down",
	},
	{
		name: "Garbage", short: true, where: proxied,
		begin: func(h *house) { h.proxy.Set(Fault{Garbage: garbage}) },
		end:   func(h *house) { h.proxy.Set(Fault{}) },
		shows: []string{lastNumbers}, says: everybody(""), health: "down",
	},
	{
		name: "The queues' Redis killed", where: apart,
		begin: func(h *house) { h.queues.Stop() },
		end:   func(h *house) { h.queues.Start() },
		shows: []string{"connection refused", "queues stale", "servers fresh"},
		says:  map[string][]string{redisReporter: {"connection refused"}}, health: "up",
	},
	{name: "NOPERM for a command", where: single, steps: eachCommandOf("monitor", "reporter", "host", "aggregator")},
	{name: "NOPERM for a command of the recorder", where: single, steps: eachCommandOf("recorder")},
	{name: "WRONGTYPE of a key", where: single, steps: eachKey},
	{
		name: "Cluster: a master killed", where: cluster,
		begin: func(h *house) { h.masterOf("pulse:index").Stop() },
		end:   func(h *house) { h.fallen.Start() },
		heals: true, says: anything, health: "up",
	},
	{
		name: "Cluster: a master frozen", where: cluster,
		begin: func(h *house) { h.signal(h.masterOf("pulse:index"), syscall.SIGSTOP) },
		end:   func(h *house) { h.signal(h.fallen, syscall.SIGCONT) },
		heals: true, says: anything, health: "up",
	},
	{
		name: "Cluster: slots without a server", where: cluster,
		begin: func(h *house) { h.stopSlotOf("jobs:mail") },
		end: func(h *house) {
			for _, n := range h.stopped {
				n.Start()
			}
		},
		shows: []string{lastNumbers}, says: anything, health: "up",
	},
	{
		name: "Cluster: slots on the move", where: cluster,
		begin: (*house).migrate,
		end:   (*house).migrated,
		heals: true, health: "up",
	},
	{
		name: "Sentinel: the master killed", short: true, where: sentinel,
		begin: func(h *house) { h.nodes[0].Stop() },
		end:   func(h *house) { h.nodes[0].Start() },
		heals: true, says: anything, health: "up",
	},
	{
		name: "Sentinel: the master frozen", where: sentinel,
		begin: func(h *house) { h.signal(h.nodes[0], syscall.SIGSTOP) },
		end:   func(h *house) { h.signal(h.nodes[0], syscall.SIGCONT) },
		heals: true, says: anything, health: "up",
	},
	{
		name: "Sentinel: itself killed", where: sentinel,
		begin: func(h *house) { h.sentinel.Stop() },
		end:   func(h *house) { h.sentinel.Start() },
		// The recorder has just been started, so it does not know yet where the master is.
		heals: true, says: map[string][]string{recorder: {cannotRecord}}, health: "up",
	},
}
