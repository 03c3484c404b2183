package main

import "github.com/gravito-framework/pulse/protocol"

// sqsSnapshot is what a reporter of three SQS queues would publish, two of which share a dead-letter
// queue.
func sqsSnapshot(t tick) *protocol.QueueSnapshot {
	count := func(n int) *int64 { return new(int64(n)) }
	queue := func(name string, waiting, active, delayed int, failed *int64) protocol.Queue {
		q := protocol.Queue{Name: name, Driver: protocol.DriverSQS, Metrics: protocol.Metrics{
			Waiting: int64(waiting), Active: count(active), Delayed: count(delayed), Failed: failed,
		}}
		q.Meta.SetBool("fifo", false)
		q.Meta.SetText("region", "eu-west-1")
		q.Meta.SetBool("demo", true)
		return q
	}
	const deadLetters = "orders-dlq"
	dead := 7 + t.second/120
	orders := queue("orders", t.wave(60, 25, 90), t.wave(9, 3, 40), 4, count(dead))
	invoices := queue("invoices", t.wave(12, 6, 70), 2, 0, count(dead))
	for _, q := range []*protocol.Queue{&orders, &invoices} {
		q.Meta.SetText("dlq", deadLetters)
		q.Meta.SetBool("dlq_shared", true)
	}
	dlq := queue(deadLetters, dead, 0, 0, nil)
	dlq.Meta.SetTexts("dlq_for", []string{"invoices", "orders"})
	return &protocol.QueueSnapshot{
		Timestamp: t.now.UnixMilli(), App: "demo", Source: "demo-sqs", Queues: []protocol.Queue{orders, invoices, dlq},
	}
}
