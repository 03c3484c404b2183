package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
)

// env is an environment.
type env map[string]string

func (e env) get(name string) string { return e[name] }

func (e env) with(more env) env {
	all := maps.Clone(e)
	maps.Copy(all, more)
	return all
}

var (
	forSQS        = env{"PULSE_APP": "shop", "PULSE_REDIS_URL": "redis://cache"}
	forRedis      = forSQS.with(env{"PULSE_BULLMQ_QUEUES": "*"})
	forAggregator = env{"PULSE_REDIS_URL": "redis://cache"}
)

// programs reads an environment as each program does when it publishes.
var programs = map[string]func(env) (any, error){
	"sqs-reporter":   func(e env) (any, error) { return NewSQSReporter(context.Background(), e.get, true) },
	"redis-reporter": func(e env) (any, error) { return NewRedisReporter(context.Background(), e.get, true) },
	"host":           func(e env) (any, error) { return NewHost(e.get, true) },
	"aggregator":     func(e env) (any, error) { return NewAggregator(e.get) },
	"recorder":       func(e env) (any, error) { return NewRecorder(e.get) },
}

func TestAWrongVariableIsNamedWithWhatItHeldAndWhatItTakes(t *testing.T) {
	t.Parallel()
	const (
		duration  = "a duration with its unit, such as 5s or 1m"
		bounds    = "a duration from 1s to 24h"
		name      = "1 to 128 letters, digits, '.', '_', '@' or '-', the first a letter or digit"
		globs     = "names or globs, comma-separated, where * is all; a '[' needs its ']', a '\\' the character after it"
		calls     = "a whole number of calls above 0, such as 1000000; not set, it is unlimited"
		noRedis   = "PULSE_REDIS_URL is not set: it takes the Redis to publish to and read from, such as redis://127.0.0.1:6379"
		redisURL  = "it takes redis://host:6379, rediss:// for TLS, unix:///path, several comma-separated hosts for Redis Cluster, or redis+sentinel:// or rediss+sentinel://host:26379/master"
		noApp     = "PULSE_APP is not set: it takes the name of the app that has these queues or hosts, such as shop"
		address   = "an address and a port, such as 127.0.0.1:8787"
		loopback  = "a loopback address such as 127.0.0.1:8787 as long as PULSE_TOKEN is not set; set PULSE_TOKEN to listen to others"
		logLevel  = "debug, info, warn or error"
		logFormat = "json or text"
		vanish    = ", or a queue would vanish between two polls"
	)
	const short = " characters: it takes at least 16 that cannot be guessed, such as the output of: openssl rand -hex 32"
	noQueues := "there is nothing to poll: set one of " + strings.Join(redisVariables(), ", ") + " to names or globs, comma-separated; * is all; or PULSE_ADAPTERS to a directory of .wasm files"
	for _, c := range []struct {
		program string
		env     env
		want    string
	}{
		{"sqs-reporter", env{}, noApp + "\n" + noRedis},
		{"sqs-reporter", env{"PULSE_APP": " ", "PULSE_REDIS_URL": "\t"}, noApp + "\n" + noRedis},
		{"sqs-reporter", forSQS.with(env{"PULSE_APP": "my shop"}), `PULSE_APP is "my shop": it takes ` + name},
		{"sqs-reporter", forSQS.with(env{"PULSE_SOURCE": "a:b"}), `PULSE_SOURCE is "a:b": it takes ` + name},
		{"sqs-reporter", forSQS.with(env{"PULSE_INTERVAL": "5"}), `PULSE_INTERVAL is "5": it takes ` + duration},
		{"sqs-reporter", forSQS.with(env{"PULSE_INTERVAL": "999ms"}), `PULSE_INTERVAL is "999ms": it takes ` + bounds},
		{"sqs-reporter", forSQS.with(env{"PULSE_TTL": "-1m"}), `PULSE_TTL is "-1m": it takes ` + bounds},
		{"sqs-reporter", forSQS.with(env{"PULSE_TTL": "25h"}), `PULSE_TTL is "25h": it takes ` + bounds},
		{"sqs-reporter", forSQS.with(env{"PULSE_TTL": "soon"}), `PULSE_TTL is "soon": it takes ` + duration},
		{"sqs-reporter", forSQS.with(env{"PULSE_TTL": "10s"}), "PULSE_TTL is 10s: it takes more than PULSE_INTERVAL, which is 10s" + vanish},
		{"sqs-reporter", forSQS.with(env{"PULSE_INTERVAL": "1m"}), "PULSE_TTL is 30s: it takes more than PULSE_INTERVAL, which is 1m0s" + vanish},
		{"sqs-reporter", forSQS.with(env{"PULSE_SQS_QUEUES": "[a"}), `PULSE_SQS_QUEUES is "[a": it takes ` + globs},
		{"sqs-reporter", forSQS.with(env{"PULSE_SQS_CALLS_PER_MONTH": "0"}), `PULSE_SQS_CALLS_PER_MONTH is "0": it takes ` + calls},
		{"sqs-reporter", forSQS.with(env{"PULSE_SQS_CALLS_PER_MONTH": "1e6"}), `PULSE_SQS_CALLS_PER_MONTH is "1e6": it takes ` + calls},
		{"sqs-reporter", forSQS.with(env{"PULSE_LOG_LEVEL": "loud"}), `PULSE_LOG_LEVEL is "loud": it takes ` + logLevel},
		{"sqs-reporter", forSQS.with(env{"PULSE_LOG_FORMAT": "JSON"}), `PULSE_LOG_FORMAT is "JSON": it takes ` + logFormat},
		{"sqs-reporter", forSQS.with(env{"PULSE_REDIS_URL": "redis://:sesame@cache/x"}), `PULSE_REDIS_URL is "redis://***@cache/x": ` + redisURL},
		{"sqs-reporter", env{"PULSE_APP": "shop", "REDIS_URL": "redis://:sesame@cache/x"}, `REDIS_URL is "redis://***@cache/x": ` + redisURL},

		{"redis-reporter", forSQS, noQueues},
		{"redis-reporter", forSQS.with(env{"PULSE_BULLMQ_QUEUES": " "}), noQueues},
		{"redis-reporter", forSQS.with(env{"PULSE_BULLMQ_QUEUES": ","}), `PULSE_BULLMQ_QUEUES is ",": it takes ` + globs},
		{"redis-reporter", forRedis.with(env{"PULSE_MONITOR_REDIS_URL": "cache:sesame"}), "PULSE_MONITOR_REDIS_URL is no URL of a Redis; it is not shown here because it may hold a password: " + redisURL},
		// What a template passes on in one variable is refused by its own names.
		{"redis-reporter", forSQS.with(env{"PULSE_SETTINGS": "PULSE_BULLMQ_QUEUES=a["}), `PULSE_BULLMQ_QUEUES is "a[": it takes ` + globs},
		{"redis-reporter", forRedis.with(env{"PULSE_SETTINGS": "PULSE_BULLMQ_PREFIX"}), block("PULSE_BULLMQ_PREFIX")},
		{"redis-reporter", forRedis.with(env{"PULSE_SETTINGS": " ; PULSE_TOKEN=x"}), block("PULSE_TOKEN=…")},
		{"redis-reporter", forRedis.with(env{"PULSE_SETTINGS": "PULSE_REDIS_URL=redis://:hunter2@cache"}), block("PULSE_REDIS_URL=…")},
		{"redis-reporter", env{"PULSE_APP": "shop", "PULSE_BULLMQ_QUEUES": "*", "PULSE_MONITOR_REDIS_URL": "redis://app"}, noRedis},

		{"host", env{}, noApp + "\n" + noRedis},
		{"host", forSQS.with(env{"PULSE_INTERVAL": "5 s"}), `PULSE_INTERVAL is "5 s": it takes ` + duration},

		{"recorder", env{}, noRedis},
		{"recorder", forAggregator.with(env{"PULSE_HISTORY": "30m"}), `PULSE_HISTORY is "30m": it takes a duration from 1h to 168h`},
		{"recorder", forAggregator.with(env{"PULSE_HISTORY": "1 day"}), `PULSE_HISTORY is "1 day": it takes ` + duration},
		{"recorder", forAggregator.with(env{"PULSE_ALERT_REPEAT": "1s"}), `PULSE_ALERT_REPEAT is "1s": it takes a duration from 1m to 168h`},
		{"recorder", forAggregator.with(env{"PULSE_ALERT_RULES": "stalled 5"}), `PULSE_ALERT_RULES: "stalled 5": "5" is no duration that it takes: one with its unit, more than 0 and up to 24h, such as 5m`},
		{"recorder", forAggregator.with(env{"PULSE_PUBLIC_URL": "pulse.example.com"}), "PULSE_PUBLIC_URL is no address of a page: it takes where the dashboard is, such as https://pulse.example.com, without a login"},
		{"recorder", forAggregator.with(env{"PULSE_PUBLIC_URL": "https://me:sesame@pulse.example.com"}), "PULSE_PUBLIC_URL is no address of a page: it takes where the dashboard is, such as https://pulse.example.com, without a login"},
		{"recorder", forAggregator.with(env{"PULSE_ALERTS": "http://hooks.slack.com/sesame"}), "PULSE_ALERTS: its channel 1: it takes https://hooks.slack.com/…, https://discord.com/api/webhooks/…, pagerduty:KEY, sns:arn:aws:sns:…, or any other https:// address, which gets Alertmanager's webhook JSON"},
		{"aggregator", forAggregator.with(env{"PULSE_ALERT_RULES": "dead"}), `PULSE_ALERT_RULES: "dead": there is no condition "dead": it takes stalled, lost, failing, growing, idle, waiting>N, failed>N, oldest>D, drain>D, cpu>N or mem>N; a comma separates rules`},

		{"aggregator", env{}, noRedis},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "8787"}), `PULSE_LISTEN is "8787": it takes ` + address},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "127.0.0.1:"}), `PULSE_LISTEN is "127.0.0.1:": it takes ` + address},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "127.0.0.1:65536"}), `PULSE_LISTEN is "127.0.0.1:65536": it takes ` + address},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "::1:8787", "PULSE_TOKEN": "open-sesame-16ch"}), `PULSE_LISTEN is "::1:8787": it takes ` + address},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": ":8787"}), `PULSE_LISTEN is ":8787": it takes ` + loopback},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "0.0.0.0:8787"}), `PULSE_LISTEN is "0.0.0.0:8787": it takes ` + loopback},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "[::]:8787"}), `PULSE_LISTEN is "[::]:8787": it takes ` + loopback},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "10.0.0.7:8787"}), `PULSE_LISTEN is "10.0.0.7:8787": it takes ` + loopback},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": "pulse.example:8787"}), `PULSE_LISTEN is "pulse.example:8787": it takes ` + loopback},
		{"aggregator", forAggregator.with(env{"PULSE_TOKEN": "sesame1"}), "PULSE_TOKEN has 7" + short},
		{"aggregator", forAggregator.with(env{"PULSE_TOKEN": "sesame-sesame15 "}), "PULSE_TOKEN has 15" + short},
		{"aggregator", forAggregator.with(env{"PULSE_TOKEN": "sesameéééééé"}), "PULSE_TOKEN has 12" + short},
		{"aggregator", forAggregator.with(env{"PULSE_LISTEN": ":8787", "PULSE_TOKEN": " "}), `PULSE_LISTEN is ":8787": it takes ` + loopback},
	} {
		t.Run(c.program+" "+c.want, func(t *testing.T) {
			t.Parallel()
			_, err := programs[c.program](c.env)
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatalf("%v is no *Error, which is what exit status 2 hangs on", err)
			}
			if diff := cmp.Diff(c.want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if strings.Contains(err.Error(), "sesame") {
				t.Errorf("there is a secret in %v", err)
			}
		})
	}
}

