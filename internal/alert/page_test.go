package alert

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// page is docs/alerts.md.
func page(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(servertest.Root(), "docs", "alerts.md"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestThePagesRulesAreTaken: each line of its example, one by one and together, and the default.
func TestThePagesRulesAreTaken(t *testing.T) {
	t.Parallel()
	_, example, _ := strings.Cut(page(t), "\n## Rules\n")
	_, example, _ = strings.Cut(example, "\n```\n")
	example, _, _ = strings.Cut(example, "\n```\n")
	lines := strings.Split(example, "\n")
	for _, line := range lines {
		if _, err := ParseRules(line); err != nil {
			t.Error(err)
		}
	}
	rules, err := ParseRules(strings.Join(lines, ","))
	if err != nil || len(rules) != len(lines) || len(lines) < 4 {
		t.Errorf("of %d lines %d are rules, %v", len(lines), len(rules), err)
	}
	if want := "| `PULSE_ALERT_RULES` | `" + DefaultRules + "` |"; !strings.Contains(page(t), want) {
		t.Errorf("it does not have %s", want)
	}
}

// TestThePageHasEachConditionAndNoOther: with its unit, N or D.
func TestThePageHasEachConditionAndNoOther(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(page(t), "\n| condition | ")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented, known []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		for i, word := range strings.Split(cells[min(1, len(cells)-1)], "`") {
			if isQuoted := i%2 == 1; isQuoted {
				documented = append(documented, word)
			}
		}
	}
	for _, c := range conditions {
		known = append(known, c.word+map[unit]string{none: "", jobs: ">N", seconds: ">D", percent: ">N"}[c.unit])
	}
	slices.Sort(documented)
	slices.Sort(known)
	if diff := cmp.Diff(known, documented); diff != "" {
		t.Errorf("-what there is +what the page says:\n%s", diff)
	}
}

// TestThePagesChannelsAreTaken: each form in its table, with its "…" filled in.
func TestThePagesChannelsAreTaken(t *testing.T) {
	t.Parallel()
	_, table, _ := strings.Cut(page(t), "\n| in `PULSE_ALERTS` | ")
	table, _, _ = strings.Cut(table, "\n\n")
	var names []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "`")
		if len(cells) < 2 || strings.Contains(line, "---") {
			continue
		}
		form := strings.NewReplacer("https://…", "https://example.com/…", "sns:…", "sns:eu-west-1:123456789012:alerts").Replace(cells[1])
		channels, err := ParseChannels(form, nil, nil)
		if err != nil {
			t.Errorf("%s: %v", form, err)
			continue
		}
		names = append(names, strings.Fields(channels[0].name)[1])
	}
	if diff := cmp.Diff([]string{"(slack", "(discord", "(pagerduty)", "(sns)", "(webhook"}, names); diff != "" {
		t.Errorf("-the kinds that there are +the page's:\n%s", diff)
	}
}
