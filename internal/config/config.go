// Package config reads the environment variables that set up the programs.
//
// Each program has one function, such as [NewAggregator] or [NewRedisReporter], which returns its settings.
// [WithSSM] lets variables name a parameter of AWS Systems Manager instead of holding a secret.
//
// An [Error] lists every variable that is wrong: its name, what it held and what it takes. No error holds a
// password or a token.
package config

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
	"github.com/gravito-framework/pulse/protocol"
)

// Error is a wrong environment. Each sentence is about one variable to mend. Programs end with status 2.
type Error struct{ problems []error }

func (e *Error) Error() string { return errors.Join(e.problems...).Error() }

// Getenv looks up a variable, like [os.Getenv].
type Getenv func(name string) string

// Common are the settings that every program takes.
type Common struct {
	LogLevel slog.Level
	LogJSON  bool
	Env      string // PULSE_ENV
}

// Reporting are the settings of programs that publish.
type Reporting struct {
	App, Source   string
	Interval, TTL time.Duration
	Redis         *redisconn.Address
}

// SQSReporter are the settings of functions/sqs-reporter.
type SQSReporter struct {
	Common
	Reporting
	Drivers []Driver
}

// RedisReporter are the settings of functions/redis-reporter.
type RedisReporter struct {
	Common
	Reporting
	Monitor *redisconn.Address // where the app's own queues live
	Drivers []Driver
}

// Host are the settings of probes/host.
type Host struct {
	Common
	Reporting
}

// Aggregator are the settings of functions/aggregator.
type Aggregator struct {
	Common
	// Recording is for an aggregator that records. In Lambda none does.
	Recording
	Redis  *redisconn.Address
	Listen string
	Token  string
}

// NewSQSReporter reads the environment. Without publish, as with -once, PULSE_REDIS_URL may be missing.
func NewSQSReporter(ctx context.Context, get Getenv, publish bool) (SQSReporter, error) {
	r := newReader(get)
	s := SQSReporter{Common: r.common(), Reporting: r.reporting("sqs", publish)}
	s.Drivers = r.open(ctx, builtin.Of(adapter.SQS), s.Reporting)
	return s, r.err()
}

// NewRedisReporter reads the environment. Without publish, PULSE_REDIS_URL may be missing where
// PULSE_MONITOR_REDIS_URL is set.
func NewRedisReporter(ctx context.Context, get Getenv, publish bool) (RedisReporter, error) {
	r := newReader(get)
	monitor := r.redis("PULSE_MONITOR_REDIS_URL")
	s := RedisReporter{Common: r.common(), Reporting: r.reporting("redis", publish || monitor == nil)}
	if s.Monitor = monitor; monitor == nil {
		s.Monitor = s.Redis
	}
	wanted := slices.DeleteFunc(builtin.Of(adapter.Redis), func(d builtin.Driver) bool { return r.get(d.Settings[0].Variable) == "" })
	s.Drivers = r.open(ctx, wanted, s.Reporting)
	if len(wanted) == 0 && r.get(adaptersVariable) == "" {
		r.add("there is nothing to poll: set one of %s to names or globs, comma-separated; * is all; or %s to a directory of .wasm files", strings.Join(redisVariables(), ", "), adaptersVariable)
	}
	if len(r.problems) == 0 { // compiling takes time
		s.Drivers = append(s.Drivers, r.plugins(ctx, s.Reporting, s.Logger(os.Stderr))...)
		if err := ctx.Err(); err != nil {
			return RedisReporter{}, fmt.Errorf("open the modules of %s: %w", adaptersVariable, err)
		}
	}
	return s, r.err()
}

// NewHost reads the environment. Without publish, PULSE_REDIS_URL may be missing.
func NewHost(get Getenv, publish bool) (Host, error) {
	r := newReader(get)
	s := Host{Common: r.common(), Reporting: r.reporting("", publish)}
	return s, r.err()
}

// minToken is how many characters a token has at least: guesses are slowed down, not stopped.
const minToken = 16

// NewAggregator reads the environment. In Lambda the program listens on no address, and the authentication
// of its Function URL may replace a token.
func NewAggregator(get Getenv) (Aggregator, error) {
	r := newReader(get)
	s := Aggregator{Common: r.common(), Redis: r.needRedis(), Token: r.get("PULSE_TOKEN")}
	if n := utf8.RuneCountInString(s.Token); n > 0 && n < minToken {
		r.add("PULSE_TOKEN has %d characters: it takes at least %d that cannot be guessed, such as the output of: openssl rand -hex 32", n, minToken)
	}
	if !InLambda(get) {
		s.Recording = r.recording()
	}
	s.Listen = r.or("PULSE_LISTEN", "127.0.0.1:8787")
	host, port, err := net.SplitHostPort(s.Listen)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	switch {
	case err != nil:
		r.wrong("PULSE_LISTEN", "an address and a port, such as 127.0.0.1:8787")
	case s.Token == "" && !InLambda(get) && !IsLoopback(host):
		r.wrong("PULSE_LISTEN", "a loopback address such as 127.0.0.1:8787 as long as PULSE_TOKEN is not set; set PULSE_TOKEN to listen to others")
	}
	return s, r.err()
}

