package protocol

import (
	"fmt"
	"strings"
	"testing"
)

// TestProblemsOfADocumentHaveAnEnd guards the view against a reporter that writes nothing but
// rubbish.
func TestProblemsOfADocumentHaveAnEnd(t *testing.T) {
	bad := strings.TrimSuffix(strings.Repeat("7,", 10*maxProblems), ",")
	s, problems, err := DecodeSnapshot(fmt.Appendf(nil, `{"timestamp":%d,"app":"shop","queues":[%s,{"name":"good","metrics":{"waiting":1}}]}`, int64(noon), bad))
	if err != nil || len(s.Queues) != 1 {
		t.Fatalf("queues are %v, %v: a good one is hidden", s.Queues, err)
	}
	if len(problems) != maxProblems+1 || problems[maxProblems].Reason != "more than 100 problems: the rest are not listed" {
		t.Errorf("%d problems, the last %v", len(problems), problems[len(problems)-1])
	}
	writtenAndReadAgain(t, s, problems)
}

// TestProblemIsOneShortLine guards whoever reads a log.
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
