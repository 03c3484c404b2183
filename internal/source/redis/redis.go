package redis

import (
	"cmp"
	"context"
	"fmt"

	"github.com/redis/go-redis/v9"
	"golang.org/x/sync/errgroup"

	"github.com/gravito-framework/pulse/internal/redisconn"
	"github.com/gravito-framework/pulse/probes/adapter"
)

const (
	// batch is how many commands a source sends before it reads the replies: enough that round trips cost
	// nothing, few enough that Redis serves its other clients in between.
	batch = 1000
	// atOnce is how many batches are under way: while Redis works on one, the next is written or the
	// last one read. More would only wait for each other.
	atOnce = 2
)

// Source asks one Redis: a server or a cluster. It is safe for concurrent use.
type Source struct {
	client redis.UniversalClient
	name   string
}

// New makes a source of client. name is how errors call it, such as "redis 10.0.0.7:6379".
func New(client redis.UniversalClient, name string) *Source { return &Source{client, name} }

// Do answers each request, in order. A refusal by Redis is a reply; the adapter decides what it means. err without
// replies means that Redis could not be asked. Where only some nodes of a cluster could not be asked, Do refuses the
// requests to them, and err, beside the replies, names the nodes. Do sends nothing if one request is not read-only.
func (s *Source) Do(ctx context.Context, requests []adapter.Request) ([]adapter.Reply, error) {
	for _, r := range requests {
		if _, err := r.ReadOnly(); err != nil {
			return nil, err
		}
	}
	client := redisconn.Current(s.client) // one for all: if it is found to be a cluster's node meanwhile, they fail
	replies := make([]adapter.Reply, len(requests))
	var lost lostNodes
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for first := 0; first < len(requests); first += batch {
		last := min(first+batch, len(requests))
		group.Go(func() error { return ask(ctx, client, requests[first:last], replies[first:last], &lost) })
	}
	if err := cmp.Or(group.Wait(), lost.all(len(requests))); err != nil {
		return nil, fmt.Errorf("read from %s: %w", s.name, err)
	}
	if err := lost.err(); err != nil {
		return replies, fmt.Errorf("read from %s: %w", s.name, err)
	}
	return replies, nil
}

// ask answers one batch into replies.
func ask(ctx context.Context, client redis.UniversalClient, requests []adapter.Request, replies []adapter.Reply, lost *lostNodes) error {
	cluster, _ := client.(*redis.ClusterClient)
	cmds := make([]*redis.Cmd, len(requests))
	piped := make([]redis.Cmder, 0, len(requests))
	size := 0
	for _, r := range requests {
		size += len(r)
	}
	args := make([]any, 0, size) // of all commands: one allocation instead of one each
	for i, r := range requests {
		command, _ := r.ReadOnly() // Do has checked it
		if cluster != nil && command.Key == 0 {
			cmds[i] = askCluster(ctx, cluster, r, lost)
			continue
		}
		first := len(args)
		args = appendArguments(args, r, command, cluster != nil)
		cmds[i] = redis.NewCmd(ctx, args[first:len(args):len(args)]...)
		piped = append(piped, cmds[i])
	}
	pipe := client.Pipeline()
	_ = pipe.BatchProcess(ctx, piped...)
	if err := redisconn.Exec(ctx, pipe); err != nil {
		return err
	}
	for i, cmd := range cmds {
		var err error
		if replies[i], err = adapter.ReplyOf(cmd.Result()); err == nil {
			continue
		}
		if cluster == nil || ctx.Err() != nil {
			return err
		}
		replies[i] = lost.refuse(err)
	}
	return nil
}

// appendArguments appends r's as go-redis takes them. Texts are passed by reference: boxing each would
// cost more memory than all the replies. But go-redis looks at a command's name and, to find its node in
// a cluster, at its key.
func appendArguments(args []any, r adapter.Request, command adapter.ReadCommand, routed bool) []any {
	args = append(args, boxed[command.Word])
	for i := 1; i < len(r); i++ {
		if routed && i == command.Key {
			args = append(args, r[i])
			continue
		}
		args = append(args, &r[i])
	}
	return args
}

// arguments are those of a command that no key sends to a node.
func arguments(r adapter.Request) []any {
	command, _ := r.ReadOnly() // Do has checked it
	return appendArguments(nil, r, command, false)
}

// boxed are the commands' first words as go-redis takes them: boxed once, not for each request.
var boxed = func() map[string]any {
	words := map[string]any{}
	for _, c := range adapter.ReadCommands() {
		words[c.Word] = c.Word
	}
	return words
}()
