package config

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Redis is where to connect to.
type Redis struct{ options redis.UniversalOptions }

const redisTakes = "it takes redis://host:6379, rediss:// for TLS, unix:///path, several comma-separated hosts for Redis Cluster, or redis+sentinel://host:26379/master"

// ParseRedis reads a Redis URL. Its error goes on after "PULSE_REDIS_URL is" and never holds the
// password.
func ParseRedis(text string) (*Redis, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil, fmt.Errorf("no URL; it is not shown here because it may hold a password: %s", redisTakes)
	}
	login, hosts, path := split(strings.ReplaceAll(rest, ","+scheme+"://", ","))
	wrong := func() error {
		shown, _, _ := strings.Cut(path, "?") // a query may hold a password, too
		if login != "" {
			hosts = "***@" + hosts
		}
		return fmt.Errorf("%q: %s", scheme+"://"+hosts+shown, redisTakes)
	}
	var o redis.UniversalOptions
	if scheme == "redis+sentinel" {
		master, rest, _ := cutAny(strings.TrimPrefix(path, "/"), "/?")
		if master == "" {
			return nil, wrong()
		}
		o.MasterName, scheme, path = master, "redis", rest
	}
	o.Addrs = strings.Split(hosts, ",")
	for i, host := range o.Addrs {
		one, err := redis.ParseURL(scheme + "://" + login + host + path)
		if err != nil {
			return nil, wrong() // not err, which may quote the URL with its password
		}
		o.Addrs[i] = one.Addr
		if o.MasterName != "" && !strings.Contains(host, ":") {
			o.Addrs[i] = net.JoinHostPort(host, "26379")
		}
		o.Username, o.Password, o.DB, o.TLSConfig = one.Username, one.Password, one.DB, one.TLSConfig
	}
	if o.IsClusterMode = len(o.Addrs) > 1 && o.MasterName == ""; o.IsClusterMode && o.DB != 0 {
		return nil, wrong() // a cluster has database 0 only
	}
	return &Redis{o}, nil
}

// split takes apart what follows the scheme: "user:password@", the hosts, and the path with query.
func split(rest string) (login, hosts, path string) {
	hosts, path, found := cutAny(rest, "/?")
	if found {
		path = rest[len(hosts):]
	}
	if i := strings.LastIndexByte(hosts, '@'); i >= 0 {
		login, hosts = hosts[:i+1], hosts[i+1:]
	}
	return login, hosts, path
}

// cutAny is strings.Cut before the first of chars; after begins with that character.
func cutAny(s, chars string) (before, after string, found bool) {
	if i := strings.IndexAny(s, chars); i >= 0 {
		return s[:i], s[i:], true
	}
	return s, "", false
}

// String is what to call this Redis in errors: its topology and addresses, no secret.
func (r *Redis) String() string {
	addrs := strings.Join(r.options.Addrs, ",")
	switch {
	case r.options.MasterName != "":
		return "redis " + r.options.MasterName + " of sentinel " + addrs
	case r.options.IsClusterMode:
		return "redis cluster " + addrs
	}
	return "redis " + addrs
}

// Client makes a client, which connects when it is first used. Its time limits are short: a Redis
// that doesn't answer must cost a poll, not the program.
func (r *Redis) Client() redis.UniversalClient {
	redis.SetLogger(quiet{})
	o := r.options
	o.Protocol = 2 // replies are the same in every version, and no server pushes anything
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.DisableIdentity = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = 2*time.Second, 5*time.Second, 5*time.Second, 5*time.Second
	o.ContextTimeoutEnabled = true
	o.DialerRetries = 1
	o.MaxRetries = 1 // one more, for a pooled connection that a restart of the server has broken
	o.PoolSize, o.MaxRedirects = 4, 3
	return redis.NewUniversalClient(&o)
}

// quiet keeps go-redis from logging on its own: what it says is in its errors, too, and those are
// logged once.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
