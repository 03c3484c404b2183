package protocol

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// A value of some megabytes may hold millions of queues that are nothing.
func TestQueuesOfADocumentHaveAnEnd(t *testing.T) {
	for _, n := range []int{MaxQueues - 1, MaxQueues, MaxQueues + 1, 2 * MaxQueues} {
		queues := make([]string, n)
		for i := range queues {
			queues[i] = fmt.Sprintf(`{"name":"%d,\"[]{}","driver":"sqs","metrics":{"waiting":%d},"meta":{"a":[1,2]}}`, i, i)
		}
		text := fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[%s],"source":"x"}`, noon, strings.Join(queues, ", "))
		s, problems, err := DecodeSnapshot([]byte(text))
		if err != nil || s.Source != "x" || len(s.Queues) != min(n, MaxQueues) {
			t.Fatalf("of %d queues %d are read, source %q, %v", n, len(s.Queues), s.Source, err)
		}
		if last := s.Queues[len(s.Queues)-1].Metrics.Waiting; last != int64(len(s.Queues)-1) {
			t.Errorf("the last one of %d has %d waiting", n, last)
		}
		if cut := len(problems) == 1 && strings.Contains(problems[0].Reason, "more than 100000 queues"); cut != (n > MaxQueues) {
			t.Errorf("of %d queues: %v", n, problems)
		}
	}
	bomb := []byte(fmt.Sprintf(`{"timestamp":%d,"app":"shop","queues":[%s],"problems":[%[2]s]}`, noon, strings.TrimSuffix(strings.Repeat("{},", 1<<20), ",")))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if _, _, err := DecodeSnapshot(bomb); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > 10*uint64(len(bomb)) {
		t.Errorf("%d bytes took %d of memory", len(bomb), took)
	}
}

// TestProblemsOfADocumentHaveAnEnd guards the view against a reporter that writes nothing but
// rubbish.
func TestProblemsOfADocumentHaveAnEnd(t *testing.T) {
	bad := strings.TrimSuffix(strings.Repeat("7,", 10*MaxProblems), ",")
	s, problems, err := DecodeSnapshot(fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[%s,{"name":"good","metrics":{"waiting":1}}]}`, int64(noon), bad))
	if err != nil || len(s.Queues) != 1 {
		t.Fatalf("queues are %v, %v: a good one is hidden", s.Queues, err)
	}
	if len(problems) != MaxProblems+1 || problems[MaxProblems].Reason != "more than 100 problems: the rest are not listed" {
		t.Errorf("%d problems, the last %v", len(problems), problems[len(problems)-1])
	}
	writtenAndReadAgain(t, s, problems)
}

// TestProblemIsOneShortLine guards that a problem fills no log.
func TestProblemIsOneShortLine(t *testing.T) {
	for _, bad := range []string{"[1,\n2]", "{\n}", `"a\nb"`, `"` + strings.Repeat("€", 10_000) + `"`, "[" + strings.Repeat("1,", 10_000) + "1]"} {
		_, problems, err := DecodeSnapshot(fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[{"name":"a\nb","metrics":{"waiting":%s}}]}`, int64(noon), bad))
		if err != nil || len(problems) != 1 {
			t.Fatalf("problems are %v, %v", problems, err)
		}
		if p := problems[0].String(); strings.Contains(p, "\n") || len(p) > 1200 || !strings.HasPrefix(p, `queue "a\nb": it is left out: waiting is `) {
			t.Errorf("the problem is %q", p)
		}
	}
}

// TestWhatIsNotJSONSaysWhere guards that the document's author can find the mistake.
func TestWhatIsNotJSONSaysWhere(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1`:                "it is not JSON: it ends, after 6 bytes, within a value",
		`{"a":"b`:               "it is not JSON: it ends, after 7 bytes, within a value",
		`{"a":tru}`:             `it is not JSON: what follows its first 5 bytes is "tru}"`,
		`{"a":1} x`:             `it is not JSON: what follows its first 8 bytes is "x"`,
		`{'a':1}`:               `it is not JSON: what follows its first 1 bytes is "'a':1}"`,
		`{"a":1,}` + "\x00\x01": `it is not JSON: what follows its first 7 bytes is "}\x00\x01"`,
	} {
		if _, err := object([]byte(text)); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", text, err, want)
		}
	}
}

// TestCheckSnapshotIsAboutWhatAReaderLeavesOut, and not about what its reporter could not read.
func TestCheckSnapshotIsAboutWhatAReaderLeavesOut(t *testing.T) {
	t.Parallel()
	for queues, want := range map[string]string{
		`[{"name":"a","driver":"other","metrics":{"waiting":1}}]`:                                                           "",
		`[],"problems":[{"queue":"a","reason":"NOPERM"}]`:                                                                   "",
		`[{"name":"a","driver":"other","metrics":{"waiting":-1}}],"problems":[{"queue":"b","reason":"NOPERM"}]`:             `queue "a": it is left out: waiting is -1`,
		`[{"name":"a","driver":"other","metrics":{"waiting":1,"failed":"x"}}],"problems":[{"queue":"b","reason":"NOPERM"}]`: `queue "a": its failed is "x"`,
		`5`: "it has no queues",
	} {
		err := CheckSnapshot([]byte(`{"timestamp":1764000000000,"app":"shop","queues":` + queues + `}`))
		if (err == nil) != (want == "") || err != nil && !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v, want %q", queues, err, want)
		}
	}
	if err := CheckSnapshot([]byte(`{"app":"shop"}`)); err == nil {
		t.Error("it has no timestamp")
	}
}
