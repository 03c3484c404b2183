package sqs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/probes/adapter"
)

func TestCountsAreTheThreeAttributes(t *testing.T) {
	w := newWorld()
	w.add("a", 0, 0, 0, "")
	w.add("b", 3, 2, 1, "")
	w.add("c", 0, 120000, 0, "")
	w.add("d", 9007199254740991, 0, 0, "")
	expect(t, "queues", table(w.poll(t, reading(t, "*"), start)),
		"a 0/0/0/-", "b 3/2/1/-", "c 0/120000/0/-", "d 9007199254740991/0/0/-")
}

func TestCountThatIsNotANumberIsAProblem(t *testing.T) {
	for _, bad := range []string{"", "-1", "many", "1.5", "99999999999999999999"} {
		w := newWorld()
		w.add("good", 1, 0, 0, "")
		w.add("odd", 1, 0, 0, "")
		w.queues[url(ours, "odd")]["ApproximateNumberOfMessagesDelayed"] = bad
		expect(t, bad, table(w.poll(t, reading(t, "*"), start)), "good 1/0/0/-",
			fmt.Sprintf(`! queue "odd": its numbers are unknown: ApproximateNumberOfMessagesDelayed is %q in the answer: a number is due`, bad))
	}
}

func TestMaxReceiveCountIsANumberOrText(t *testing.T) {
	dead := arn(ours, "dead")
	for policy, want := range map[string]string{
		`{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":3}`:     "orders 1/0/0/15 dlq=dead",
		`{"deadLetterTargetArn":"` + dead + `","maxReceiveCount":"3"}`:   "orders 1/0/0/15 dlq=dead",
		`{"maxReceiveCount":1000,"deadLetterTargetArn":"` + dead + `" }`: "orders 1/0/0/15 dlq=dead",
		`{}`:         "orders 1/0/0/-",
		`not a JSON`: "orders 1/0/0/-",
	} {
		w := newWorld()
		w.add("orders", 1, 0, 0, policy)
		w.add("dead", 4, 5, 6, "")
		expect(t, policy, table(w.poll(t, reading(t, "orders"), start)), want)
	}
}

func TestSharedDeadLetterQueueCountsOnce(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("mail", 2, 0, 0, redrive("dead"))
	w.add("dead", 4, 5, 6, "")

	all := reading(t, "*")
	for i := range 2 {
		expect(t, "queues with all", table(w.poll(t, all, at(time.Duration(i)*10*time.Second))),
			"dead 4/5/6/- dlq_for=[mail orders]", "mail 2/0/0/15 dlq=dead dlq_shared=true", "orders 1/0/0/15 dlq=dead dlq_shared=true")
	}
	expect(t, "asked in two polls", w.took(),
		"GetQueueAttributes dead ×2", "GetQueueAttributes mail ×2", "GetQueueAttributes orders ×2", "ListQueues")

	// A dead-letter queue that the patterns leave out has no row, but counts.
	named := reading(t, "orders,mail")
	for i := range 2 {
		expect(t, "queues by name", table(w.poll(t, named, at(time.Duration(i)*10*time.Second))),
			"mail 2/0/0/15 dlq=dead dlq_shared=true", "orders 1/0/0/15 dlq=dead dlq_shared=true")
	}
	expect(t, "asked in two polls", w.took(),
		"GetQueueAttributes dead ×2", "GetQueueAttributes mail ×2", "GetQueueAttributes orders ×2",
		"GetQueueUrl 123456789012:dead", "GetQueueUrl mail", "GetQueueUrl orders")
}

func TestDeadLetterQueueOfADeadLetterQueueIsNotLookedFor(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("dead", 4, 0, 0, redrive("deader"))
	w.add("deader", 8, 0, 0, "")
	session := reading(t, "orders")
	for i := range 2 {
		expect(t, "queues", table(w.poll(t, session, at(time.Duration(i)*10*time.Second))), "orders 1/0/0/4 dlq=dead")
	}
	if n := w.calls["GetQueueUrl 123456789012:deader"]; n > 0 {
		t.Errorf("it was looked for %d times", n)
	}
}

