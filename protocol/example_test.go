package protocol_test

import (
	"fmt"

	"github.com/gravito-framework/pulse/protocol"
)

// What a reporter does at each poll: SET the key to the JSON with EX 30.
func ExampleQueueSnapshot_Encode() {
	s := protocol.QueueSnapshot{
		Timestamp: 1764000000000, App: "shop", Source: "cron",
		Queues: []protocol.Queue{{
			Name: "emails", Driver: protocol.DriverOther,
			Metrics: protocol.Metrics{Waiting: 12, Failed: new(int64(0))}, // active and delayed cannot be known
		}},
	}
	data, err := s.Encode()
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(s.Key())
	fmt.Println(string(data))
	// Output:
	// pulse:queues:shop:cron
	// {"timestamp":1764000000000,"app":"shop","source":"cron","queues":[{"name":"emails","driver":"other","metrics":{"waiting":12,"failed":0}}]}
}

// A bad queue is a problem beside its good neighbours, not the end of the document.
func ExampleDecodeSnapshot() {
	s, problems, err := protocol.DecodeSnapshot([]byte(`{"timestamp":1764000000000,"app":"shop","queues":[
		{"name":"emails","driver":"celery","metrics":{"waiting":12}},
		{"name":"orders","driver":"sqs","metrics":{"waiting":"many"}}]}`))
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, q := range s.Queues {
		fmt.Println(q.Name, q.Driver, q.Meta.Text("driver"), q.Metrics.Waiting)
	}
	for _, p := range problems {
		fmt.Println(p)
	}
	// Output:
	// emails other celery 12
	// queue "orders": it is left out: waiting is "many": it takes a whole number from 0 to 2^53-1
}
