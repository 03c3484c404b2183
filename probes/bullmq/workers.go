package bullmq

import (
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
)

// workers are the connected workers, from the client names that BullMQ and Bull give to blocking
// connections: "bull:b3JkZXJz", or that with ":w:" and the worker's name.
type workers struct {
	byQueue map[string]int64 // by base64 of the queue's name
	unsure  bool             // a worker may be connected without such a name
}

// of is how many workers a queue has. ok is false where none is seen but some may be connected.
func (w *workers) of(queue string, active int64) (n int64, ok bool) {
	if w == nil {
		return 0, false
	}
	n = w.byQueue[queue]
	return n, n > 0 || active == 0 && !w.unsure
}

// readWorkers reads the replies to whoIsConnected. It returns nil where they don't show the workers.
func readWorkers(r []adapter.Reply, prefix string) *workers {
	list, err := r[0].Text()
	if err != nil || list == "" || !isSent(prefix) {
		return nil
	}
	db, ok := ourDatabase(r[1], list)
	if !ok {
		return nil
	}
	if role, _ := r[3].List(); len(role) > 0 {
		if name, _ := role[0].Text(); name != "master" {
			return nil // workers connect to the primary
		}
	}
	// Older versions name no connection to a cluster. Where Redis doesn't say that it is no cluster,
	// it may be one.
	alone := r[2].Code() == "ERR"
	w := &workers{byQueue: map[string]int64{}}
	byServer := map[string]int64{}
	for line := range strings.Lines(list) {
		if isReplicaOf(line) {
			return nil // the list is a replica's
		}
		name, ok := strings.CutPrefix(clientField(line, "name"), prefix+":")
		if !ok || clientField(line, "db") != db {
			continue
		}
		queue, rest, named := strings.Cut(name, ":")
		switch {
		case named && !strings.HasPrefix(rest, "w:"):
		case alone:
			w.byQueue[queue]++
		default:
			// A cluster's list is that of all its servers. A worker may be connected to several, and is
			// to the one that has its queue: that one sees the most.
			at := clientField(line, "laddr") + " " + queue
			byServer[at]++
			w.byQueue[queue] = max(w.byQueue[queue], byServer[at])
		}
	}
	w.unsure = !alone && len(w.byQueue) == 0
	return w
}

// isSent reports whether a client name can have this prefix: no space, nothing beyond ASCII.
func isSent(prefix string) bool {
	return !strings.ContainsFunc(prefix, func(r rune) bool { return r <= ' ' || r > '~' })
}

// ourDatabase is the database that we are connected to: a queue of the same name in another one has workers of its
// own. A Redis before 6.2 has no CLIENT INFO. There we are the client that asks for the list just now.
func ourDatabase(info adapter.Reply, list string) (db string, ok bool) {
	if us, err := info.Text(); err == nil {
		if db = clientField(us, "db"); db != "" {
			return db, true
		}
	}
	for line := range strings.Lines(list) {
		switch clientField(line, "cmd") {
		case "client", "client|list":
			if other := clientField(line, "db"); ok && other != db {
				return "", false // another client asks, too
			}
			db, ok = clientField(line, "db"), true
		}
	}
	return db, ok
}

// isReplicaOf reports whether a line is the connection to a replica's own primary.
func isReplicaOf(line string) bool { return strings.Contains(clientField(line, "flags"), "M") }

// clientField is a field of a line of CLIENT LIST; empty where it isn't there.
func clientField(line, name string) string {
	_, after, ok := strings.Cut(line, " "+name+"=")
	if !ok {
		return ""
	}
	if end := strings.IndexAny(after, " \r\n"); end >= 0 {
		after = after[:end]
	}
	return after
}
