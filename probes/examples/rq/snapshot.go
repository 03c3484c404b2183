//go:build wasip1

package main

import (
	"strings"
	"time"
)

// snapshot is what a poll has found.
func snapshot() string {
	var rows []string
	refusal := ""
	for i := range queues {
		row, why := queues[i].row()
		if why != "" {
			problem(queues[i].name, "it is left out: "+why)
			refusal = why
			continue
		}
		rows = append(rows, row)
	}
	if len(rows) == 0 && refusal != "" {
		return "Eno queue of RQ's can be read: " + refusal
	}
	by := ""
	if source != "" {
		by = `,"source":` + quoted(source)
	}
	return `S{"timestamp":` + number(now) + `,"app":` + quoted(app) + by +
		`,"queues":[` + strings.Join(rows, ",") + `],"problems":[` + strings.Join(problems, ",") + "]}"
}

// row is a queue of the snapshot, or why it is none.
func (q *queue) row() (row, why string) {
	metrics := ""
	meta := `"driver":"rq"`
	for i, p := range parts {
		c := q.counts[i]
		switch member := `"` + p.name + `":`; {
		case c.kind == ':' && c.n != absent && p.name == "deferred":
			meta += "," + member + number(c.n)
		case c.kind == ':' && c.n != absent && i == 0:
			metrics += member + number(c.n)
		case c.kind == ':' && c.n != absent:
			metrics += "," + member + number(c.n)
		case i == 0:
			return "", p.command + ": " + c.why()
		default:
			q.absent = append(q.absent, p.name+" is absent: "+p.command+": "+c.why())
		}
	}
	if suspended.kind == ':' && suspended.n > 0 {
		meta += `,"paused":true`
	}
	if q.workers != nil && alive != nil {
		n := 0
		for _, key := range q.workers {
			if alive[key] {
				n++
			}
		}
		meta += `,"workers":` + number(int64(n))
	}
	switch at, err := time.Parse(time.RFC3339, q.at.text); {
	case q.head.kind == '-':
		q.absent = append(q.absent, "oldest_at is absent: LINDEX: "+q.head.why())
	case q.at.kind == '-':
		q.absent = append(q.absent, "oldest_at is absent: HGET: "+q.at.why())
	case q.at.kind == '$' && err == nil && at.UnixMilli() > 0:
		meta += `,"oldest_at":` + number(at.UnixMilli())
	}
	if q.absent != nil {
		meta += `,"error":` + quoted(strings.Join(q.absent, "; "))
	}
	return `{"name":` + quoted(q.name) + `,"driver":"other","metrics":{` + metrics + `},"meta":{` + meta + "}}", ""
}
