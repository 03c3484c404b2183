package laravel

import (
	"slices"
	"strconv"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/protocol"
)

const (
	// maxSupervisors is how many supervisors are read at most.
	maxSupervisors = 1000
	// aliveFor is how long ago a supervisor's last beat may be: Horizon's own limit.
	aliveFor = 29 // seconds
	// maxProcesses is the longest list of processes in bytes that is read of a supervisor, and the
	// most processes of one of its pools.
	maxProcesses, mostProcesses = 64 << 10, 1 << 20
)

// horizon reads the values that Horizon keeps, where there is a Horizon.
type horizon struct {
	prefix   string
	requests [perHorizon]adapter.Request
	ever     bool // there was a Horizon at some poll: then its failed jobs are counted
	failed   tally

	// of the poll under way
	supervisors []string // those that are alive
	err         error    // why Redis refused one of Horizon's values
}

// The requests about Horizon, by place.
const (
	supervisors = iota
	masters
	failedCount
	failedNewest
	perHorizon
)

func newHorizon(prefix string) *horizon {
	return &horizon{prefix: prefix, requests: [perHorizon]adapter.Request{
		supervisors:  {"ZRANGE", prefix + "supervisors", strconv.Itoa(-maxSupervisors), "-1", "WITHSCORES"}, // the last to beat
		masters:      {"ZCARD", prefix + "masters"},
		failedCount:  {"ZCARD", prefix + "failed_jobs"},
		failedNewest: {"ZRANGE", prefix + "failed_jobs", "0", "0", "WITHSCORES"}, // scores are negative
	}}
}

// read reads the replies to the requests.
func (h *horizon) read(r []adapter.Reply, p *poll) {
	h.supervisors, h.err = h.supervisors[:0], nil
	masters, err := r[masters].Count()
	h.refused(err)
	beats, err := r[supervisors].List()
	h.refused(err)
	p.workers = workers{of: map[string]*pool{}, there: masters > 0 || len(beats) > 0}
	if h.err != nil {
		p.workers.unknown = true
	}
	dead := 0
	for i := 0; i+1 < len(beats); i += 2 {
		name, nameErr := beats[i].Text()
		text, scoreErr := beats[i+1].Text()
		score, parseErr := strconv.ParseFloat(text, 64)
		switch {
		case nameErr != nil || scoreErr != nil || parseErr != nil || len(name) > maxPrefix:
			p.workers.unknown = true
		case score >= float64(p.now.Unix()-aliveFor):
			h.supervisors = append(h.supervisors, name)
		default:
			dead++
		}
	}
	if len(beats) >= 2*maxSupervisors && dead == 0 { // there may be more of them
		p.workers.unknown, h.supervisors = true, h.supervisors[:0]
	}
	n, newest, err := readFailed(r[failedCount], r[failedNewest])
	h.refused(err)
	h.failed.begin(n, newest, err, p.now)
	h.ever = h.ever || p.workers.there || n > 0
}

func (h *horizon) refused(err error) {
	if h.err == nil {
		h.err = err
	}
}

// ask asks for the processes of the supervisors that are alive, and for the failed jobs where they have changed.
func (h *horizon) ask(f *adapter.Questions[followUp]) {
	for _, name := range h.supervisors {
		f.Ask(followUp{what: supervisor}, "HMGET", h.prefix+"supervisor:"+name, "processes", "status")
	}
	if !h.failed.settled {
		f.Ask(followUp{what: failedJobs}, "ZRANGE", h.prefix+"failed_jobs", "0", strconv.Itoa(maxFailed-1))
	}
}

// workers are the processes that Horizon supervises.
type workers struct {
	there   bool             // there is a Horizon, whether alive or not
	unknown bool             // not all of them could be read
	of      map[string]*pool // by queue
}

// pool is the processes that work on a queue.
type pool struct {
	processes int64
	running   bool // of at least one supervisor that isn't paused
}

// readSupervisor reads the processes and the status of a supervisor.
func (w *workers) readSupervisor(r adapter.Reply) {
	fields, err := r.List()
	if err != nil || len(fields) != 2 {
		w.unknown = w.unknown || !r.IsNothing()
		return
	}
	processes, err := fields[0].Text()
	status, statusErr := fields[1].Text()
	if err != nil || statusErr != nil || len(processes) > maxProcesses {
		w.unknown = true
		return
	}
	if processes == "" || processes == "[]" { // it ended since, or has none: PHP's empty map is a list
		return
	}
	byPool, err := protocol.ReadObject([]byte(processes))
	if err != nil {
		w.unknown = true
		return
	}
	for name, value := range byPool.All() {
		n, err := strconv.ParseInt(string(value), 10, 64)
		_, queues, ok := strings.Cut(string(name), ":") // behind the connection
		if err != nil || !ok || n < 0 || n > mostProcesses {
			w.unknown = true
			return
		}
		w.add(queues, n, status != "paused")
	}
}

// add adds a pool's processes to each queue that the pool works on. Where Horizon doesn't balance these are
// several.
func (w *workers) add(queues string, n int64, running bool) {
	var done []string
	for spelling := range strings.SplitSeq(queues, ",") {
		name := nameOf(spelling)
		if slices.Contains(done, name) {
			continue
		}
		done = append(done, name)
		p := w.of[name]
		if p == nil {
			p = &pool{}
			w.of[name] = p
		}
		p.processes += n
		p.running = p.running || running
	}
}
