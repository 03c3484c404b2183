package sqs_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
	"github.com/gravito-framework/pulse/probes/adapter/adaptertest"
	"github.com/gravito-framework/pulse/probes/sqs"
)

func TestOnlyWhatIsDescribedIsAsked(t *testing.T) {
	d := sqs.Adapter{}.Describe()
	if d.Name != "sqs" || d.Source != adapter.SQS || d.Version == "" {
		t.Errorf("the description is %+v", d)
	}
	expect(t, "commands", d.Commands, "ListQueues", "GetQueueUrl", "GetQueueAttributes")
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	for _, c := range []struct{ queues, calls, says string }{
		{",", "", `queues is ",": it takes names or globs`},
		{"orders[", "", `queues is "orders[": it takes names or globs`},
		{"*", "0", `calls_per_month is "0": it takes a whole number of calls above 0`},
		{"*", "-5", "calls_per_month"},
		{"*", "1e6", "calls_per_month"},
		// What cannot be a queue's name would be asked for at every poll, for ever.
		{"my orders", "", `"my orders" is none`},
		{"shop:orders", "", `"shop:orders" is none`},
		{"orders.fifo.old", "", "is none"},
		{".fifo", "", "is none"},
		{"ordérs", "", "is none"},
		{strings.Repeat("x", 81), "", "is none"},
		{"shop/*", "", "is none"},
		{"arn:aws:sqs:eu-west-1:111111111111:orders-*", "", "is none"},
		{"arn:aws:sqs:*:111111111111:orders", "", "is none"},
		{"arn:aws:sns:eu-west-1:111111111111:orders", "", "is none"},
		{"arn:aws:sqs:eu-west-1:orders", "", "is none"},
		{"https://sqs.eu-west-1.amazonaws.com/orders", "", "is none"},
		{"https://sqs.eu-west-1.amazonaws.com/123456789012/orders*", "", "is none"},
		{"https://user:secret@sqs.eu-west-1.amazonaws.com/123456789012/orders", "", `queues is "***@***": it takes names`},
		{"ftp://sqs.eu-west-1.amazonaws.com/123456789012/orders", "", "is none"},
	} {
		_, err := sqs.Adapter{}.Open(context.Background(), adapter.Settings{"app": "shop", sqs.SettingQueues: c.queues, sqs.SettingCallsPerMonth: c.calls})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("queues %q, calls_per_month %q: the error is %v, want %q in it", c.queues, c.calls, err, c.says)
		}
	}
}

// The replies are text as SQS sends it, not what this package's own types would make of it.
func TestEveryPageIsAskedFor(t *testing.T) {
	session := reading(t, "*")
	step := session.Poll(context.Background(), start)
	for i, page := range []struct{ token, reply string }{
		{"", `{"NextToken":"MTIzNDU2Nzg5MA==","QueueUrls":["https://sqs.eu-west-1.amazonaws.com/123456789012/a","https://sqs.eu-west-1.amazonaws.com/123456789012/b"]}`},
		{"MTIzNDU2Nzg5MA==", `{"NextToken":"==","QueueUrls":[]}`},
		{"==", `{"QueueUrls":["https://sqs.eu-west-1.amazonaws.com/123456789012/c.fifo"]}`},
	} {
		if len(step.Requests) != 1 || step.Requests[0][0] != "ListQueues" {
			t.Fatalf("page %d: it asks %v", i, step.Requests)
		}
		var in map[string]any
		if err := json.Unmarshal([]byte(step.Requests[0][1]), &in); err != nil {
			t.Fatal(err)
		}
		if in["MaxResults"] != 1000.0 {
			t.Errorf("page %d: MaxResults is %v, want 1000", i, in["MaxResults"])
		}
		if token, sent := in["NextToken"]; sent != (page.token != "") || sent && token != page.token {
			t.Errorf("page %d: NextToken is %v, want %q", i, token, page.token)
		}
		step = session.Next(context.Background(), []adapter.Reply{adaptertest.Reply(page.reply)})
	}
	if len(step.Requests) != 3 {
		t.Fatalf("after the last page it asks %v", step.Requests)
	}
	reply := func(arn, more string) adapter.Reply {
		return adapter.Text(`{"Attributes":{"ApproximateNumberOfMessages":"7","ApproximateNumberOfMessagesNotVisible":"2","ApproximateNumberOfMessagesDelayed":"1","QueueArn":"arn:aws:sqs:eu-west-1:123456789012:` + arn + `"` + more + `}}`)
	}
	step = session.Next(context.Background(), []adapter.Reply{reply("a", ""), reply("b", `,"RedrivePolicy":"{\"deadLetterTargetArn\":\"arn:aws:sqs:eu-west-1:123456789012:a\",\"maxReceiveCount\":\"3\"}"`), reply("c.fifo", "")})
	if step.Snapshot == nil {
		t.Fatalf("the poll ended with %+v", step)
	}
	expect(t, "queues", table(step.Snapshot), "a 7/2/1/- dlq_for=[b]", "b 7/2/1/10 dlq=a", "c.fifo 7/2/1/- fifo=true")
}

