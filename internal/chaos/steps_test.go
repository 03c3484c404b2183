//go:build linux

package chaos

import (
	"cmp"
	"fmt"
	"strings"
	"syscall"
	"time"
)

// Where a fault has many steps, they befall one house in turn.

// missed are the commands without which somebody cannot do their work, by "user command", and what is then to be seen.
// Without each other command of docs/acl.md all is well; a number less is known, or the command is for Lambda.
var missed = map[string]fault{
	"monitor hmget":  {shows: []string{"bullmq/orders: meta: NOPERM"}},
	"monitor lindex": unread("lindex"),
	"monitor lrange": unread("lrange"),
	"monitor zcard":  unread("zcard"),
	"monitor llen": {
		shows: []string{"the 'llen' command; allow +llen"},
		says:  map[string][]string{redisReporter: {"cannot report", "the 'llen' command; allow +llen"}},
	},

	"reporter eval": unreported("the 'eval' command; allow +eval on ~pulse:queues:shop:%s (docs/acl.md)", "queues lost"),
	"reporter set":  unreported("NOPERM for SET; allow +set on ~pulse:queues:shop:%s (docs/acl.md)", "queues lost"),
	"reporter time": {
		shows: []string{"allow its user +time"},
		says:  unreported("allow its user +time").says,
	},
	"reporter zadd":             unreported("the 'zadd' command; allow +zadd on ~pulse:index (docs/acl.md)"),
	"reporter zremrangebyscore": unreported("the 'zremrangebyscore' command; allow +zremrangebyscore on ~pulse:index (docs/acl.md)"),
	"host set":                  unwritten(host, "the 'set' command; allow +set on ~pulse:server:shop:host (docs/acl.md)", "servers lost"),
	"host zadd":                 unwritten(host, "the 'zadd' command; allow +zadd on ~pulse:index (docs/acl.md)"),
	"host zremrangebyscore":     unwritten(host, "the 'zremrangebyscore' command; allow +zremrangebyscore on ~pulse:index (docs/acl.md)"),

	"aggregator getrange":         {shows: []string{"pulse:queues:shop:reporter: it cannot be read: NOPERM", "pulse:server:shop:host: it cannot be read: NOPERM"}},
	"aggregator xrevrange":        {shows: []string{"pulse:slow:shop: it cannot be read: NOPERM"}},
	"aggregator zrevrangebyscore": {shows: []string{lastNumbers}, says: map[string][]string{aggregator: {"the 'zrevrangebyscore' command"}}},

	"recorder zrevrangebyscore": unrecorded("the 'zrevrangebyscore' command"),
	"recorder getrange":         unrecorded("pulse:queues:shop:reporter: it cannot be read: NOPERM"),
	"recorder set":              unrecorded("the 'set' command; allow +set on ~pulse:owner:recorder (docs/acl.md)"),
	"recorder xrange":           unrecorded("the 'xrange' command; allow +xrange on ~pulse:history:shop (docs/acl.md)"),
	"recorder xrevrange":        unrecorded("the 'xrevrange' command; allow +xrevrange on ~pulse:history:shop (docs/acl.md)"),
	"recorder xadd":             unrecorded("the 'xadd' command; allow +xadd on ~pulse:history:shop (docs/acl.md)"),
	"recorder pexpire":          unrecorded("the 'pexpire' command; allow +pexpire on ~pulse:history:shop (docs/acl.md)"),
	"recorder zadd":             unrecorded("the 'zadd' command; allow +zadd on ~pulse:index (docs/acl.md)"),
	"recorder zremrangebyscore": unrecorded("the 'zremrangebyscore' command; allow +zremrangebyscore on ~pulse:index (docs/acl.md)"),
	"recorder hgetall":          unrecorded("the 'hgetall' command; allow +hgetall on ~pulse:alerts (docs/acl.md)"),
	"recorder eval":             unrecorded("the 'eval' command; allow +eval on ~pulse:alerts (docs/acl.md)"),
	"recorder hget":             unrecorded("NOPERM for HGET; allow +hget on ~pulse:alerts (docs/acl.md)"),
	"recorder hset":             unrecorded("NOPERM for HSET; allow +hset on ~pulse:alerts (docs/acl.md)"),
}

// unrecorded is that the recorder does not record, or not all, and says why.
func unrecorded(why string) fault { return unwritten(recorder, why) }

// unread is that BullMQ's queue cannot be read for want of a command: its row says of when its last numbers are, and
// the reason stands among the problems.
func unread(command string) fault {
	why := "the '" + command + "' command; allow +llen"
	return fault{shows: []string{"bullmq: read queue \"orders\" of bull: NOPERM", why, "bullmq/orders: these are the last numbers read, at 2"}, says: map[string][]string{redisReporter: {"reports with a problem", why}}}
}

