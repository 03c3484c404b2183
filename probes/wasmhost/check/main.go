// Command check checks an adapter that is a WebAssembly module, and shows what it reads:
//
//	go run ./probes/wasmhost/check -redis redis://127.0.0.1:6379 -set queues=* my.wasm
//
// It checks what the module imports and exports, how it describes itself and whether it takes the
// settings. With a Redis it polls twice, the second time from what the module remembers.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/gravito-framework/pulse/internal/poll"
	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/internal/runtime"
	sourceredis "github.com/gravito-framework/pulse/internal/source/redis"
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/wasmhost"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	status := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// settings are those of -set.
type settings adapter.Settings

func (s settings) String() string { return "" }

func (s settings) Set(text string) error {
	name, value, ok := strings.Cut(text, "=")
	if !ok || name == "" {
		return errors.New("it takes name=value")
	}
	s[name] = value
	return nil
}

// run returns the status that the process ends with: 1 where something is wrong with the module, 2 with
// the command line.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("check", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: check [-redis URL] [-app NAME] [-set name=value]… [-cache DIR] module.wasm, or check -version")
		flags.PrintDefaults()
	}
	c := checker{out: stdout, settings: settings{}}
	url := flags.String("redis", "", "poll the Redis at this `URL`, which is only read")
	app := flags.String("app", "shop", "the app's `name`")
	flags.Var(c.settings, "set", "a setting of the adapter, as `name=value`; several times for several")
	version := flags.Bool("version", false, "print the version, and end")
	flags.StringVar(&c.cache, "cache", "", "keep the compiled module in this `directory`, such as that of a Lambda package")
	if err := flags.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if *version {
		fmt.Fprintln(stdout, "check", runtime.Version())
		return 0
	}
	if flags.NArg() != 1 {
		flags.Usage()
		return 2
	}
	c.settings["app"] = *app
	if *url != "" {
		address, err := redisconn.Parse(*url)
		if err != nil {
			fmt.Fprintf(stderr, "check: -redis is %v\n", err)
			return 2
		}
		client := address.Client(ctx)
		defer client.Close()
		c.source = &counting{source: sourceredis.New(client, address.String())}
	}
	wasm, err := wasmhost.ReadFile(flags.Arg(0))
	if err != nil {
		fmt.Fprintf(stderr, "check: %s cannot be read: %v\n", flags.Arg(0), err)
		return 2
	}
	fmt.Fprintf(stdout, "%s: %d bytes\n", flags.Arg(0), len(wasm))
	if err := c.check(ctx, wasm); err != nil {
		fmt.Fprintf(stdout, "WRONG: %v\n", err)
		return 1
	}
	return 0
}

type checker struct {
	out      io.Writer
	settings settings
	cache    string
	source   *counting // nil where there is no Redis to poll
}

func (c *checker) say(what, format string, args ...any) {
	fmt.Fprintf(c.out, "  %-9s  %s\n", what, fmt.Sprintf(format, args...))
}

func (c *checker) check(ctx context.Context, wasm []byte) error {
	imports, exports, err := wasmhost.Inspect(wasm)
	if err != nil {
		return err
	}
	var wanted []string
	var system []string // of WASI, by their names: there are many
	for _, i := range imports {
		if i.Kind == "function" && i.Module == wasmhost.WASI {
			system = append(system, strconv.Quote(i.Name))
		} else {
			wanted = append(wanted, i.String())
		}
	}
	if system != nil {
		wanted = append(wanted, "of "+wasmhost.WASI+" "+strings.Join(system, " "))
	}
	c.say("imports", "%s", list(wanted))
	c.say("exports", "%s", list(exports))
	o := wasmhost.Options{Strict: true, CacheDir: c.cache, Log: slog.New(slog.NewTextHandler(c.out, nil))}
	began := time.Now()
	module, err := wasmhost.Load(ctx, wasm, o)
	if err != nil {
		return err
	}
	defer module.Close(ctx)
	c.say("loads", "in %v", rounded(time.Since(began)))
	about := module.Describe()
	c.say("describes", "%s, version %s, asks %s: %s", about.Name, about.Version, about.Source, strings.Join(about.Commands, ", "))
	began = time.Now()
	session, err := module.Open(ctx, adapter.Settings(c.settings))
	if err != nil {
		return fmt.Errorf("it does not take these settings: %w", err)
	}
	defer session.Close()
	c.say("opens", "in %v", rounded(time.Since(began)))
	switch {
	case about.Source != adapter.Redis:
		c.say("polls", "not tried: there is only a Redis to ask here, and it asks %s", about.Source)
		return nil
	case c.source == nil:
		c.say("polls", "not tried: name a Redis by -redis, such as -redis redis://127.0.0.1:6379")
		return nil
	}
	for n := 1; n <= 2; n++ {
		if err := c.poll(ctx, n, session); err != nil {
			return fmt.Errorf("poll %d: %w", n, err)
		}
	}
	return nil
}

// poll polls once, and shows the last snapshot.
func (c *checker) poll(ctx context.Context, n int, session adapter.Session) error {
	*c.source = counting{source: c.source.source}
	began := time.Now()
	snapshot, err := (&poll.Poller{Session: session, Source: c.source}).Poll(ctx, began)
	took := time.Since(began)
	if err != nil {
		return err
	}
	used := session.(*wasmhost.Session).Usage()
	c.say(fmt.Sprintf("poll %d", n), "requests: %d, rounds: %d of at most %d, queues: %d; %v of %v in the guest; %d bytes of memory",
		c.source.requests, c.source.rounds, adapter.MaxRounds, len(snapshot.Queues), rounded(used.RunTime), rounded(took), used.Memory)
	if n == 1 {
		return nil
	}
	return runtime.WriteJSON(c.out, snapshot.EncodeUsable)
}

func rounded(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, ", ")
}

// counting counts what a poll asks.
type counting struct {
	source           *sourceredis.Source
	rounds, requests int
}

func (c *counting) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	c.rounds++
	c.requests += len(requests)
	return c.source.Do(ctx, requests)
}
