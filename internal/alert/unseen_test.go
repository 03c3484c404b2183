package alert_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/alert"
	"github.com/gravito-framework/pulse/internal/view"
)

// TestAbsentIsNotOver: what is not in the view is gone where its reporter says so. Where it could not be read, nothing is told.
func TestAbsentIsNotOver(t *testing.T) {
	t.Parallel()
	const (
		mine, other = "pulse:queues:shop:sqs", "pulse:queues:shop:redis"
		row         = `{"name":"orders","driver":"sqs","metrics":{"waiting":9}}`
		neighbour   = `{"name":"mail","driver":"sqs","metrics":{"waiting":1}}`
		server      = "pulse:server:shop:web-1"
		busy        = `{"timestamp":NOW,"system":{"cpu_usage":99},"meta":{"app_name":"shop"}}`
	)
	snapshot := func(source, queues, problems string) string {
		return fmt.Sprintf(`{"timestamp":NOW,"app":"shop","source":%q,"queues":[%s],"problems":[%s]}`, source, queues, problems)
	}
	at := func(doc, age string) string { return strings.ReplaceAll(doc, "NOW", age) }
	readable, fresh := snapshot("sqs", row, ""), snapshot("sqs", neighbour, "")
	const isOver, isUnknown, isForgotten = 0, 24 * time.Hour, time.Hour
	for name, c := range map[string]struct {
		docs  map[string]string // what there is then: documents by key; "" is that only the key is left
		lasts time.Duration     // how long nothing is told
	}{
		"gone":                                 {map[string]string{mine: fresh}, isOver},
		"gone, and another queue is forbidden": {map[string]string{mine: snapshot("sqs", "", `{"queue":"mail","reason":"AccessDenied"}`)}, isOver},
		"gone, and another reporter is lost":   {map[string]string{mine: fresh, other: ""}, isOver},
		"gone, and another is unreadable":      {map[string]string{mine: fresh, other: "{"}, isOver},
		"gone, and a server is unreadable":     {map[string]string{mine: fresh, "pulse:server:shop:sqs": "{"}, isOver},
		"gone, and another app is unreadable":  {map[string]string{mine: fresh, "pulse:queues:blog": "{"}, isOver},
		"gone, and the verdicts have problems": {map[string]string{mine: fresh, "pulse:trend:shop": `{"timestamp":NOW,"app":"shop","queues":{},"problems":["too many alerts"]}`}, isOver},
		"gone, of one that reports by cron":    {map[string]string{mine: at(fresh, "CRON")}, isOver},
		"forbidden":                            {map[string]string{mine: snapshot("sqs", neighbour, `{"queue":"orders","reason":"AccessDenied"}`)}, isUnknown},
		"its reporter can read nothing":        {map[string]string{mine: snapshot("sqs", "", `{"reason":"AccessDenied"}`)}, isUnknown},
		"its number is wrong":                  {map[string]string{mine: snapshot("sqs", strings.Replace(row, "9", "-1", 1), "")}, isUnknown},
		"its document is rubbish":              {map[string]string{mine: "{"}, isUnknown},
		"so, and another's is not":             {map[string]string{mine: "{", other: snapshot("redis", "", "")}, isUnknown},
		"its reporter is lost, and all else":   {map[string]string{mine: ""}, isUnknown},
		"its reporter says nothing new":        {map[string]string{mine: at(fresh, "OLD")}, isUnknown},
		"something of Redis is unreadable":     {map[string]string{mine: fresh, "pulse:index": "error"}, isUnknown},
		"Redis has lost all":                   {nil, isForgotten},
		"and another reporter is there first":  {map[string]string{other: snapshot("redis", "", "")}, isForgotten},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			m := d.manager("shop/orders:waiting>3", slack)
			look := func(docs map[string]string) []string {
				t.Helper()
				d.now = d.now.Add(time.Minute)
				return d.lookAt(m, docs)
			}
			has := map[string]string{mine: readable}
			d.none("at first", look(has))
			d.one("after a minute", look(has), "1 alert fires", "sqs/orders")
			if c.lasts == isOver {
				d.none("gone for a minute", look(c.docs))
				d.one("for two", look(c.docs), "1 alert is over")
				return
			}
			for range 5 {
				d.none("it is not there", look(c.docs))
			}
			d.none("it is back", look(has))
			d.none("it is gone for a minute", look(map[string]string{mine: fresh}))
			d.none("and not there again", look(c.docs))
			d.now = d.now.Add(c.lasts - 3*time.Minute)
			d.none("for long", look(c.docs))
			d.one("for too long", look(c.docs), "1 alert is over")
		})
	}
	t.Run("servers", func(t *testing.T) {
		t.Parallel()
		for name, c := range map[string]struct {
			docs  map[string]string
			lasts time.Duration
		}{
			"unreadable":      {map[string]string{mine: fresh, server: "{"}, 24 * time.Hour},
			"not there":       {map[string]string{mine: fresh}, time.Hour},
			"another's fault": {map[string]string{mine: "{", server + "0": "{"}, time.Hour},
		} {
			d := newDesk(t)
			m := d.manager("cpu>90", slack)
			look := func(docs map[string]string) []string {
				d.now = d.now.Add(time.Minute)
				return d.lookAt(m, docs)
			}
			d.none("at first", look(map[string]string{server: busy}))
			d.one("after a minute", look(map[string]string{server: busy}), "1 alert fires", "web-1")
			d.none(name, look(c.docs))
			d.now = d.now.Add(c.lasts - 2*time.Minute)
			d.none(name+" for long", look(c.docs))
			d.none(name+" for too long", look(c.docs))
			d.one(name+" for two looks", look(c.docs), "1 alert is over")
		}
	})
	t.Run("a reporter of a rule with a pattern", func(t *testing.T) {
		t.Parallel()
		d := newDesk(t)
		m := d.manager("shop/orders:lost", slack)
		var b view.Builder
		look := func(b *view.Builder, docs ...view.Document) []string {
			d.now = d.now.Add(time.Minute)
			if err := m.Look(t.Context(), b.Build(d.now, docs), nil); err != nil {
				t.Fatal(err)
			}
			return d.pager.take()
		}
		lost := view.Document{Key: mine, SeenAt: d.now.UnixMilli()}
		b.Build(d.now, []view.Document{{Key: mine, Data: []byte(strings.ReplaceAll(readable, "NOW", fmt.Sprint(d.now.UnixMilli())))}})
		d.none("at first", look(&b, lost))
		d.one("after a minute", look(&b, lost), "the reporter sqs of shop (shop/orders:lost)")
		for range 3 { // after a restart nobody knows which queues it had
			d.none("it is still lost", look(&view.Builder{}, lost))
		}
	})
}

// lookAt makes a look of m at documents by their keys.
func (d *desk) lookAt(m *alert.Manager, docs map[string]string) []string {
	d.t.Helper()
	now := d.now.UnixMilli()
	times := strings.NewReplacer("NOW", fmt.Sprint(now), "CRON", fmt.Sprint(now-50_000), "OLD", fmt.Sprint(now-90_000))
	var all []view.Document
	for key, text := range docs {
		doc := view.Document{Key: key, SeenAt: now - 60_000}
		switch text {
		case "":
		case "error":
			doc.Err = errors.New("WRONGTYPE")
		default:
			doc.Data = []byte(times.Replace(text))
		}
		all = append(all, doc)
	}
	var b view.Builder
	if err := m.Look(d.t.Context(), b.Build(d.now, all), nil); err != nil {
		d.t.Fatal(err)
	}
	return d.pager.take()
}