func TestDeadLetterQueueOfAnotherAccount(t *testing.T) {
	w := newWorld()
	w.addTo(theirs, "orders", 1, 0, 0, `{"deadLetterTargetArn":"`+arn(theirs, "orders-dead")+`","maxReceiveCount":3}`)
	w.addTo(theirs, "orders-dead", 2, 0, 0, "")
	expect(t, "queues", table(w.poll(t, reading(t, arn(theirs, "orders")), start)),
		"orders 1/0/0/2 dlq=orders-dead url="+url(theirs, "orders"))
}

func TestDeadLetterQueueThatNoQueueNamesAnyMoreIsForgotten(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("dead", 4, 0, 0, "")
	session := reading(t, "orders")
	w.poll(t, session, start)
	w.add("orders", 1, 0, 0, "")
	expect(t, "queues", table(w.poll(t, session, at(10*time.Second))), "orders 1/0/0/-")
	w.took()
	w.poll(t, session, at(20*time.Second))
	expect(t, "asked", w.took(), "GetQueueAttributes orders")
}

// TestDeadLetterQueueThatWasLostIsLookedForAnewWhenItIsNamedAgain: what was refused to another policy is
// no reason to wait, and a queue that no other names takes no part of the budget.
func TestDeadLetterQueueThatWasLostIsLookedForAnewWhenItIsNamedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	session := reading(t, "orders")
	if q := w.poll(t, session, start).Queues[0]; q.Metrics.Failed != nil {
		t.Fatalf("failed is %d, of a dead-letter queue that is not there", *q.Metrics.Failed)
	}
	w.add("orders", 1, 0, 0, "")
	w.poll(t, session, at(10*time.Second))
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("dead", 4, 0, 0, "")
	expect(t, "queues", table(w.poll(t, session, at(20*time.Second))), "orders 1/0/0/4 dlq=dead")
}

// The queues keep their numbers for a minute, but that is no reason to say nothing.
func TestOutageOfAllQueuesIsAProblemFromTheSecondPollOn(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	w.add("mail", 2, 0, 0, "")
	session := reading(t, "orders,mail")
	w.poll(t, session, start)
	down := adapter.Error{Code: "Timeout", Message: "no answer in time"}
	w.refuse = map[string]adapter.Error{"GetQueueAttributes orders": down, "GetQueueAttributes mail": down}
	problems := func(after time.Duration) string {
		var all []string
		for _, p := range w.poll(t, session, at(after)).Problems {
			all = append(all, p.String())
		}
		return strings.Join(all, "; ")
	}
	const want = "SQS answers for no queue, these are the last numbers: Timeout: no answer in time"
	if got := problems(10 * time.Second); got != "" {
		t.Errorf("after one poll: %s", got)
	}
	for i := range 3 {
		if got := problems(time.Duration(20+10*i) * time.Second); got != want {
			t.Errorf("poll %d: %s", i, got)
		}
	}
	delete(w.refuse, "GetQueueAttributes mail")
	if got := problems(50 * time.Second); got != "" {
		t.Errorf("when one answers: %s", got)
	}
}

// Emulators make ARNs of their own.
func TestDeadLetterQueueThatSaysItIsAnotherIsUnknown(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("dead", 4, 0, 0, "")
	const other = "arn:aws:sqs:elasticmq:000000000000:dead"
	w.queues[url(ours, "dead")]["QueueArn"] = other
	session := reading(t, "orders")
	want := "orders 1/0/0/- dlq=dead error=failed is unknown: dead-letter queue dead: AnotherQueue: SQS answers for " + other + ", not for " + arn(ours, "dead")
	expect(t, "first poll", table(w.poll(t, session, start)), want)
	w.took()
	expect(t, "later", table(w.poll(t, session, at(10*time.Second))), want)
	expect(t, "asked before 5 minutes", w.took(), "GetQueueAttributes orders")
}