// block is the error of what is no driver's variable in PULSE_SETTINGS.
func block(setting string) string {
	known := []string{"PULSE_ADAPTERS", "PULSE_ADAPTER_CONFIG"}
	for _, d := range builtin.Drivers {
		for _, s := range d.Settings {
			known = append(known, s.Variable)
		}
	}
	return `PULSE_SETTINGS has "` + setting + `": it takes NAME=value, separated by semicolons, of ` + strings.Join(known, ", ")
}

// opened is an adapter that notes the settings that it is opened with.
type opened struct {
	adapter.Adapter
	with *adapter.Settings
}

func (o opened) Open(ctx context.Context, s adapter.Settings) (adapter.Session, error) {
	*o.with = s
	return o.Adapter.Open(ctx, s)
}

// TestEachSettingComesFromItsVariable goes through the list: a new driver is in it without being named
// here.
func TestEachSettingComesFromItsVariable(t *testing.T) {
	for _, d := range builtin.Drivers {
		name := d.Adapter.Describe().Name
		want := adapter.Settings{"app": "shop", "source": "me"}
		single, together := env{}, []string{}
		for i, s := range d.Settings {
			value := "1" + fmt.Sprint(i)
			want[s.Name] = value
			single[s.Variable] = " " + value + "\n"
			together = append(together, s.Variable+" = "+value)
		}
		for how, e := range map[string]env{
			"each by itself":   single,
			"in one block":     {"PULSE_SETTINGS": strings.Join(together, " ; ") + ";"},
			"both, and itself": single.with(env{"PULSE_SETTINGS": strings.ReplaceAll(strings.Join(together, ";"), "= 1", "= 2")}),
		} {
			var got adapter.Settings
			r := newReader(e.get)
			sessions := r.open(t.Context(), []builtin.Driver{{Adapter: opened{d.Adapter, &got}, Settings: d.Settings}}, Reporting{App: "shop", Source: "me"})
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, how, diff)
			}
			if err := r.err(); err != nil || len(sessions) != 1 {
				t.Errorf("%s, %s: %d sessions, %v", name, how, len(sessions), err)
			}
		}
		if d.Adapter.Describe().Source == adapter.Redis {
			first := d.Settings[0].Variable
			if !WantsRedisReporter(env{first: "x"}.get) || !WantsRedisReporter(env{"PULSE_SETTINGS": first + "=x"}.get) {
				t.Errorf("%s alone asks for no reporter", first)
			}
		}
	}
	if !WantsRedisReporter(env{"PULSE_SETTINGS": "PULSE_BULMQ_QUEUES=*"}.get) {
		t.Error("a block that is wrong is not read by the reporter that would say so")
	}
	if WantsRedisReporter(env{"PULSE_SQS_QUEUES": "*"}.get) {
		t.Error("a queue of SQS asks for a reporter of a Redis")
	}
}

