package redisconn

import (
	"cmp"
	"errors"
	"net/url"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/redis/go-redis/v9"

	"github.com/gravito-framework/pulse/internal/servertest"
)

func TestARedisURLSaysWhereToConnect(t *testing.T) {
	t.Parallel()
	type want struct {
		Addrs              []string
		Username, Password string
		DB                 int
		TLS                string // the name that the server's certificate must have
		Master             string
		SentinelLogin      string
		Cluster            bool
		Called             string // by String, in errors
	}
	for _, c := range []struct {
		url  string
		want want
	}{
		{"redis://cache", want{Addrs: []string{"cache:6379"}, Called: "redis cache:6379"}},
		{"redis://cache:7000/3", want{Addrs: []string{"cache:7000"}, DB: 3, Called: "redis cache:7000"}},
		{"redis://cache?db=3", want{Addrs: []string{"cache:6379"}, DB: 3, Called: "redis cache:6379"}},
		{"redis://:sesame@cache/1", want{Addrs: []string{"cache:6379"}, Password: "sesame", DB: 1, Called: "redis cache:6379"}},
		{"redis://ada:sesame@cache", want{Addrs: []string{"cache:6379"}, Username: "ada", Password: "sesame", Called: "redis cache:6379"}},
		{"redis://:p%40ss%2Fw%3Frd%2C%23@cache", want{Addrs: []string{"cache:6379"}, Password: "p@ss/w?rd,#", Called: "redis cache:6379"}},
		{"redis://:p@ss@cache", want{Addrs: []string{"cache:6379"}, Password: "p@ss", Called: "redis cache:6379"}},
		{"redis://:pa,ss@cache", want{Addrs: []string{"cache:6379"}, Password: "pa,ss", Called: "redis cache:6379"}},
		{"rediss://:sesame@cache:6380", want{Addrs: []string{"cache:6380"}, Password: "sesame", TLS: "cache", Called: "redis cache:6380"}},
		{"redis://[::1]", want{Addrs: []string{"[::1]:6379"}, Called: "redis [::1]:6379"}},
		{"redis://:sesame@[fe80::7]:7000/2", want{Addrs: []string{"[fe80::7]:7000"}, Password: "sesame", DB: 2, Called: "redis [fe80::7]:7000"}},
		{"unix:///run/redis.sock", want{Addrs: []string{"/run/redis.sock"}, Called: "redis /run/redis.sock"}},
		{"unix://ada:sesame@/run/redis.sock?db=2", want{Addrs: []string{"/run/redis.sock"}, Username: "ada", Password: "sesame", DB: 2, Called: "redis /run/redis.sock"}},

		{"redis://a:7000,b:7001,c", want{Addrs: []string{"a:7000", "b:7001", "c:6379"}, Cluster: true, Called: "redis cluster a:7000,b:7001,c:6379"}},
		{"redis://a:7000,redis://b:7001", want{Addrs: []string{"a:7000", "b:7001"}, Cluster: true, Called: "redis cluster a:7000,b:7001"}},
		{"redis://:sesame@a,b", want{Addrs: []string{"a:6379", "b:6379"}, Password: "sesame", Cluster: true, Called: "redis cluster a:6379,b:6379"}},
		{"redis://:sesame@a,redis://:sesame@b", want{Addrs: []string{"a:6379", "b:6379"}, Password: "sesame", Cluster: true, Called: "redis cluster a:6379,b:6379"}},
		{"redis://:sesame@a/0,redis://b/0", want{Addrs: []string{"a:6379", "b:6379"}, Password: "sesame", Cluster: true, Called: "redis cluster a:6379,b:6379"}},
		{"rediss://[::1]:7000,[::2]", want{Addrs: []string{"[::1]:7000", "[::2]:6379"}, TLS: "each its own", Cluster: true, Called: "redis cluster [::1]:7000,[::2]:6379"}},

		{"redis+sentinel://s1/queues", want{Addrs: []string{"s1:26379"}, Master: "queues", Called: "redis queues of sentinel s1:26379"}},
		{"redis+sentinel://s1:6379/queues", want{Addrs: []string{"s1:6379"}, Master: "queues", Called: "redis queues of sentinel s1:6379"}},
		{"redis+sentinel://ada:sesame@s1:1,s2/queues/4", want{Addrs: []string{"s1:1", "s2:26379"}, Username: "ada", Password: "sesame", DB: 4, Master: "queues", Called: "redis queues of sentinel s1:1,s2:26379"}},
		{"redis+sentinel://s1/queues?db=4", want{Addrs: []string{"s1:26379"}, DB: 4, Master: "queues", Called: "redis queues of sentinel s1:26379"}},
		{"rediss+sentinel://ada:sesame@s1/queues", want{Addrs: []string{"s1:26379"}, Username: "ada", Password: "sesame", TLS: "each its own", Master: "queues", Called: "redis queues of sentinel s1:26379"}},
		{
			"redis+sentinel://ada:sesame@s1/queues?db=4&sentinel_username=eva&sentinel_password=p%23%3Fw",
			want{Addrs: []string{"s1:26379"}, Username: "ada", Password: "sesame", DB: 4, Master: "queues", SentinelLogin: "eva:p#?w", Called: "redis queues of sentinel s1:26379"},
		},
		{"redis+sentinel://ada:sesame@s1/queues?sentinel_password=o+p@n", want{Addrs: []string{"s1:26379"}, Username: "ada", Password: "sesame", Master: "queues", SentinelLogin: ":o+p@n", Called: "redis queues of sentinel s1:26379"}},
		{"redis+sentinel://s1/queues?sentinel_password=open", want{Addrs: []string{"s1:26379"}, Master: "queues", SentinelLogin: ":open", Called: "redis queues of sentinel s1:26379"}},
		{"redis+sentinel://[::1],[::2]:7/queues", want{Addrs: []string{"[::1]:26379", "[::2]:7"}, Master: "queues", Called: "redis queues of sentinel [::1]:26379,[::2]:7"}},
	} {
		t.Run(c.url, func(t *testing.T) {
			t.Parallel()
			r, err := Parse(c.url)
			if err != nil {
				t.Fatal(err)
			}
			o := r.options
			got := want{Addrs: o.Addrs, Username: o.Username, Password: o.Password, DB: o.DB, Master: o.MasterName, Cluster: o.IsClusterMode, Called: r.String()}
			if o.TLSConfig != nil {
				got.TLS = cmp.Or(o.TLSConfig.ServerName, "each its own")
			}
			if o.SentinelPassword != "" {
				got.SentinelLogin = o.SentinelUsername + ":" + o.SentinelPassword
			}
			if diff := gocmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestAWrongRedisURLIsShownWithoutWhatMayBeAPassword(t *testing.T) {
	t.Parallel()
	const noURL = "no URL of a Redis; it is not shown here because it may hold a password: " + takes
	const behind = "there is an @ behind the host. " + escapes
	for text, want := range map[string]string{
		"sesame":                        noURL,
		"cache:6379":                    noURL,
		"http://ada:sesame@cache":       noURL,
		"redis:ada:sesame@cache":        noURL,
		"sesame@redis://cache":          noURL,
		"redis://cache:port":            `"redis://***": ` + takes,
		"redis://:sesame":               `"redis://***": ` + takes,
		"redis://ada:sesame":            `"redis://***": ` + takes,
		"redis://cache/one":             `"redis://cache/one": ` + takes,
		"redis://cache/1/2":             `"redis://cache/1/2": ` + takes,
		"redis://cache/-1":              `"redis://cache/-1": a database is a number from 0`,
		"redis://cache?db=-1":           `"redis://cache": a database is a number from 0`,
		"redis://cache?password=sesame": `"redis://cache": ` + takes,
		"redis://:sesame@cache/one":     `"redis://***@cache/one": ` + takes,
		"redis://:ses/ame@cache":        `"redis://***@cache": ` + behind,
		"redis://:ses?ame@cache":        `"redis://***": ` + behind,
		"redis://:ses#ame@cache":        `"redis://***@cache": write a # as %23, in a password too`,
		"redis://ada:57#sesame@cache":   `"redis://***@cache": write a # as %23, in a password too`,
		"redis://ada:57#sesame":         `"redis://***": write a # as %23, in a password too`,
		"rediss://57#sesame":            `"rediss://***": write a # as %23, in a password too`,
		"unix://ada:57#s@/run/s":        `"unix://***@/run/s": write a # as %23, in a password too`,
		"redis://:57#sesame@a,b":        `"redis://***@a,b": write a # as %23, in a password too`,
		"redis://:ses%ame@cache":        `"redis://***@cache": ` + escapes,
		"redis://:ses[ame@cache":        `"redis://***@cache": ` + escapes,
		"redis://:ses ame@cache":        `"redis://***@cache": ` + escapes,
		"redis://:sesame@cache?x=a@b":   `"redis://***": ` + takes,
		"unix://ada:sesame@":            `"unix://***@": ` + takes,

		// A password of digits before a '/' or '?': nothing may be dialled.
		"redis://:57/ses@cache":                `"redis://***@cache": ` + behind,
		"redis://:57?ses@cache":                `"redis://***": ` + behind,
		"redis://ada:57/ses@cache/1":           `"redis://***@cache/1": ` + behind,
		"unix://:57/ses@/run/s":                `"unix://***@/run/s": ` + behind,
		"redis+sentinel://:57/ses@s1":          `"redis+sentinel://***@s1": ` + behind,
		"redis+sentinel://:57/ses@s1/0":        `"redis+sentinel://***@s1/0": ` + behind,
		"rediss+sentinel://ada:57?ses@s1/jobs": `"rediss+sentinel://***": ` + behind,

		"redis://a,b/1":                                      `"redis://a,b/1": a Redis Cluster has database 0 only`,
		"redis://a,,b":                                       `"redis://***": one of its hosts is empty`,
		"redis://a,":                                         `"redis://a,": one of its hosts is empty`,
		"redis://:sesame@a,rediss://:sesame@b":               `"redis://***@b": ` + behind,
		"redis://a,rediss://:sesame@b":                       `"redis://***@b": ` + behind,
		"redis://:sesame@a,redis://:simsim@b":                `"redis://***@b": all hosts take the same user and password`,
		"redis://:sesame@a,:sesame@b":                        `"redis://***@b": the user and password stand once, before the first host; write an @ in them as %40`,
		"redis://a/0,redis://b/1":                            `"redis://***": all hosts take the same path`,
		"redis+sentinel://:sesame@s1":                        `"redis+sentinel://***@s1": ` + takes,
		"redis+sentinel://s1/":                               `"redis+sentinel://s1/": ` + takes,
		"redis+sentinel:///queues":                           `"redis+sentinel:///queues": ` + takes,
		"redis+sentinel://:sesame@s1/queues/one":             `"redis+sentinel://***@s1/queues/one": ` + takes,
		"redis+sentinel://:57#sesame@s1/queues":              `"redis+sentinel://***@s1/queues": write a # as %23, in a password too`,
		"redis+sentinel://s1/queues?sentinel_password=%zz":   `"redis+sentinel://s1/queues": its query is not name=value&name=value, escaped`,
		"redis+sentinel://s1/queues?sentinel_pasword=sesame": `"redis+sentinel://s1/queues": ` + takes,
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			r, err := Parse(text)
			if err == nil {
				t.Fatalf("is taken as %s", r)
			}
			if diff := gocmp.Diff(want, err.Error()); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// FuzzParse puts any text where a password goes, escaped and not.
func FuzzParse(f *testing.F) {
	for _, password := range []string{"sesame", "se/same", "se?same", "se@same", "se,same", "se#same", "%zzsesame", "a,redis://b", "::1]:sesame", "ses ame\n", "se@same?", "/0?db=1@", "a@b,c@d"} {
		for shape := range fuzzShapes {
			f.Add(password, shape)
		}
	}
	f.Fuzz(func(t *testing.T, password string, shape int) {
		shape &= 0xff
		text := strings.ReplaceAll(fuzzShapes[shape%len(fuzzShapes)], "PASSWORD", password)
		if _, err := Parse(text); err != nil && leaks(err, password) {
			t.Errorf("the password %q of %q is in the error: %v", password, text, err)
		}
		escaped := strings.ReplaceAll("redis://ada:PASSWORD@cache:7000/3", "PASSWORD", url.QueryEscape(password))
		escaped = strings.ReplaceAll(escaped, "+", "%20")
		r, err := Parse(escaped)
		if err != nil {
			t.Fatalf("%q is refused: %v", escaped, err)
		}
		if r.options.Password != password || r.String() != "redis cache:7000" {
			t.Errorf("%q is read as %q of %s", escaped, r.options.Password, r)
		}
	})
}

var fuzzShapes = []string{
	"redis://:PASSWORD@cache:7000", "redis://ada:PASSWORD@cache/x", "redis://ada:PASSWORD@cache:x", "rediss://:PASSWORD@a,b/1",
	"redis://:PASSWORD@a,redis://:PASSWORD@b/1", "redis+sentinel://:PASSWORD@s1", "unix://:PASSWORD@",
	"rediss+sentinel://s1/queues/x?sentinel_password=PASSWORD", "redis://cache/x?password=PASSWORD", "redis://PASSWORD@cache/x", "PASSWORD", "ada:PASSWORD@cache",
}

// leaks reports whether an error holds the password. A part of the sentence that looks like a short password is
// no leak.
func leaks(err error, password string) bool {
	if len(password) < 4 {
		return false
	}
	for _, harmless := range append(fuzzShapes, takes, "no URL of a Redis; it is not shown here because it may hold a password: ",
		"redis+sentinel://***@s1", "redis://***@cache:7000", "redis://***@cache/x", "***@a,b/1", "***@b/1", `"unix://***@": it`, `://***": it takes`, `"redis://***@cache": it`,
		`/x": it takes`, `/1": a Redis Cluster has database 0 only`, "one of its hosts is empty", "all hosts take the same user and password", "all hosts take the same path",
		"the user and password stand once, before the first host; write an @ in them as %40") {
		if strings.Contains(harmless, password) {
			return false
		}
	}
	return strings.Contains(err.Error(), password)
}

func TestAClientConnectsByEachKindOfURL(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	socket := t.TempDir() + "/s"
	server := servertest.Redis(t, "--unixsocket", socket)
	if err := server.Client.Do(ctx, "ACL", "SETUSER", "ada", "on", ">p@ss/w?rd", "~*", "+@all").Err(); err != nil {
		t.Fatal(err)
	}
	if err := server.Client.Do(ctx, "ACL", "SETUSER", "default", ">p@ss/w?rd").Err(); err != nil {
		t.Fatal(err)
	}
	const login = "ada:p%40ss%2Fw%3Frd@"
	sentinel := func(settings ...string) string { return servertest.Sentinel(t, "queues", server, settings...).Addr }
	open, locked := sentinel(), sentinel("requirepass p@ss/w?rd")
	withUser := sentinel("user ada on >p@ss/w?rd ~* &* +@all", "user default off")
	own := sentinel("requirepass its-own")
	cluster := servertest.Cluster(t)
	for _, text := range []string{
		"redis://" + login + server.Addr + "/3",
		"unix://" + login + socket + "?db=3",
		"redis+sentinel://" + login + open + "/queues/3",
		"redis+sentinel://" + login + withUser + "/queues/3",
		"redis+sentinel://" + login + own + "/queues/3?sentinel_password=its-own",
		"redis+sentinel://:p%40ss%2Fw%3Frd@" + locked + "/queues/3",
		"redis://" + strings.Join(cluster, ","),
	} {
		r, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		client := r.Client(t.Context())
		defer client.Close()
		if err := client.Set(ctx, "name", text, 0).Err(); err != nil {
			t.Errorf("%s: %v", r, err)
			continue
		}
		if got, err := client.Get(ctx, "name").Result(); got != text || err != nil {
			t.Errorf("%s: %q, %v", r, got, err)
		}
	}
	in := server.Client.Info(ctx, "keyspace").Val()
	if !strings.Contains(in, "db3:keys=1") || strings.Contains(in, "db0:") {
		t.Errorf("the database of the URL is not the one that is used: %s", in)
	}
}

func TestAnErrorOfTheClientHasNoPassword(t *testing.T) {
	t.Parallel()
	server := servertest.Redis(t)
	for _, text := range []string{
		"redis://ada:sesame@" + server.Addr, // no such user
		"redis://ada:sesame@127.0.0.1:1",
		"redis://ada:sesame@127.0.0.1:1,127.0.0.1:2",
		"redis+sentinel://ada:sesame@127.0.0.1:1/queues",
		"unix://ada:sesame@/nowhere",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			r, err := Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			client := r.Client(t.Context())
			defer client.Close()
			err = client.Ping(t.Context()).Err()
			if err == nil || errors.Is(err, redis.Nil) || strings.Contains(err.Error(), "sesame") {
				t.Error(err)
			}
		})
	}
}
