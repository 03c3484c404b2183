package redisconn

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Address is where a Redis is, and how to log in there.
type Address struct{ options redis.UniversalOptions }

// String is what to call this Redis in errors: its topology and addresses, no secret.
func (a *Address) String() string {
	addrs := strings.Join(a.options.Addrs, ",")
	switch {
	case a.options.MasterName != "":
		return "redis " + a.options.MasterName + " of sentinel " + addrs
	case a.options.IsClusterMode:
		return "redis cluster " + addrs
	}
	return "redis " + addrs
}

// Client makes a client, which connects when it is first used. Its time limits are short: a Redis
// that doesn't answer must cost a poll, not the program.
func (a *Address) Client() redis.UniversalClient {
	redis.SetLogger(quiet{})
	o := a.options
	o.Protocol = 2 // replies are the same in every version, and no server pushes anything
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.DisableIdentity = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = 2*time.Second, 5*time.Second, 5*time.Second, 5*time.Second
	o.ContextTimeoutEnabled = true
	o.DialerRetries = 1
	o.MaxRetries = 1 // one more, for a pooled connection that a restart of the server has broken
	o.PoolSize, o.MaxRedirects = 4, 3
	switch {
	case o.IsClusterMode:
		c := o.Cluster()
		// After a failover go-redis asks for the new topology that often; a refused connection alone does
		// not make it ask (redis/go-redis#3979), and its own default is a minute.
		c.ClusterStateReloadInterval = time.Second
		return redis.NewClusterClient(c)
	case o.MasterName != "" && o.SentinelPassword == "" && o.Password != "":
		o.Dialer = loggingIn(&o)
	}
	return redis.NewUniversalClient(&o)
}

// quiet keeps go-redis from logging on its own: what it says is in its errors, too, and those are
// logged once.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
