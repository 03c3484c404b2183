package history_test

import (
	"fmt"
	"time"

	"github.com/gravito-framework/pulse/internal/history"
	"github.com/gravito-framework/pulse/protocol"
)

// A recorder's minutes, and what a reader makes of them.
func Example() {
	encoder := history.NewEncoder(24*time.Hour, nil)
	var window history.Window
	var decoder history.Decoder

	const noon = 1_764_072_000_000
	active := int64(2)
	for minute := range int64(6) {
		if minute == 2 {
			continue // nobody looked
		}
		at := noon + minute*60_000
		orders := history.Sample{
			Key: "bullmq/orders", Name: "orders", Driver: protocol.DriverBullMQ, Source: "redis",
			Metrics: protocol.Metrics{Waiting: 900 - 100*minute, Active: &active},
		}
		entry, _ := encoder.Encode(at, []history.Sample{orders}) // XADD pulse:history:shop with history.EntryID(at)
		window.Add(at, &orders)
		if minute == 5 {
			trend := window.Trend()
			health, _ := window.Judge(&orders)
			fmt.Println(string(trend.AppendJSON(nil)), health)
		}
		if err := decoder.Add(at, entry); err != nil {
			fmt.Println(err)
		}
	}
	columns := decoder.Columns("bullmq/orders", noon, 6)
	fmt.Println(string(columns.AppendJSON(nil)))
	// Output:
	// {"waiting_per_min":-100,"drain_seconds":240,"drain_range":[240,240]} ok
	// {"waiting":[900,800,null,600,500,400],"active":[2,2,null,2,2,2],"delayed":[null,null,null,null,null,null],"failed":[null,null,null,null,null,null]}
}