func TestOneGlobNarrowsTheList(t *testing.T) {
	for _, c := range []struct{ queues, prefix string }{
		{"*", ""},
		{"shop-*", "shop-"},
		{"shop-?", "shop-"},
		{"shop-[ab]-*", "shop-"},
		{`shop\-*`, "shop"}, // what follows an escape is left to the pattern
		{"*-shop", ""},
		{"shop-*,mail-*", ""}, // SQS takes one prefix
		{"shop-*,mail", ""},
	} {
		step := reading(t, c.queues).Poll(t.Context(), start)
		if len(step.Requests) != 1 {
			t.Fatalf("%s: it asks %v", c.queues, step.Requests)
		}
		var in struct{ QueueNamePrefix string }
		if err := json.Unmarshal([]byte(step.Requests[0][1]), &in); err != nil {
			t.Fatal(err)
		}
		if in.QueueNamePrefix != c.prefix || c.prefix == "" && strings.Contains(step.Requests[0][1], "QueueNamePrefix") {
			t.Errorf("%s: asks %v, want the prefix %q", c.queues, step.Requests[0], c.prefix)
		}
	}
}

func TestPatternsChooseTheRows(t *testing.T) {
	w := newWorld()
	for _, name := range []string{"shop", "shop-a", "shop-b.fifo", "mail", "audit"} {
		w.add(name, 1, 0, 0, "")
	}
	for queues, want := range map[string][]string{
		"shop-*":        {"shop-a 1/0/0/-", "shop-b.fifo 1/0/0/- fifo=true"},
		"*.fifo":        {"shop-b.fifo 1/0/0/- fifo=true"},
		"shop-b.fifo":   {"shop-b.fifo 1/0/0/- fifo=true"},
		"shop-b":        nil, // without its suffix it is another queue
		"m*,audit":      {"audit 1/0/0/-", "mail 1/0/0/-"},
		"mail,m*, mail": {"mail 1/0/0/-"},
		"nothing-*":     {},
	} {
		s, err := w.try(t, reading(t, queues), start)
		switch {
		case want == nil && err == nil:
			t.Errorf("%s: no error", queues)
		case want != nil && err != nil:
			t.Errorf("%s: %v", queues, err)
		case want != nil:
			expect(t, queues, table(s), want...)
		}
	}
}

func TestNamesAreNeverListed(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 2, 3, "")
	w.add("pay.fifo", 4, 5, 6, "")
	session := reading(t, "orders,pay.fifo")
	expect(t, "queues", table(w.poll(t, session, start)), "orders 1/2/3/-", "pay.fifo 4/5/6/- fifo=true")
	expect(t, "asked", w.took(), "GetQueueAttributes orders", "GetQueueAttributes pay.fifo", "GetQueueUrl orders", "GetQueueUrl pay.fifo")
	w.poll(t, session, at(time.Hour))
	expect(t, "asked an hour later", w.took(), "GetQueueAttributes orders", "GetQueueAttributes pay.fifo")
}

func TestARNIsAskedOfItsOwner(t *testing.T) {
	w := newWorld()
	w.addTo(theirs, "orders", 1, 2, 3, "")
	session := reading(t, arn(theirs, "orders"))
	expect(t, "queues", table(w.poll(t, session, start)), "orders 1/2/3/- url="+url(theirs, "orders"))
	expect(t, "asked", w.took(), "GetQueueAttributes 111111111111:orders", "GetQueueUrl 111111111111:orders")
}

// GetQueueUrl takes an owner but no region, so it may find this region's queue of the same name.
func TestARNOfAnotherRegionIsNotThisRegionsQueue(t *testing.T) {
	w := newWorld()
	w.addTo(theirs, "orders", 1, 2, 3, "")
	w.add("mail", 1, 0, 0, "")
	s := w.poll(t, reading(t, "mail,arn:aws:sqs:us-east-1:111111111111:orders"), start)
	expect(t, "queues", table(s), "mail 1/0/0/-",
		`! queue "orders": its numbers are unknown: SQS answers for arn:aws:sqs:eu-west-1:111111111111:orders: give that region a reporter of its own`)
}

func TestOneQueueUnderTwoNamesIsOneRow(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	session := reading(t, "orders,"+arn(ours, "orders"))
	expect(t, "queues", table(w.poll(t, session, start)), "orders 1/0/0/-")
	w.took()
	expect(t, "queues", table(w.poll(t, session, at(10*time.Second))), "orders 1/0/0/-")
	expect(t, "asked at the second poll", w.took(), "GetQueueAttributes orders")
}

