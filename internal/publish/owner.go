package publish

import (
	"context"
	"fmt"
	"time"
)

// ownerLife is how long a claim stands without being renewed, at least: one that is renewed seldom
// stands for two of its intervals.
const ownerLife = 45 * time.Second

func claimLife(interval time.Duration) time.Duration { return max(ownerLife, 2*interval) }

// Claim makes id the owner of a reporter, in place of the owner before: EventBridge may start a function while the
// one before it still runs, and the newest goes on. The owner renews its claim every interval. Lambda may have
// frozen this process for hours: Redis' time is asked for in the same round trip.
func (p *Store) Claim(ctx context.Context, reporter, id string, interval time.Duration) error {
	pipe := p.client.Pipeline()
	_, asked := p.clock.local()
	pipe.Set(ctx, ownerKey(reporter), id, claimLife(interval))
	if err := p.execWithTime(ctx, pipe, asked); err != nil {
		return fmt.Errorf("claim %s at %s: %w", ownerKey(reporter), p.name, WithRemedy(err, ownerKey(reporter)))
	}
	return nil
}

// renew refreshes a claim if it is still ours, or takes it if it has run out. One that would never run out is no claim:
// nobody renews it. Where Redis refuses to say when, it is one.
const renew = try + `
local owner = try('GET', KEYS[1])
if type(owner) == 'table' then return owner end
if owner and owner ~= ARGV[1] then
  local left = try('PTTL', KEYS[1])
  if type(left) == 'table' or left >= 0 then return 0 end
end
local set = try('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if set.err then return set end
return 1`

// Renew keeps a claim alive. It returns false where another owner has the reporter.
func (p *Store) Renew(ctx context.Context, reporter, id string, interval time.Duration) (bool, error) {
	n, err := p.client.Eval(ctx, renew, []string{ownerKey(reporter)}, id, claimLife(interval).Milliseconds()).Int()
	if err != nil {
		return false, fmt.Errorf("renew %s at %s: %w", ownerKey(reporter), p.name, WithRemedy(err, ownerKey(reporter)))
	}
	return n == 1, nil
}

// release ends a claim, if it is still ours.
const release = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

// Release ends a claim, so that another owner need not wait until it has run out.
func (p *Store) Release(ctx context.Context, reporter, id string) error {
	if err := p.client.Eval(ctx, release, []string{ownerKey(reporter)}, id).Err(); err != nil {
		return fmt.Errorf("release %s at %s: %w", ownerKey(reporter), p.name, err)
	}
	return nil
}

func ownerKey(reporter string) string { return "pulse:owner:" + reporter }
