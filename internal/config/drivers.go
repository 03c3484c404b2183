package config

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/builtin"
)

// Driver is an opened driver that the environment asks for: its settings are right.
type Driver struct {
	Adapter adapter.Description
	Session adapter.Session
}

// open opens the drivers. Where a driver refuses a setting, the problem names the variable it came from.
func (r *reader) open(ctx context.Context, drivers []builtin.Driver, reporting Reporting) []Driver {
	opened := make([]Driver, 0, len(drivers))
	for _, d := range drivers {
		settings := adapter.Settings{"app": reporting.App, "source": reporting.Source}
		for _, s := range d.Settings {
			settings[s.Name] = r.get(s.Variable)
		}
		session, err := d.Adapter.Open(ctx, settings)
		if wrong := (*adapter.SettingError)(nil); errors.As(err, &wrong) {
			err = errors.New(wrong.Named(d.Variable(wrong.Setting)))
		}
		if err != nil {
			r.problems = append(r.problems, err)
		} else {
			opened = append(opened, Driver{d.Adapter.Describe(), session})
		}
	}
	return opened
}

// redisVariables are the variables of which at least one must be set for a Redis reporter.
func redisVariables() []string {
	var names []string
	for _, d := range builtin.Of(adapter.Redis) {
		names = append(names, d.Settings[0].Variable)
	}
	return names
}

// WantsRedisReporter reports whether the environment asks for queues that live in a Redis.
func WantsRedisReporter(get Getenv) bool {
	r := newReader(get)
	return len(r.problems) > 0 || slices.ContainsFunc(append(redisVariables(), adaptersVariable, adapterConfigVariable), func(name string) bool { return r.get(name) != "" })
}

// blockVariable holds several of the drivers' variables, as NAME=value, separated by semicolons: a
// CloudFormation template can pass on one parameter as one variable only. A variable that is set by itself
// wins.
const blockVariable = "PULSE_SETTINGS"

func (r *reader) withBlock(get Getenv) Getenv {
	text := get(blockVariable)
	if text == "" {
		return get
	}
	known := []string{adaptersVariable, adapterConfigVariable}
	for _, d := range builtin.Drivers {
		for _, s := range d.Settings {
			known = append(known, s.Variable)
		}
	}
	block := map[string]string{}
	for setting := range strings.SplitSeq(text, ";") {
		if setting = strings.TrimSpace(setting); setting == "" {
			continue
		}
		name, value, ok := strings.Cut(setting, "=")
		if name = strings.TrimSpace(name); !ok || !slices.Contains(known, name) {
			// Only its name: its value may be a token, or a URL with a password.
			if ok {
				name += "=…"
			}
			r.problems = append(r.problems, fmt.Errorf("%s has %.100q: it takes NAME=value, separated by semicolons, of %s", blockVariable, name, strings.Join(known, ", ")))
			continue
		}
		block[name] = strings.TrimSpace(value)
	}
	return func(name string) string {
		if v := get(name); v != "" {
			return v
		}
		return block[name]
	}
}