func TestListIsGoodForFiveMinutes(t *testing.T) {
	w := newWorld()
	w.pageSize = 2
	for i := range 5 {
		w.add(fmt.Sprint("q", i), i, 0, 0, "")
	}
	session := reading(t, "*")
	w.poll(t, session, start)
	w.poll(t, session, at(5*time.Minute-time.Second))
	if got := w.calls["ListQueues"]; got != 3 {
		t.Errorf("%d lists, want the 3 pages once", got)
	}
	w.add("new", 9, 0, 0, "")
	if got := table(w.poll(t, session, at(5*time.Minute))); len(got) != 6 {
		t.Errorf("after 5 minutes: %v, want the new queue with the others", got)
	}
	if got := w.calls["ListQueues"]; got != 6 {
		t.Errorf("%d lists after 5 minutes, want 6", got)
	}
}

func TestDeletedQueueVanishes(t *testing.T) {
	for _, code := range []string{"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "com.amazonaws.sqs#QueueDoesNotExist"} {
		w := newWorld()
		w.add("orders", 1, 0, 0, "")
		w.add("mail", 2, 0, 0, "")
		session := reading(t, "*")
		w.poll(t, session, start)
		w.remove("mail")
		w.refuse["GetQueueAttributes mail"] = adapter.Error{Code: code}
		expect(t, code, table(w.poll(t, session, at(10*time.Second))), "orders 1/0/0/-")
		w.took()
		w.poll(t, session, at(20*time.Second))
		expect(t, "asked after it was found deleted", w.took(), "GetQueueAttributes orders")
	}
}

// SQS goes on listing a deleted queue for up to a minute.
func TestQueueThatIsDeletedBetweenListAndReadIsNoProblem(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	w.add("ghost", 2, 0, 0, "")
	w.refuse["GetQueueAttributes ghost"] = errNotThere
	session := reading(t, "*")
	expect(t, "first poll", table(w.poll(t, session, start)), "orders 1/0/0/-")
	expect(t, "after the next list", table(w.poll(t, session, at(5*time.Minute))), "orders 1/0/0/-")
}

func TestQueueThatLeftTheListVanishes(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	w.add("mail", 2, 0, 0, "")
	session := reading(t, "*")
	w.poll(t, session, start)
	w.remove("mail")
	w.took()
	expect(t, "queues", table(w.poll(t, session, at(5*time.Minute))), "orders 1/0/0/-")
	expect(t, "asked", w.took(), "GetQueueAttributes orders", "ListQueues")
}

func TestNamedQueueNeedsNoList(t *testing.T) {
	w := newWorld()
	w.add("shop-a", 1, 0, 0, "")
	w.addTo(theirs, "orders", 2, 0, 0, "")
	session := reading(t, "shop-*,"+arn(theirs, "orders"))
	for i := range 3 {
		expect(t, "queues", table(w.poll(t, session, at(time.Duration(i)*5*time.Minute))),
			"orders 2/0/0/- url="+url(theirs, "orders"), "shop-a 1/0/0/-")
	}
	expect(t, "asked in three polls", w.took(),
		"GetQueueAttributes 111111111111:orders ×3", "GetQueueAttributes shop-a ×3", "GetQueueUrl 111111111111:orders", "ListQueues ×3")
}

func TestNoQueuesIsAnEmptySnapshot(t *testing.T) {
	w := newWorld()
	s := w.poll(t, reading(t, "*"), start)
	if s.Queues == nil || len(s.Queues) != 0 {
		t.Errorf("queues are %#v, want an empty list", s.Queues)
	}
}

func TestNamedQueueIsMissed(t *testing.T) {
	const says = `! queue "mail": there is no queue of this name in this account and region`
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	session := reading(t, "orders,mail")
	expect(t, "never there", table(w.poll(t, session, start)), "orders 1/0/0/-", says)
	w.add("mail", 2, 0, 0, "")
	expect(t, "made since", table(w.poll(t, session, at(10*time.Second))), "mail 2/0/0/-", "orders 1/0/0/-")
	w.remove("mail")
	expect(t, "deleted", table(w.poll(t, session, at(20*time.Second))),
		"mail 2/0/0/- as_of=10s error=these are the last numbers read: there is no queue of this name in this account and region", "orders 1/0/0/-")
	expect(t, "deleted for long", table(w.poll(t, session, at(2*time.Minute))),
		"orders 1/0/0/-", `! queue "mail": its numbers are unknown: there is no queue of this name in this account and region`)
	w.add("mail", 3, 0, 0, "")
	expect(t, "made again", table(w.poll(t, session, at(3*time.Minute))), "mail 3/0/0/-", "orders 1/0/0/-")
}