func TestDeadLetterQueueOfManyNamesAHundred(t *testing.T) {
	w := newWorld()
	for i := range 450 {
		w.add(fmt.Sprintf("q%03d", i), 0, 0, 0, redrive("dead"))
	}
	w.add("dead", 4, 0, 0, "")
	s := w.poll(t, reading(t, "*"), start)
	if of := s.Queues[0].Meta.Texts("dlq_for"); s.Queues[0].Name != "dead" || len(of) != 100 || of[99] != "q099" {
		t.Errorf("%s is for %d queues", s.Queues[0].Name, len(of))
	}
}

func TestDeadLetterQueueThatCannotBeReadIsUnknownNotZero(t *testing.T) {
	const (
		missing     = "there is no queue of this name in this account and region"
		refused     = "AccessDeniedException: User: arn:aws:iam::123456789012:user/pulse is not authorized; allow sqs:"
		urlRefused  = refused + "GetQueueUrl on its ARN (docs/deploy.md)"
		readRefused = refused + "GetQueueAttributes on its ARN (docs/deploy.md)"
	)
	for name, c := range map[string]struct {
		refuse map[string]adapter.Error
		says   string
		asks   []string // beside the attributes of orders, once 5 minutes are over
	}{
		"deleted":               {map[string]adapter.Error{"GetQueueUrl 123456789012:dead": errNotThere}, missing, []string{"GetQueueUrl 123456789012:dead"}},
		"its URL is refused":    {map[string]adapter.Error{"GetQueueUrl 123456789012:dead": errDenied}, urlRefused, []string{"GetQueueUrl 123456789012:dead"}},
		"deleted just now":      {map[string]adapter.Error{"GetQueueAttributes dead": errNotThere}, missing, []string{"GetQueueAttributes dead", "GetQueueUrl 123456789012:dead"}},
		"its counts are secret": {map[string]adapter.Error{"GetQueueAttributes dead": errDenied}, readRefused, []string{"GetQueueAttributes dead", "GetQueueUrl 123456789012:dead"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld()
			w.add("orders", 1, 0, 0, redrive("dead"))
			w.add("dead", 4, 0, 0, "")
			w.refuse = c.refuse
			session := reading(t, "orders")
			want := "orders 1/0/0/- dlq=dead error=failed is unknown: dead-letter queue dead: " + c.says
			expect(t, "first poll", table(w.poll(t, session, start)), want)
			w.took()
			for _, later := range []time.Duration{10 * time.Second, 5*time.Minute - time.Second} {
				expect(t, "later", table(w.poll(t, session, at(later))), want)
				expect(t, "asked before 5 minutes", w.took(), "GetQueueAttributes orders")
			}
			expect(t, "after 5 minutes", table(w.poll(t, session, at(5*time.Minute))), want)
			asked := w.took()
			if strings.Join(asked, ",") != strings.Join(append(c.asks[:len(c.asks)-1:len(c.asks)-1], "GetQueueAttributes orders", c.asks[len(c.asks)-1]), ",") {
				t.Errorf("after 5 minutes it asks %v, want orders' attributes and %v", asked, c.asks)
			}
			w.refuse = nil
			expect(t, "mended, before it is looked at", table(w.poll(t, session, at(6*time.Minute))), want)
			expect(t, "mended", table(w.poll(t, session, at(10*time.Minute))), "orders 1/0/0/4 dlq=dead")
		})
	}
}

func TestReadDeadLetterQueueThatIsRefusedLaterIsUnknown(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("dead", 4, 0, 0, "")
	session := reading(t, "orders")
	w.poll(t, session, start)
	w.remove("dead")
	expect(t, "queues", table(w.poll(t, session, at(10*time.Second))),
		"orders 1/0/0/- dlq=dead error=failed is unknown: dead-letter queue dead: there is no queue of this name in this account and region")
	w.took()
	w.poll(t, session, at(20*time.Second))
	expect(t, "asked", w.took(), "GetQueueAttributes orders")
}

