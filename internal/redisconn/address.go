package redisconn

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// Address is where a Redis is, and how to log in there.
type Address struct{ options redis.UniversalOptions }

// String names this Redis in errors: its topology and addresses, no secret.
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

// dialTimeout is how long a server may take until a connection is made, handshake included.
const dialTimeout = 2 * time.Second

// Client makes a client. Its time limits are short: a Redis that doesn't answer must cost a poll, not the
// program. A single host that is a node of a cluster is used as the whole cluster: Client asks it at once, for at
// most two seconds and until ctx ends, and if it does not answer, the client asks it when it connects. [Current]
// is what is used now. When ctx has ended, no reply that is under way is waited for longer than half a second.
func (a *Address) Client(ctx context.Context) redis.UniversalClient { return a.client(ctx, ctx) }

// client is [Address.Client], of which life is the program's.
func (a *Address) client(ctx, life context.Context) redis.UniversalClient {
	redis.SetLogger(quiet{})
	o := a.options
	o.Protocol = 2 // replies are the same in every version, and no server pushes anything
	o.MaintNotificationsConfig = &maintnotifications.Config{Mode: maintnotifications.ModeDisabled}
	o.DisableIdentity = true
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout, o.PoolTimeout = dialTimeout+probeTimeout, 5*time.Second, 5*time.Second, 5*time.Second
	o.ContextTimeoutEnabled = true
	o.DialerRetries = 1
	o.MaxRetries = 1 // one more, for a pooled connection that a restart of the server has broken
	o.PoolSize, o.MaxRedirects = 4, 3
	o.OnConnect = noTouch
	dial := bounded(life, redis.NewDialer(&redis.Options{DialTimeout: dialTimeout, TLSConfig: o.TLSConfig}), o.TLSConfig != nil)
	if o.MasterName != "" && o.SentinelPassword == "" && o.Password != "" {
		dial = loggingIn(&o, dial)
	}
	o.Dialer = dial
	switch {
	case o.IsClusterMode:
		return clusterClient(&o)
	case o.MasterName != "":
		client := redis.NewUniversalClient(&o)
		client.AddHook(knowingMaster{o.MasterName, strings.Join(o.Addrs, ",")})
		return client
	}
	host := newOneHost(o.Simple(), func() *redis.ClusterClient { return clusterClient(&o) })
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	_ = host.Ping(ctx).Err()
	return host
}

// Pinger makes a function that pings this Redis on a connection of its own, because other connections may be
// busy. The function connects when it is first used, and is safe for concurrent use.
func (a *Address) Pinger() func(ctx context.Context) error {
	var once sync.Once
	var client redis.UniversalClient
	return func(ctx context.Context) error {
		once.Do(func() { client = a.client(ctx, context.Background()) })
		return client.Ping(ctx).Err()
	}
}

func clusterClient(o *redis.UniversalOptions) *redis.ClusterClient {
	c := o.Cluster()
	// After a failover go-redis asks for the new topology that often; a refused connection alone does
	// not make it ask (redis/go-redis#3979), and its own default is a minute.
	c.ClusterStateReloadInterval = time.Second
	// A node that hangs must leave time for the others within one poll.
	c.ReadTimeout = 3 * time.Second
	var answeredAt atomic.Int64
	c.NewClient = func(node *redis.Options) *redis.Client {
		b := &breaker{answeredAt: &answeredAt}
		node.Limiter = b
		client := redis.NewClient(node)
		client.AddHook(b)
		return client
	}
	return redis.NewClusterClient(c)
}

// errNodeOfCluster is why a single server is not asked: it would answer for its own part of the keys, and no
// number would show that the others are missing.
var errNodeOfCluster = errors.New("it is a node of a Redis Cluster, and is used as a cluster from now on")

// isNodeOfCluster reports whether a new connection is one to a node of a cluster. Every user may send HELLO, with no
// rights at all; servers before Redis 6 don't have it.
func isNodeOfCluster(ctx context.Context, cn *redis.Conn) bool {
	about, err := cn.Hello(ctx, 2, "", "", "").Result()
	return err == nil && about["mode"] == "cluster"
}

// noTouch asks Redis not to count our reads as use of a key, so that they don't change which keys a full
// server evicts. Servers before Redis 7.2 don't have it, and a user may lack the right: then our reads count.
func noTouch(ctx context.Context, cn *redis.Conn) error {
	_ = cn.Do(ctx, "CLIENT", "NO-TOUCH", "ON").Err()
	return nil
}

// quiet keeps go-redis from logging on its own: its errors say the same, and our programs log those once.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}