func TestListRefused(t *testing.T) {
	const problem = "! the queues cannot be listed, only those known are read: AccessDeniedException: User: arn:aws:iam::123456789012:user/pulse is not authorized; allow sqs:ListQueues on *, or name the queues instead of a glob (docs/deploy.md)"
	t.Run("before it ever worked is the end of the poll", func(t *testing.T) {
		w := newWorld()
		w.add("orders", 1, 0, 0, "")
		w.refuse["ListQueues"] = errDenied
		session := reading(t, "*")
		_, err := w.try(t, session, start)
		const want = "list the SQS queues: AccessDeniedException: User: arn:aws:iam::123456789012:user/pulse is not authorized; allow sqs:ListQueues on *, or name the queues instead of a glob (docs/deploy.md)"
		if err == nil || err.Error() != want {
			t.Errorf("the error is %v, want %s", err, want)
		}
		delete(w.refuse, "ListQueues")
		expect(t, "once it is allowed", table(w.poll(t, session, at(10*time.Second))), "orders 1/0/0/-")
	})
	t.Run("later leaves the queues known before", func(t *testing.T) {
		w := newWorld()
		w.add("orders", 1, 0, 0, "")
		session := reading(t, "*")
		w.poll(t, session, start)
		w.refuse["ListQueues"] = errDenied
		expect(t, "queues", table(w.poll(t, session, at(5*time.Minute))), "orders 1/0/0/-", problem)
		delete(w.refuse, "ListQueues")
		w.add("mail", 2, 0, 0, "")
		expect(t, "once it is allowed", table(w.poll(t, session, at(6*time.Minute))), "mail 2/0/0/-", "orders 1/0/0/-")
	})
	t.Run("leaves the queues that have names", func(t *testing.T) {
		w := newWorld()
		w.add("orders", 1, 0, 0, "")
		w.refuse["ListQueues"] = errDenied
		expect(t, "queues", table(w.poll(t, reading(t, "orders,shop-*"), start)), "orders 1/0/0/-", problem)
	})
	t.Run("at a later page deletes nothing", func(t *testing.T) {
		w := newWorld()
		w.pageSize = 1
		w.add("a", 1, 0, 0, "")
		w.add("b", 2, 0, 0, "")
		session := reading(t, "*")
		w.poll(t, session, start)
		step := session.Poll(context.Background(), at(5*time.Minute))
		session.Next(context.Background(), []adapter.Reply{w.answer(t, step.Requests[0])})          // the first page
		step = session.Next(context.Background(), []adapter.Reply{adaptertest.Reply(errThrottled)}) // the second
		var replies []adapter.Reply
		for _, r := range step.Requests {
			replies = append(replies, w.answer(t, r))
		}
		s := session.Next(context.Background(), replies).Snapshot
		expect(t, "queues", table(s), "a 1/0/0/-", "b 2/0/0/-",
			"! the queues cannot be listed, only those known are read: RequestThrottled: Request is throttled.; ask less often: poll at longer intervals, or limit the calls a month")
	})
}

func TestSameNameInTwoAccountsIsOneRowAndAProblem(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	w.addTo(theirs, "orders", 9, 0, 0, "")
	s := w.poll(t, reading(t, "orders,"+arn(theirs, "orders")), start)
	expect(t, "queues", table(s), "orders 9/0/0/- url="+url(theirs, "orders"),
		`! queue "orders": another queue of this name is shown, arn:aws:sqs:eu-west-1:123456789012:orders is left out: give each account a reporter with a source of its own`)
}

func TestHostMustAnswerEachRequestOnce(t *testing.T) {
	session := reading(t, "orders,mail")
	session.Poll(context.Background(), start)
	if step := session.Next(context.Background(), []adapter.Reply{adapter.Text("{}")}); !errors.Is(step.Err, adapter.ErrReplies) {
		t.Errorf("one reply to two requests: %+v", step)
	}
}

func TestAnswersThatAreNotSQSAreExplained(t *testing.T) {
	for _, c := range []struct {
		queues string
		reply  any
		says   string
	}{
		{"orders", "<html>", `queue "orders": the answer is not the JSON of SQS`},
		{"orders", "{}", `queue "orders": GetQueueUrl answered no QueueUrl`},
		{"orders", int64(1), "the answer is an integer where text is due"},
		{"*", "[]", "list the SQS queues: the answer is not the JSON of SQS"},
	} {
		session := reading(t, c.queues)
		session.Poll(context.Background(), start)
		step := session.Next(context.Background(), []adapter.Reply{adaptertest.Reply(c.reply)})
		if step.Err == nil || !strings.Contains(step.Err.Error(), c.says) {
			t.Errorf("%v: %+v, want an error with %q", c.reply, step, c.says)
		}
	}
}