// InLambda reports whether this process is a Lambda function.
func InLambda(get Getenv) bool { return get("AWS_LAMBDA_RUNTIME_API") != "" }

// reader looks up variables and collects what is wrong with them.
type reader struct {
	get      Getenv
	problems []error
}

func newReader(get Getenv) *reader {
	r := &reader{}
	r.get = r.withBlock(func(name string) string { return strings.TrimSpace(get(name)) })
	return r
}

func (r *reader) err() error {
	if len(r.problems) == 0 {
		return nil
	}
	return &Error{r.problems}
}

func (r *reader) add(format string, args ...any) {
	r.problems = append(r.problems, fmt.Errorf(format, args...))
}

// wrong adds the problem that the variable called name holds another value than it takes.
func (r *reader) wrong(name, takes string) { r.add("%s is %q: it takes %s", name, r.get(name), takes) }

func (r *reader) or(name, otherwise string) string {
	if v := r.get(name); v != "" {
		return v
	}
	return otherwise
}

func (r *reader) common() Common {
	c := Common{Env: r.or("PULSE_ENV", "production"), LogJSON: InLambda(r.get)}
	if err := c.LogLevel.UnmarshalText([]byte(r.or("PULSE_LOG_LEVEL", "info"))); err != nil {
		r.wrong("PULSE_LOG_LEVEL", "debug, info, warn or error")
	}
	switch r.get("PULSE_LOG_FORMAT") {
	case "":
	case "json", "text":
		c.LogJSON = r.get("PULSE_LOG_FORMAT") == "json"
	default:
		r.wrong("PULSE_LOG_FORMAT", "json or text")
	}
	return c
}

func (r *reader) reporting(source string, publish bool) Reporting {
	s := Reporting{
		App: r.get("PULSE_APP"), Source: r.or("PULSE_SOURCE", source),
		Interval: r.duration("PULSE_INTERVAL", 10*time.Second), TTL: r.duration("PULSE_TTL", protocol.DefaultTTL),
	}
	if s.App == "" {
		r.add("PULSE_APP is not set: it takes the name of the app that has these queues or hosts, such as shop")
	} else if err := protocol.CheckName("PULSE_APP", s.App); err != nil {
		r.problems = append(r.problems, err)
	}
	if s.Source != "" {
		if err := protocol.CheckName("PULSE_SOURCE", s.Source); err != nil {
			r.problems = append(r.problems, err)
		}
	}
	if s.Interval > 0 && s.TTL > 0 && s.TTL <= s.Interval {
		r.add("PULSE_TTL is %v: it takes more than PULSE_INTERVAL, which is %v, or a queue would vanish between two polls", s.TTL, s.Interval)
	}
	if publish {
		s.Redis = r.needRedis()
	} else {
		s.Redis = r.redis(r.redisVariable())
	}
	return s
}

func (r *reader) duration(name string, otherwise time.Duration) time.Duration {
	return r.durationWithin(name, otherwise, time.Second, protocol.IndexLife, "1s to 24h")
}

// durationWithin reads a duration. bounds is how an error says from where to where it goes.
func (r *reader) durationWithin(name string, otherwise, least, most time.Duration, bounds string) time.Duration {
	text := r.get(name)
	if text == "" {
		return otherwise
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		r.wrong(name, "a duration with its unit, such as 5s or 1m")
		return 0
	case d < least || d > most:
		r.wrong(name, "a duration from "+bounds)
		return 0
	}
	return d
}

func (r *reader) redisVariable() string {
	if r.get("PULSE_REDIS_URL") == "" && r.get("REDIS_URL") != "" {
		return "REDIS_URL"
	}
	return "PULSE_REDIS_URL"
}

func (r *reader) needRedis() *redisconn.Address {
	name := r.redisVariable()
	if r.get(name) == "" {
		r.add("PULSE_REDIS_URL is not set: it takes the Redis to publish to and read from, such as redis://127.0.0.1:6379")
		return nil
	}
	return r.redis(name)
}

func (r *reader) redis(name string) *redisconn.Address {
	text := r.get(name)
	if text == "" {
		return nil
	}
	parsed, err := redisconn.Parse(text)
	if err != nil {
		r.add("%s is %w", name, err)
		return nil
	}
	return parsed
}