func TestDeadLetterQueueWithARowThatIsRefusedIsUnknownInBoth(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("dead", 4, 0, 0, "")
	w.refuse["GetQueueAttributes dead"] = errDenied
	const why = "AccessDeniedException: User: arn:aws:iam::123456789012:user/pulse is not authorized; allow sqs:GetQueueAttributes on its ARN (docs/deploy.md)"
	session := reading(t, "*")
	for i := range 2 {
		expect(t, "queues", table(w.poll(t, session, at(time.Duration(i)*10*time.Second))),
			"orders 1/0/0/- dlq=dead error=failed is unknown: dead-letter queue dead: "+why,
			`! queue "dead": its numbers are unknown: `+why)
	}
	expect(t, "asked in two polls", w.took(), "GetQueueAttributes dead ×2", "GetQueueAttributes orders ×2", "GetQueueUrl 123456789012:dead", "ListQueues")
}

func TestThrottledDeadLetterQueueKeepsItsNumbersForAMinute(t *testing.T) {
	const why = "RequestThrottled: Request is throttled.; ask less often: poll at longer intervals, or limit the calls a month"
	w := newWorld()
	w.add("orders", 1, 0, 0, redrive("dead"))
	w.add("dead", 4, 0, 0, "")
	session := reading(t, "orders")

	w.refuse["GetQueueUrl 123456789012:dead"] = errThrottled
	expect(t, "before it was ever read", table(w.poll(t, session, start)), "orders 1/0/0/- dlq=dead error=failed is unknown: dead-letter queue dead: "+why)
	delete(w.refuse, "GetQueueUrl 123456789012:dead")
	expect(t, "at the next poll", table(w.poll(t, session, at(10*time.Second))), "orders 1/0/0/4 dlq=dead")

	w.refuse["GetQueueAttributes dead"] = errThrottled
	for _, after := range []time.Duration{20 * time.Second, 70 * time.Second} {
		expect(t, "throttled", table(w.poll(t, session, at(after))),
			"orders 1/0/0/4 dlq=dead error=failed is the last number read: dead-letter queue dead: "+why+" failed_as_of=10s")
	}
	expect(t, "throttled for more than a minute", table(w.poll(t, session, at(71*time.Second))),
		"orders 1/0/0/- dlq=dead error=failed is unknown: dead-letter queue dead: "+why)
}

func TestOneRefusedQueueHarmsNoOther(t *testing.T) {
	w := newWorld()
	for _, name := range []string{"a", "b", "c"} {
		w.add(name, 1, 0, 0, "")
	}
	w.refuse["GetQueueAttributes b"] = errDenied
	expect(t, "queues", table(w.poll(t, reading(t, "*"), start)), "a 1/0/0/-", "c 1/0/0/-",
		`! queue "b": its numbers are unknown: AccessDeniedException: User: arn:aws:iam::123456789012:user/pulse is not authorized; allow sqs:GetQueueAttributes on its ARN (docs/deploy.md)`)
	w.refuse = map[string]adapter.Error{"GetQueueUrl b": errDenied}
	expect(t, "queues by name", table(w.poll(t, reading(t, "a,b,c"), start)), "a 1/0/0/-", "c 1/0/0/-",
		`! queue "b": AccessDeniedException: User: arn:aws:iam::123456789012:user/pulse is not authorized; allow sqs:GetQueueUrl on its ARN (docs/deploy.md)`)
}

func TestThrottledQueueKeepsItsNumbersForAMinute(t *testing.T) {
	const why = "RequestThrottled: Request is throttled.; ask less often: poll at longer intervals, or limit the calls a month"
	w := newWorld()
	w.add("orders", 5, 2, 1, redrive("dead"))
	w.add("mail", 1, 0, 0, "")
	w.add("dead", 7, 0, 0, "")
	session := reading(t, "orders,mail")
	w.poll(t, session, start)
	w.refuse["GetQueueAttributes orders"] = errThrottled
	w.add("dead", 8, 0, 0, "")
	for _, after := range []time.Duration{10 * time.Second, 30 * time.Second, time.Minute} {
		expect(t, "throttled for "+after.String(), table(w.poll(t, session, at(after))),
			"mail 1/0/0/-", "orders 5/2/1/8 as_of=0s dlq=dead error=these are the last numbers read: "+why)
	}
	expect(t, "throttled for longer", table(w.poll(t, session, at(61*time.Second))),
		"mail 1/0/0/-", `! queue "orders": its numbers are unknown: `+why)
	delete(w.refuse, "GetQueueAttributes orders")
	expect(t, "no longer throttled", table(w.poll(t, session, at(70*time.Second))), "mail 1/0/0/-", "orders 5/2/1/8 dlq=dead")
}

