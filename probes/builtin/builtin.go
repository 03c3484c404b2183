// Package builtin lists the drivers of this project: each is an adapter, with the environment variables of its
// settings.
//
// [Drivers] are all of them, [Of] those for one kind of server. Programs, documentation and tests use the list, so
// a new driver is a folder of its own and one entry here.
package builtin

import (
	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/bullmq"
	"github.com/gravito-framework/pulse/probes/gravitostream"
	"github.com/gravito-framework/pulse/probes/laravel"
	"github.com/gravito-framework/pulse/probes/redislist"
	"github.com/gravito-framework/pulse/probes/redisstream"
	"github.com/gravito-framework/pulse/probes/sqs"
)

// Driver is an adapter and where its settings come from.
type Driver struct {
	Adapter adapter.Adapter
	// Settings are the adapter's own. The first selects the queues: a driver that reads a Redis is off
	// where it is not set.
	Settings []Setting
}

// Setting is one setting of an adapter.
type Setting struct {
	Name     string // as the adapter calls it
	Variable string // the environment variable
	Default  string // what stands for one that is not set, for a person to read
	About    string // what it takes, for a person to read
}

// Drivers are all there are.
var Drivers = []Driver{
	{bullmq.Adapter{}, []Setting{
		{bullmq.SettingQueues, "PULSE_BULLMQ_QUEUES", "off", "names or globs, comma-separated; `*` finds all. Names cost nothing to find; a glob walks all keys, slowly"},
		{bullmq.SettingPrefix, "PULSE_BULLMQ_PREFIX", "`bull`", ""},
	}},
	{laravel.Adapter{}, []Setting{
		{laravel.SettingQueues, "PULSE_LARAVEL_QUEUES", "off", "Laravel's and Horizon's queues on Redis: names or globs, comma-separated"},
		{laravel.SettingPrefix, "PULSE_LARAVEL_PREFIX", "`laravel_database_`", "the connection's Redis prefix; a new app of Laravel 13 has `laravel-database-`, and `\"\"` is none"},
		{laravel.SettingHorizonPrefix, "PULSE_HORIZON_PREFIX", "`laravel_horizon:`", "Horizon's own prefix"},
	}},
	{gravitostream.Adapter{}, []Setting{
		{gravitostream.SettingQueues, "PULSE_STREAM_QUEUES", "off", "Gravito Stream: names or globs, comma-separated"},
		{gravitostream.SettingPrefix, "PULSE_STREAM_PREFIX", "`queue:`", ""},
	}},
	{redislist.Adapter{}, []Setting{
		{redislist.SettingKeys, "PULSE_LIST_KEYS", "off", "plain Redis lists: keys or globs, comma-separated"},
	}},
	{redisstream.Adapter{}, []Setting{
		{redisstream.SettingStreams, "PULSE_REDIS_STREAMS", "off", "Redis Streams: keys or globs, comma-separated; each consumer group is a queue"},
	}},
	{sqs.Adapter{}, []Setting{
		{sqs.SettingQueues, "PULSE_SQS_QUEUES", "`*`", "names, globs, or URLs and ARNs, which may be of other accounts"},
		{sqs.SettingCallsPerMonth, "PULSE_SQS_CALLS_PER_MONTH", "unlimited", "bounds the bill: idle queues and dead-letter queues are read less often"},
	}},
}

// Of are the drivers that ask a source.
func Of(source adapter.Source) []Driver {
	var of []Driver
	for _, d := range Drivers {
		if d.Adapter.Describe().Source == source {
			of = append(of, d)
		}
	}
	return of
}

// Variable is the variable that a setting comes from.
func (d Driver) Variable(setting string) string {
	for _, s := range d.Settings {
		if s.Name == setting {
			return s.Variable
		}
	}
	return setting
}