func TestDefaultsAreTheContracts(t *testing.T) {
	t.Parallel()
	sqs, err := NewSQSReporter(context.Background(), forSQS.get, true)
	if err != nil {
		t.Fatal(err)
	}
	if sqs.App != "shop" || sqs.Source != "sqs" || sqs.Env != "production" || sqs.Interval != 10*time.Second || sqs.TTL != 30*time.Second ||
		len(sqs.Drivers) != 1 || sqs.Drivers[0].Adapter.Name != "sqs" || sqs.LogLevel != 0 || sqs.LogJSON {
		t.Errorf("sqs-reporter: %+v", sqs)
	}
	redis, err := NewRedisReporter(context.Background(), forRedis.get, true)
	if err != nil {
		t.Fatal(err)
	}
	if redis.Source != "redis" || len(redis.Drivers) != 1 || redis.Drivers[0].Adapter.Name != "bullmq" || redis.Monitor != redis.Redis {
		t.Errorf("redis-reporter: %+v", redis)
	}
	aggregator, err := NewAggregator(forAggregator.get)
	if err != nil {
		t.Fatal(err)
	}
	if aggregator.Listen != "127.0.0.1:8787" || aggregator.Token != "" {
		t.Errorf("aggregator: %+v", aggregator)
	}
	host, err := NewHost(forSQS.get, true)
	if err != nil {
		t.Fatal(err)
	}
	if host.App != "shop" || host.Source != "" {
		t.Errorf("host: %+v", host)
	}
}

