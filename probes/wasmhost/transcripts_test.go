package wasmhost_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	awssqs "github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/servertest"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	sourcesqs "github.com/gravito-framework/pulse/internal/source/sqs"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/builtin"
)

var update = flag.Bool("update", false, "record the transcripts anew, from real servers")

// transcripts are the requests of adapters to real servers, with the replies. An adapter must make the same requests
// and the same snapshots, byte for byte, natively, in wazero and in Node.
const transcripts = "../wasm/testdata/transcripts"

type transcript struct {
	About    string           `json:"about"`
	Settings [][2]string      `json:"settings"`
	Polls    []transcriptPoll `json:"polls"`
}

type transcriptPoll struct {
	Now      int64   `json:"now"`
	Rounds   []round `json:"rounds"`
	Snapshot latin1  `json:"snapshot,omitempty"`
	Error    latin1  `json:"error,omitempty"`
}

type round struct {
	Requests latin1 `json:"requests"`
	Replies  latin1 `json:"replies"`
}

// latin1 is bytes, in JSON as a text of which each character is one byte.
type latin1 []byte

func (l latin1) MarshalJSON() ([]byte, error) {
	runes := make([]rune, len(l))
	for i, b := range l {
		runes[i] = rune(b)
	}
	return json.Marshal(string(runes))
}

func (l *latin1) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	*l = nil
	for _, r := range text {
		if r > 0xff {
			return fmt.Errorf("%q is no byte", r)
		}
		*l = append(*l, byte(r))
	}
	return nil
}

func (tr *transcript) settings() adapter.Settings {
	s := adapter.Settings{}
	for _, pair := range tr.Settings {
		s[pair[0]] = pair[1]
	}
	return s
}

// native opens the adapter that a transcript is of, as it is without WebAssembly.
func native(t testing.TB, tr *transcript) (adapter.Adapter, adapter.Session) {
	t.Helper()
	s := tr.settings()
	i := slices.IndexFunc(builtin.Drivers, func(d builtin.Driver) bool { return d.Adapter.Describe().Name == s["adapter"] })
	if i < 0 {
		t.Fatalf("there is no adapter %q", s["adapter"])
	}
	delete(s, "adapter")
	a := builtin.Drivers[i].Adapter
	session, err := a.Open(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return a, session
}

func readTranscripts(t testing.TB) map[string]*transcript {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(transcripts, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no transcripts: %v", err)
	}
	all := map[string]*transcript{}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tr := &transcript{}
		if err := json.Unmarshal(data, tr); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".json")] = tr
	}
	return all
}

// replay drives a session through a transcript, and compares what it asks and what it reads.
func replay(t testing.TB, tr *transcript, s adapter.Session) {
	t.Helper()
	for i, p := range tr.Polls {
		step := s.Poll(t.Context(), time.UnixMilli(p.Now))
		for j, r := range p.Rounds {
			asked := adapter.AppendRequests(nil, step.Requests)
			if !bytes.Equal(asked, r.Requests) {
				t.Fatalf("poll %d, round %d asks (-want +got):\n%s\n%v", i, j, cmp.Diff(string(r.Requests), string(asked)), step.Err)
			}
			replies, err := adapter.ParseReplies(r.Replies, 1)
			if err != nil {
				t.Fatal(err)
			}
			step = s.Next(t.Context(), replies)
		}
		var snapshot, said string
		if step.Snapshot != nil {
			snapshot = string(step.Snapshot.AppendJSON(nil))
		}
		if step.Err != nil {
			said = step.Err.Error()
		}
		if snapshot != string(p.Snapshot) || said != string(p.Error) || len(step.Requests) > 0 {
			t.Fatalf("poll %d (-want +got):\n%s%s", i, cmp.Diff(string(p.Snapshot), snapshot), cmp.Diff(string(p.Error), said))
		}
	}
}

func TestTranscriptsAreOfEachDriver(t *testing.T) {
	seen := map[string]bool{}
	for _, tr := range readTranscripts(t) {
		seen[tr.settings()["adapter"]] = true
	}
	for _, d := range builtin.Drivers {
		if name := d.Adapter.Describe().Name; !seen[name] {
			t.Errorf("there is no transcript of %s: add its world to worlds, and record it with -update", name)
		}
	}
}

func TestTranscriptsNatively(t *testing.T) {
	t.Parallel()
	for name, tr := range readTranscripts(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, s := native(t, tr)
			replay(t, tr, s)
		})
	}
}