// With an interval of a minute or more the last numbers are older than a minute at the first
// failure; the next poll shows whether there is trouble.
func TestOneFailureAloneHidesNothing(t *testing.T) {
	w := newWorld()
	w.add("orders", 5, 0, 0, "")
	session := reading(t, "orders")
	w.poll(t, session, start)
	w.refuse["GetQueueAttributes orders"] = errTimeout
	expect(t, "first failure", table(w.poll(t, session, at(2*time.Minute))),
		"orders 5/0/0/- as_of=0s error=these are the last numbers read: Timeout: no answer in time")
	w.refuse = nil
	w.poll(t, session, at(4*time.Minute))
	w.refuse = map[string]adapter.Error{"GetQueueAttributes orders": errTimeout}
	expect(t, "another first failure", table(w.poll(t, session, at(6*time.Minute))),
		"orders 5/0/0/- as_of=4m0s error=these are the last numbers read: Timeout: no answer in time")
	if s, err := w.try(t, session, at(8*time.Minute)); err == nil {
		t.Errorf("after the second the queue is still shown: %v", table(s))
	}
}

func TestNothingReadableIsOneSentenceToActOn(t *testing.T) {
	for _, c := range []struct {
		name   string
		refuse adapter.Error
		want   string
	}{
		{"denied", errDenied, `queue "a": its numbers are unknown: AccessDeniedException: User: arn:aws:iam::123456789012:user/pulse is not authorized; allow sqs:GetQueueAttributes on its ARN (docs/deploy.md)`},
		{"throttled", errThrottled, `queue "a": its numbers are unknown: RequestThrottled: Request is throttled.; ask less often: poll at longer intervals, or limit the calls a month`},
		{"expired", adapter.Error{Code: "ExpiredToken", Message: "The security token included in the request is expired"}, `queue "a": its numbers are unknown: ExpiredToken: The security token included in the request is expired; renew or correct the AWS credentials`},
		{"slow", errTimeout, `queue "a": its numbers are unknown: Timeout: no answer in time`},
	} {
		w := newWorld()
		w.add("a", 1, 0, 0, "")
		w.add("b", 1, 0, 0, "")
		w.refuse["GetQueueAttributes"] = c.refuse
		session := reading(t, "*")
		_, err := w.try(t, session, start)
		if err == nil || err.Error() != c.want {
			t.Errorf("%s: the error is\n%v, want\n%s", c.name, err, c.want)
		}
		w.refuse = nil
		expect(t, "once it is over", table(w.poll(t, session, at(10*time.Second))), "a 1/0/0/-", "b 1/0/0/-")
	}
}

// A poll's time may end before the last queue is asked: those that were left out go first next time.
func TestOldestNumbersAreReadFirst(t *testing.T) {
	w := newWorld()
	for _, name := range []string{"a", "b", "c", "d"} {
		w.add(name, 1, 0, 0, "")
	}
	session := reading(t, "*")
	w.refuse["GetQueueAttributes c"], w.refuse["GetQueueAttributes d"] = errTimeout, errTimeout
	w.poll(t, session, start)
	w.refuse, w.asked = nil, nil
	w.poll(t, session, at(10*time.Second))
	expect(t, "asked in this order", w.asked, "GetQueueAttributes c", "GetQueueAttributes d", "GetQueueAttributes a", "GetQueueAttributes b")
}

func TestRegionIsTheARNs(t *testing.T) {
	w := newWorld()
	w.add("orders", 1, 0, 0, "")
	w.queues[url(ours, "orders")]["QueueArn"] = "arn:aws-cn:sqs:cn-north-1:123456789012:orders"
	expect(t, "queues", table(w.poll(t, reading(t, "orders"), start)), "orders 1/0/0/- region=cn-north-1")
}
