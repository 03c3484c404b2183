//go:build wasip1

package main

import "strings"

// Settings: app, source, queues (comma-separated; those of rq:queues if unset). RQ's keys have no other prefix.
//
//	waiting    LLEN rq:queue:{q}
//	active     ZCARD rq:wip:{q}
//	delayed    ZCARD rq:scheduled:{q}
//	failed     ZCARD rq:failed:{q}
//	deferred   ZCARD rq:deferred:{q}, in meta: jobs that wait for others
//	oldest_at  enqueued_at of the job at the list's head
//	workers    those of rq:workers:{q} with a key of their own: one that was killed stays in that set
//	paused     EXISTS rq:suspended, which is for all queues
//
// RQ's own registry.count is no way to read these: it cleans up first, and so writes.
const description = `{"name":"rq","version":"1","source":"redis",` +
	`"commands":["EXISTS","HGET","LINDEX","LLEN","SMEMBERS","ZCARD"]}`

const (
	maxQueues, maxName = 1000, 1024
	maxWorkers         = 1000 // to ask for, of all queues
	broken             = "Ethe answers are not those to what was asked: a defect of the host or of Redis"
	noRoom             = "there is room for 1000: set queues to those that matter"
)

type queue struct {
	name    string
	counts  [len(parts)]reply
	workers []string // their keys; nil where those are not known
	head    reply    // the id of the oldest job
	at      reply    // when that was enqueued
	absent  []string // what is, and why
}

var parts = [...]struct{ name, command, key string }{
	{"waiting", "LLEN", "rq:queue:"}, // the first: without it a queue is left out
	{"active", "ZCARD", "rq:wip:"},
	{"delayed", "ZCARD", "rq:scheduled:"},
	{"failed", "ZCARD", "rq:failed:"},
	{"deferred", "ZCARD", "rq:deferred:"}, // the last, which is in meta
}

var (
	app, source string
	named       []string // queues by the settings
	now         int64
	queues      []queue
	suspended   reply
	workers     []string             // keys of all queues' workers, each once
	alive       map[string]bool      // of those, which are there
	next        func(*reader) string // takes the replies to what was asked last
)

func poll(at int64) string {
	now, problems, queues, workers, alive, next = at, nil, nil, nil, map[string]bool{}, found
	for _, name := range named {
		queues = append(queues, queue{name: name})
	}
	out := "R" + request("EXISTS", "rq:suspended")
	if named == nil {
		out += request("SMEMBERS", "rq:queues")
	}
	return out
}

// found takes the queues' names, and asks for their counts.
func found(r *reader) string {
	if suspended = r.one(); suspended.kind != ':' {
		problem("", "paused is absent: EXISTS rq:suspended: "+suspended.why())
	}
	if named == nil {
		keys, all := r.texts()
		if r.broken {
			return broken
		}
		if all.kind != '*' {
			return "ERQ's queues cannot be found: SMEMBERS rq:queues: " + all.why()
		}
		for _, key := range keys {
			name, _ := strings.CutPrefix(key, "rq:queue:")
			not := refuse(name, len(queues))
			if not == "" {
				queues = append(queues, queue{name: name})
				continue
			}
			if problem("", "queues are left out: "+not); not == noRoom {
				break // said once
			}
		}
		if len(keys) == 0 {
			problem("", "RQ has no queue yet: the set rq:queues is empty")
		}
	}
	if !r.isRead() {
		return broken
	}
	next = counted
	out := []string{"R"}
	for _, q := range queues {
		for _, p := range parts {
			out = append(out, request(p.command, p.key+q.name))
		}
		out = append(out, request("SMEMBERS", "rq:workers:"+q.name), request("LINDEX", "rq:queue:"+q.name, "0"))
	}
	return askOr(out, snapshot)
}

// askOr hands out requests, and where there are none goes on.
func askOr(out []string, then func() string) string {
	if len(out) == 1 {
		return then()
	}
	return strings.Join(out, "")
}

// counted takes the counts, and asks when the oldest jobs were enqueued and which workers are there.
func counted(r *reader) string {
	out := []string{"R"}
	for i := range queues {
		q := &queues[i]
		for p := range parts {
			q.counts[p] = r.one()
		}
		var set reply
		if q.workers, set = r.texts(); set.kind != '*' {
			q.absent = append(q.absent, "workers is absent: SMEMBERS: "+set.why())
		}
		for _, key := range q.workers {
			if _, known := alive[key]; !known && strings.HasPrefix(key, "rq:worker:") {
				alive[key] = false
				workers = append(workers, key)
			}
		}
		if q.head = r.one(); q.head.kind == '$' {
			out = append(out, request("HGET", "rq:job:"+q.head.text, "enqueued_at"))
		}
	}
	if !r.isRead() {
		return broken
	}
	if len(workers) > maxWorkers {
		problem("", "workers is absent: there are too many to ask for")
		workers, alive = nil, nil
	}
	for _, key := range workers {
		out = append(out, request("EXISTS", key))
	}
	next = looked
	return askOr(out, snapshot)
}

// looked takes the rest.
func looked(r *reader) string {
	for i := range queues {
		if q := &queues[i]; q.head.kind == '$' {
			q.at = r.one()
		}
	}
	refused := reply{kind: ':'}
	for _, key := range workers {
		v := r.one()
		if alive[key] = v.n > 0; v.kind != ':' {
			refused = v
		}
	}
	if !r.isRead() {
		return broken
	}
	if refused.kind != ':' {
		problem("", "workers is absent: EXISTS: "+refused.why())
		alive = nil
	}
	return snapshot()
}