// unreported is that neither reporter can do something, which each says of its own key: %s is its source.
func unreported(why string, shows ...string) fault {
	of := func(source string) []string { return []string{strings.ReplaceAll(why, "%s", source)} }
	return fault{shows: shows, says: map[string][]string{redisReporter: of("reporter"), sqsReporter: of("sqs")}}
}

func unwritten(program, why string, shows ...string) fault {
	return fault{shows: shows, says: map[string][]string{program: {why}}}
}

// eachCommandOf takes each command that docs/acl.md grants away from whom it is granted to.
func eachCommandOf(users ...string) func(*house) []fault {
	return func(h *house) (steps []fault) {
		for _, user := range users {
			rights, used := rightsOf(h.t, user), 0
			if user == "aggregator" { // the rest is for the recorder in it, and is looked at in the other
				rights = rightsOf(h.t, "viewer")
			}
			for _, command := range rights {
				f, is := missed[user+" "+command]
				if is {
					used++
				}
				f.heals = !is
				f.name = user + " without " + command
				f.health = cmp.Or(f.health, "up")
				f.begin = func(h *house) {
					h.do("ACL", "SETUSER", "pulse-"+user, "-"+command)
					h.do("DEL", "pulse:history:shop", "pulse:alerts") // so that the recorder has not yet seen to this minute
				}
				f.end = func(h *house) { h.do("ACL", "SETUSER", "pulse-"+user, "+"+command) }
				steps = append(steps, f)
			}
			if want := missedBy(user); used != want {
				h.t.Errorf("%d of the %d commands that the %s misses are in docs/acl.md", used, want, user)
			}
		}
		return steps
	}
}

// missedBy is how many commands a user misses.
func missedBy(user string) (n int) {
	for step := range missed {
		if strings.HasPrefix(step, user+" ") {
			n++
		}
	}
	return n
}

// eachKey puts a list and a hash in the place of each key of Pulse's.
func eachKey(h *house) (steps []fault) {
	for _, wrong := range [][]any{{"RPUSH"}, {"HSET"}} {
		rubbish := func(h *house, key string) {
			h.do("DEL", key)
			h.do(append(wrong, key, "rubbish", "rubbish")...)
		}
		// What its writer sets anew is right again at once: so the writer is stopped.
		written := func(key, program string) fault {
			stop := func(s syscall.Signal) { h.programs[program].Signal(s) }
			return fault{
				begin: func(h *house) { stop(syscall.SIGSTOP); rubbish(h, key) },
				end:   func(*house) { stop(syscall.SIGCONT) },
				shows: []string{key + ": it cannot be read: WRONGTYPE"},
				says:  map[string][]string{program: {}}, // it may find that its time was up
			}
		}
		for key, f := range map[string]fault{
			"pulse:queues:shop:reporter": written("pulse:queues:shop:reporter", redisReporter),
			"pulse:server:shop:host":     written("pulse:server:shop:host", host),
			"pulse:queues:else":          {shows: []string{"pulse:queues:else: it cannot be read: WRONGTYPE"}},
			"pulse:slow:shop":            {shows: []string{"pulse:slow:shop: it cannot be read: WRONGTYPE"}},
			"pulse:index":                {says: writers("WRONGTYPE")},
			"pulse:scan":                 {},
			"pulse:history:shop":         unrecorded("pulse:history:shop at"),
			"pulse:trend:shop":           written("pulse:trend:shop", recorder),
			"pulse:owner:recorder":       {},
			"pulse:alerts":               alertsOf(wrong[0]),
		} {
			f.keepsRecorder = key == "pulse:trend:shop"
			f.name, f.health = wrong[0].(string)+" "+key, "up"
			if key == "pulse:trend:shop" { // else it would be set anew in the next minute
				resume := f.end
				f.end = func(h *house) {
					resume(h)
					h.do("DEL", "pulse:history:shop") // so that this minute is still to be recorded
					h.startRecorder()
				}
			}
			if f.begin == nil {
				f.begin = func(h *house) {
					h.do("DEL", "pulse:history:shop") // so that the recorder has not yet seen to this minute
					rubbish(h, key)
				}
				f.end = func(h *house) { h.do("DEL", key) }
			}
			if key == "pulse:queues:else" { // once seen it is remembered, so it becomes what it should be
				f.end = func(h *house) {
					h.do("SET", key, fmt.Sprintf(`{"timestamp":%d,"app":"else","queues":[]}`, time.Now().UnixMilli()))
				}
			}
			steps = append(steps, f)
		}
	}
	return steps
}

// alertsOf is a fault of the alerts' key by what is put there. They are a hash, and somebody else's field is no alert.
func alertsOf(command any) fault {
	if command == "HSET" {
		return fault{}
	}
	return unrecorded("pulse:alerts at")
}