func TestTranscriptsInWazero(t *testing.T) {
	t.Parallel()
	for how, trusted := range map[string]bool{"trusted": true, "interruptible": false} {
		module := builtinModule(t, trusted)
		for name, tr := range readTranscripts(t) {
			t.Run(how+"/"+name, func(t *testing.T) {
				t.Parallel()
				s, err := module.Open(t.Context(), tr.settings())
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				replay(t, tr, s)
			})
		}
	}
}

// world is what a transcript is recorded from.
type world struct {
	about    string
	settings adapter.Settings
	fill     func(t *testing.T, r *servertest.RedisServer) // fills a Redis; nil where it is SQS
	source   func(t *testing.T, r *servertest.RedisServer) poll.Source
}

func do(t *testing.T, r *servertest.RedisServer, commands ...string) {
	t.Helper()
	for _, c := range commands {
		var args []any
		for word := range strings.FieldsSeq(c) {
			args = append(args, word)
		}
		if err := r.Client.Do(t.Context(), args...).Err(); err != nil {
			t.Fatalf("%s: %v", c, err)
		}
	}
}

// script fills a Redis with a real library.
func script(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args, err, out)
	}
}

var worlds = map[string]world{
	"bullmq": {
		about:    "queues made by BullMQ 5, found by a glob, then read from what is remembered",
		settings: adapter.Settings{"adapter": "bullmq", "queues": "*"},
		fill: func(t *testing.T, r *servertest.RedisServer) {
			script(t, servertest.Node(t, "../bullmq/testdata/node/seed.mjs", "--lib", "bullmq5", "--port", r.Port(), "--prefix", "bull"))
		},
	},
	"bullmq-named": {
		about:    "queues made by BullMQ 6, named; one that is not there, and one whose keys are something else",
		settings: adapter.Settings{"adapter": "bullmq", "queues": "plain,missing,broken", "source": "redis"},
		fill: func(t *testing.T, r *servertest.RedisServer) {
			script(t, servertest.Node(t, "../bullmq/testdata/node/seed.mjs", "--lib", "bullmq6", "--port", r.Port(), "--prefix", "bull"))
			do(t, r, "SET bull:broken:wait text", "SET bull:broken:active text")
		},
	},
	"laravel": {
		about:    "queues made by Laravel's own queue code",
		settings: adapter.Settings{"adapter": "laravel", "queues": "*", "prefix": "laravel_database_"},
		fill: func(t *testing.T, r *servertest.RedisServer) {
			cmd := exec.Command("php", "seed.php", r.Port(), "laravel_database_")
			cmd.Dir = "../laravel/testdata/php"
			script(t, cmd)
			do(t, r, "HSET laravel_horizon:supervisor:s1 processes {\"redis:default\":3} status running",
				"ZADD laravel_horizon:supervisors 9999999999 s1")
		},
	},
	"gravitostream": {
		about:    "queues with priorities, delayed and failed jobs, one paused",
		settings: adapter.Settings{"adapter": "gravitostream", "queues": "*"},
		fill: func(t *testing.T, r *servertest.RedisServer) {
			do(t, r, "RPUSH queue:mail a b c", "RPUSH queue:mail:high d", "ZADD queue:mail:delayed 9999999999999 e", "RPUSH queue:mail:failed f g",
				"SET queue:mail:paused 1", "RPUSH queue:img:resize h", "SADD queue:active group-1")
		},
	},
	"redislist": {
		about:    "lists found by globs, beside keys of other types and one whose name is not UTF-8",
		settings: adapter.Settings{"adapter": "redislist", "keys": "jobs:*,missing"},
		fill: func(t *testing.T, r *servertest.RedisServer) {
			do(t, r, "RPUSH jobs:a 1 2 3", "RPUSH jobs:b 1", "SET jobs:text x", "RPUSH other 1", "RPUSH jobs:\xff\xfe 1", `RPUSH jobs:"quoted" 1`, "RPUSH jobs:é 1 2")
		},
	},
	"redisstream": {
		about:    "streams and their groups, in several states",
		settings: adapter.Settings{"adapter": "redisstream", "streams": "*"},
		fill: func(t *testing.T, r *servertest.RedisServer) {
			do(t, r, "XADD events 1764000000000-0 a b", "XADD events 1764000000001-0 a b", "XADD events 1764000000002-0 a b",
				"XGROUP CREATE events billing 0", "XREADGROUP GROUP billing c COUNT 1 STREAMS events >", "XGROUP CREATE events audit $",
				"XADD deleted 1-0 a b", "XADD deleted 2-0 a b", "XADD deleted 3-0 a b", "XGROUP CREATE deleted g 0",
				"XREADGROUP GROUP g c COUNT 1 STREAMS deleted >", "XDEL deleted 2-0",
				"XADD nogroup 1-0 a b", "RPUSH list 1")
		},
	},
	"refused": {
		about:    "a user who may not SCAN",
		settings: adapter.Settings{"adapter": "redislist", "keys": "*"},
		fill: func(t *testing.T, r *servertest.RedisServer) {
			do(t, r, "ACL SETUSER blind on >x ~* +llen +type +client|info +role", "RPUSH jobs 1")
		},
		source: func(t *testing.T, r *servertest.RedisServer) poll.Source {
			client := redis.NewClient(&redis.Options{Addr: r.Addr, Protocol: 2, Username: "blind", Password: "x"})
			t.Cleanup(func() { client.Close() })
			return sourceredis.New(client, "redis")
		},
	},
	"sqs": {
		about:    "queues of an emulator of SQS: with messages in each state, a FIFO queue, and a dead-letter queue",
		settings: adapter.Settings{"adapter": "sqs", "queues": "*", "source": "sqs"},
		source: func(t *testing.T, _ *servertest.RedisServer) poll.Source {
			endpoint := servertest.Moto(t)
			for _, v := range servertest.AWSEnv(endpoint) {
				name, value, _ := strings.Cut(v, "=")
				t.Setenv(name, value)
			}
			aws, err := awsconfig.LoadDefaultConfig(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			c := awssqs.NewFromConfig(aws)
			create := func(name string, attributes map[string]string) string {
				out, err := c.CreateQueue(t.Context(), &awssqs.CreateQueueInput{QueueName: &name, Attributes: attributes})
				if err != nil {
					t.Fatal(err)
				}
				return *out.QueueUrl
			}
			send := func(url string, delay int32) {
				body := "x"
				if _, err := c.SendMessage(t.Context(), &awssqs.SendMessageInput{QueueUrl: &url, MessageBody: &body, DelaySeconds: delay}); err != nil {
					t.Fatal(err)
				}
			}
			dead := create("dead", nil)
			send(dead, 0)
			orders := create("orders", map[string]string{"RedrivePolicy": `{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:123456789012:dead","maxReceiveCount":"3"}`})
			for range 3 {
				send(orders, 0)
			}
			send(orders, 900)
			if _, err := c.ReceiveMessage(t.Context(), &awssqs.ReceiveMessageInput{QueueUrl: &orders, MaxNumberOfMessages: 1, VisibilityTimeout: 600}); err != nil {
				t.Fatal(err)
			}
			create("mail.fifo", map[string]string{"FifoQueue": "true"})
			return sourcesqs.New(c)
		},
	},
}

// TestRecordTranscripts records nothing without -update.
func TestRecordTranscripts(t *testing.T) {
	if !*update {
		return
	}
	if err := os.MkdirAll(transcripts, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, w := range worlds {
		t.Run(name, func(t *testing.T) {
			var server *servertest.RedisServer
			var source poll.Source
			if w.fill != nil {
				server = servertest.Redis(t)
				w.fill(t, server)
				client := redis.NewClient(&redis.Options{Addr: server.Addr, Protocol: 2})
				defer client.Close()
				source = sourceredis.New(client, "redis")
			}
			if w.source != nil {
				source = w.source(t, server)
			}
			tr := &transcript{About: w.about}
			w.settings["app"] = "shop"
			for _, name := range slices.Sorted(func(yield func(string) bool) {
				for name := range w.settings {
					if !yield(name) {
						return
					}
				}
			}) {
				tr.Settings = append(tr.Settings, [2]string{name, w.settings[name]})
			}
			a, session := native(t, tr)
			r := &adaptertest.Noted{Source: source}
			now := time.Now().Truncate(time.Second)
			for i := range 2 {
				at := now.Add(time.Duration(i) * 10 * time.Second)
				r.Requests, r.Replies = nil, nil
				s, err := (&poll.Poller{Adapter: a.Describe(), Session: session, Source: r}).Poll(t.Context(), at)
				p := transcriptPoll{Now: at.UnixMilli(), Rounds: []round{}}
				for i, requests := range r.Requests {
					p.Rounds = append(p.Rounds, round{adapter.AppendRequests(nil, requests), adapter.AppendReplies(nil, r.Replies[i])})
				}
				if err != nil {
					p.Error = latin1(err.Error())
				} else {
					p.Snapshot = s.AppendJSON(nil)
				}
				tr.Polls = append(tr.Polls, p)
			}
			var b bytes.Buffer
			encoder := json.NewEncoder(&b)
			encoder.SetEscapeHTML(false)
			encoder.SetIndent("", " ")
			if err := encoder.Encode(tr); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(transcripts, name+".json"), b.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}
