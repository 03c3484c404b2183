package protocol

import (
	"fmt"
	"strings"
	"testing"
)

// A driver's name is part of a row's key in the view, which a patch and a page repeat.
func TestADriversNameIsNoLongerThanAQueues(t *testing.T) {
	t.Parallel()
	for length, long := range map[int]bool{1: false, MaxQueueName: false, MaxQueueName + 1: true, 500_000: true} {
		name := strings.Repeat("x", length)
		want := name
		if long {
			want = string(DriverOther)
		}
		for _, how := range []string{`"driver":%q`, `"driver":"other","meta":{"driver":%q}`} {
			queue := fmt.Sprintf(how, name)
			s, _, err := DecodeSnapshot([]byte(`{"timestamp":1764000000000,"app":"shop","queues":[{"name":"a","metrics":{"waiting":1},` + queue + `}]}`))
			if err != nil || len(s.Queues) != 1 {
				t.Fatalf("%.80s: %v", queue, err)
			}
			if got := s.Queues[0].DriverName(); got != want {
				t.Errorf("%.80s: the driver's name has %d bytes, %.20q", queue, len(got), got)
			}
		}
	}
}
