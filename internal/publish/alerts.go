package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/gravito-framework/pulse/protocol"
)

const (
	// alertsLife is how long the states of alerts live after they were last saved.
	alertsLife = 7 * 24 * time.Hour
	// alertsMark is the field that changes with each save. All others are alerts, by their fingerprint.
	alertsMark = "look"
)

// Alerts returns the states of all alerts, by fingerprint, and the mark of the save that made them so; "" is none.
func (p *Store) Alerts(ctx context.Context) (states map[string]string, mark string, err error) {
	states, err = p.client.HGetAll(ctx, protocol.AlertsKey).Result()
	if err != nil {
		return nil, "", fmt.Errorf("read %s at %s: %w", protocol.AlertsKey, p.name, WithRemedy(err, protocol.AlertsKey))
	}
	mark = states[alertsMark]
	delete(states, alertsMark)
	return states, mark, nil
}

// saveAlerts changes the hash if it still has the mark (ARGV[1]). ARGV[4] is how many of the rest are fields with
// their new values; what follows are fields to remove.
const saveAlerts = try + `
local refusal
local function change(...)
  local reply = not refusal and try(...)
  if type(reply) == 'table' and reply.err then refusal = reply end
end
local mark = try('HGET', KEYS[1], 'look')
if type(mark) == 'table' then return mark end
if (mark or '') ~= ARGV[1] then return 0 end
change('HSET', KEYS[1], 'look', ARGV[2])
change('PEXPIRE', KEYS[1], ARGV[3])
local last = 4 + 2 * tonumber(ARGV[4])
for i = 5, last, 2 do change('HSET', KEYS[1], ARGV[i], ARGV[i + 1]) end
for i = last + 1, #ARGV do change('HDEL', KEYS[1], ARGV[i]) end
return refusal or 1`

// SaveAlerts changes the states of some alerts and removes others, unless the mark is no longer what it was: it then
// returns false, because somebody else has saved since.
func (p *Store) SaveAlerts(ctx context.Context, was, mark string, changed map[string]string, removed []string) (bool, error) {
	args := []any{was, mark, alertsLife.Milliseconds(), strconv.Itoa(len(changed))}
	for _, field := range slices.Sorted(maps.Keys(changed)) {
		args = append(args, field, changed[field])
	}
	for _, field := range removed {
		args = append(args, field)
	}
	saved, err := p.client.Eval(ctx, saveAlerts, []string{protocol.AlertsKey}, args...).Bool()
	if err != nil {
		return false, fmt.Errorf("save %s at %s: %w", protocol.AlertsKey, p.name, WithRemedy(err, protocol.AlertsKey))
	}
	return saved, nil
}