func TestVariablesAreTakenWithoutTheSpacesAroundThem(t *testing.T) {
	t.Parallel()
	s, err := NewSQSReporter(context.Background(), env{
		"PULSE_APP": " shop\n", "PULSE_SOURCE": " aws ", "PULSE_ENV": " staging ", "PULSE_REDIS_URL": " redis://cache \n", "PULSE_INTERVAL": " 5s", "PULSE_TTL": "1m ",
		"PULSE_SQS_QUEUES": " orders, mail* ", "PULSE_SQS_CALLS_PER_MONTH": " 1000 ", "PULSE_LOG_LEVEL": " debug ", "PULSE_LOG_FORMAT": " json ",
	}.get, true)
	if err != nil {
		t.Fatal(err)
	}
	if s.App != "shop" || s.Source != "aws" || s.Env != "staging" || s.Redis.String() != "redis cache:6379" || s.Interval != 5*time.Second || s.TTL != time.Minute ||
		s.LogLevel != -4 || !s.LogJSON {
		t.Errorf("%+v", s)
	}
	a, err := NewAggregator(forAggregator.with(env{"PULSE_TOKEN": "open-sesame-16ch\n"}).get)
	if err != nil || a.Token != "open-sesame-16ch" {
		t.Errorf("the token is %q, %v: a newline at a secret's end is not part of it", a.Token, err)
	}
}

