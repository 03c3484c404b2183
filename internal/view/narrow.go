package view

import "strings"

// Narrow is the part of v that the filters leave, with totals of its own: an app, a driver, and a
// text that is in the name of an app, queue or server. An empty filter leaves all. Problems are
// not narrowed: they may be why something is missing.
func (v *View) Narrow(app, driver, q string) *View {
	if app == "" && driver == "" && q == "" {
		return v
	}
	q = strings.ToLower(q)
	has := func(name string) bool { return strings.Contains(strings.ToLower(name), q) }
	out := &View{GeneratedAt: v.GeneratedAt, RedisDown: v.RedisDown, Apps: map[string]*App{}, Problems: v.Problems}
	for name, a := range v.Apps {
		if app != "" && name != app {
			continue
		}
		part := newApp()
		part.Sources, part.Alerts = a.Sources, a.Alerts
		for key, queue := range a.Queues {
			if (driver == "" || queue.isOf(driver)) && (has(name) || has(queue.Name)) {
				part.Queues[key] = queue
			}
		}
		for id, s := range a.Servers {
			if driver == "" && (has(name) || has(id)) {
				part.Servers[id] = s
			}
		}
		if len(part.Queues)+len(part.Servers) > 0 {
			out.Apps[name] = part
		}
	}
	out.sum()
	return out
}
