package redisconn

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/redis/go-redis/v9"
)

// Masters lists the servers that hold keys: the masters of a cluster, else the one server. The order stays the
// same.
func Masters(ctx context.Context, client redis.UniversalClient) ([]*redis.Client, error) {
	client = Current(client)
	cluster, ok := client.(*redis.ClusterClient)
	if !ok {
		if one, ok := client.(*redis.Client); ok {
			return []*redis.Client{one}, nil
		}
		return nil, fmt.Errorf("%T is neither a client of one Redis nor of a cluster", client)
	}
	var mu sync.Mutex
	var masters []*redis.Client
	err := cluster.ForEachMaster(ctx, func(_ context.Context, m *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		masters = append(masters, m)
		return nil
	})
	if err == nil && len(masters) == 0 {
		err = errors.New("the cluster has no masters")
	}
	slices.SortFunc(masters, func(a, b *redis.Client) int { return cmp.Compare(a.Options().Addr, b.Options().Addr) })
	return masters, err
}