func TestWhereTheProtocolsKeysLive(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name               string
		env                env
		publish            bool
		published, monitor string
	}{
		{"PULSE_REDIS_URL", env{"PULSE_REDIS_URL": "redis://pulse"}, true, "redis pulse:6379", "redis pulse:6379"},
		{"falls back to REDIS_URL", env{"REDIS_URL": "redis://app"}, true, "redis app:6379", "redis app:6379"},
		{"PULSE_REDIS_URL comes first", env{"PULSE_REDIS_URL": "redis://pulse", "REDIS_URL": "redis://app"}, true, "redis pulse:6379", "redis pulse:6379"},
		{"an empty one is not set", env{"PULSE_REDIS_URL": " ", "REDIS_URL": "redis://app"}, true, "redis app:6379", "redis app:6379"},
		{"the queues may live elsewhere", env{"PULSE_REDIS_URL": "redis://pulse", "PULSE_MONITOR_REDIS_URL": "redis://queues"}, true, "redis pulse:6379", "redis queues:6379"},
		{"a single look publishes nowhere", env{"PULSE_MONITOR_REDIS_URL": "redis://queues"}, false, "", "redis queues:6379"},
		{"a single look at the Redis to publish to", env{"REDIS_URL": "redis://app"}, false, "redis app:6379", "redis app:6379"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, err := NewRedisReporter(context.Background(), c.env.with(env{"PULSE_APP": "shop", "PULSE_BULLMQ_QUEUES": "orders"}).get, c.publish)
			if err != nil {
				t.Fatal(err)
			}
			published := ""
			if s.Redis != nil {
				published = s.Redis.String()
			}
			if published != c.published || s.Monitor.String() != c.monitor {
				t.Errorf("publishes to %q and monitors %q", published, s.Monitor)
			}
		})
	}
	if _, err := NewRedisReporter(context.Background(), env{"PULSE_APP": "shop", "PULSE_BULLMQ_QUEUES": "orders"}.get, false); err == nil || !strings.HasPrefix(err.Error(), "PULSE_REDIS_URL is not set") {
		t.Errorf("a single look at no Redis: %v", err)
	}
	for name, read := range map[string]func() error{
		"sqs-reporter": func() error {
			_, err := NewSQSReporter(context.Background(), env{"PULSE_APP": "shop"}.get, false)
			return err
		},
		"host": func() error { _, err := NewHost(env{"PULSE_APP": "shop"}.get, false); return err },
	} {
		if err := read(); err != nil {
			t.Errorf("a single look of %s needs no Redis: %v", name, err)
		}
	}
}

func TestOnlyLoopbackWithoutAToken(t *testing.T) {
	t.Parallel()
	for _, c := range []env{
		{"PULSE_LISTEN": "127.0.0.1:0"},
		{"PULSE_LISTEN": "127.8.8.8:80"},
		{"PULSE_LISTEN": "localhost:8787"},
		{"PULSE_LISTEN": "[::1]:8787"},
		{"PULSE_LISTEN": ":8787", "PULSE_TOKEN": "open-sesame-16ch"},
		{"PULSE_LISTEN": "0.0.0.0:8787", "PULSE_TOKEN": "open-sesame-16ch"},
		{"PULSE_LISTEN": "0.0.0.0:8787", "AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}, // nothing listens there
	} {
		if s, err := NewAggregator(forAggregator.with(c).get); err != nil || s.Listen != c["PULSE_LISTEN"] || s.Token != c["PULSE_TOKEN"] {
			t.Errorf("%v: %+v, %v", c, s, err)
		}
	}
}

func TestLogsAreJSONInLambdaUnlessToldOtherwise(t *testing.T) {
	t.Parallel()
	lambda := env{"AWS_LAMBDA_RUNTIME_API": "127.0.0.1:9001"}
	for _, c := range []struct {
		env  env
		want string
	}{
		{env{}, "level=INFO msg=info\nlevel=WARN msg=warn\n"},
		{env{"PULSE_LOG_FORMAT": "json", "PULSE_LOG_LEVEL": "WARN"}, `{"level":"WARN","msg":"warn"}` + "\n"},
		{lambda, `{"level":"INFO","msg":"info"}` + "\n" + `{"level":"WARN","msg":"warn"}` + "\n"},
		{lambda.with(env{"PULSE_LOG_FORMAT": "text", "PULSE_LOG_LEVEL": "error"}), ""},
		{env{"PULSE_LOG_LEVEL": "debug"}, "level=DEBUG msg=debug\nlevel=INFO msg=info\nlevel=WARN msg=warn\n"},
	} {
		s, err := NewAggregator(forAggregator.with(c.env).get)
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		log := s.Logger(&out)
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		got := logTime.ReplaceAllString(out.String(), "")
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%v: -want +got:\n%s", c.env, diff)
		}
	}
}
