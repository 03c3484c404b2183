package api_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/gravito-framework/pulse/internal/pagetest"
	"github.com/gravito-framework/pulse/internal/servertest"
)

// shop is a handler with the queues that docs/integrations.md speaks of.
func shop() http.Handler {
	s := &pagetest.Store{}
	s.Set("pulse:queues:shop:sqs", `"app":"shop","source":"sqs","queues":[
		{"name":"mail","driver":"sqs","metrics":{"waiting":9}},
		{"name":"orders.fifo","driver":"sqs","metrics":{"waiting":120,"active":4,"delayed":0,"failed":1}}]`)
	return pagetest.Handler(s.Read, slog.New(slog.DiscardHandler))
}

// pathAndQuery is of a URL on the page, whose host is an example's.
func pathAndQuery(t *testing.T, text string) string {
	t.Helper()
	u, err := url.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return u.RequestURI()
}

// TestKEDAFindsItsNumber reads the page's configuration as KEDA does: it takes valueLocation for a gjson path, and
// what is no number for an error.
func TestKEDAFindsItsNumber(t *testing.T) {
	t.Parallel()
	scaler := servertest.CodeOf(t, "integrations.md", "yaml")[0]
	setting := func(name string) string {
		match := regexp.MustCompile(name + `: "(.*)"\n`).FindStringSubmatch(scaler)
		if match == nil {
			t.Fatalf("the page has no %s in\n%s", name, scaler)
		}
		return match[1]
	}
	h := shop()
	body := get(t, h, pathAndQuery(t, setting("url"))).Body.String()
	if n := gjson.Get(body, setting("valueLocation")); n.Type != gjson.Number || n.Num != 124 {
		t.Errorf("its number is %s in %s", n, body)
	}
	all, whole := get(t, h, "/api/v1/queues").Body.String(), get(t, h, "/api/v1/view").Body.String()
	page := read(t, "docs/integrations.md")
	for path, in := range map[string]string{`queues.#(queue=="orders.fifo").backlog`: all, `apps.shop.queues.sqs/orders\.fifo.metrics.waiting`: whole} {
		if !strings.Contains(page, "`"+path+"`") {
			t.Errorf("the page doesn't have %s", path)
		}
		if n := gjson.Get(in, path); n.Type != gjson.Number {
			t.Errorf("%s is %q", path, n)
		}
	}
	if n := gjson.Get(all, `queues.#(queue=="mail").backlog`); n.Type != gjson.Null || !strings.Contains(all, `"backlog":null`) {
		t.Errorf("a backlog that is not known is %s", n)
	}
}

// TestInfinityFindsItsColumns reads the page's configuration of Grafana's data source.
func TestInfinityFindsItsColumns(t *testing.T) {
	t.Parallel()
	var query struct {
		URL          string
		RootSelector string `json:"root_selector"`
		Columns      []struct{ Selector, Type string }
	}
	if err := json.Unmarshal([]byte(servertest.CodeOf(t, "integrations.md", "json")[1]), &query); err != nil {
		t.Fatal(err)
	}
	rows := gjson.Get(get(t, shop(), pathAndQuery(t, query.URL)).Body.String(), query.RootSelector).Array()
	if len(rows) != 2 || len(query.Columns) == 0 {
		t.Fatalf("its rows are %v", rows)
	}
	for _, column := range query.Columns {
		if !rows[0].Get(column.Selector).Exists() {
			t.Errorf("there is no %s in %s", column.Selector, rows[0])
		}
	}
}

// TestAQueueThatIsNotThereIsNotEmpty: a typing error in an autoscaler's setting is an error, not a number.
func TestAQueueThatIsNotThereIsNotEmpty(t *testing.T) {
	t.Parallel()
	h := shop()
	for query, want := range map[string]int{
		"?queue=orders": http.StatusNotFound, "?queue=orders.fifo&app=blog": http.StatusNotFound, "?queue=orders&status=lost": http.StatusNotFound, "?queue=orders.fifo&driver=bullmq&status=lost": http.StatusNotFound,
		"?app=blog": http.StatusOK, "?status=lost": http.StatusOK, "?queue=orders.fifo&status=lost": http.StatusOK, "?queue=sqs/orders.fifo": http.StatusOK,
		"?status=dead": http.StatusBadRequest, "?queue=%": http.StatusBadRequest,
	} {
		w := get(t, h, "/api/v1/queues"+query)
		if w.Code != want || want >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %s", query, w.Code, w.Body)
		}
	}
}

// TestPageListsEachMetric holds the table of metrics, the rules and the dashboard to what is exposed.
func TestPageListsEachMetric(t *testing.T) {
	t.Parallel()
	exposes := map[string]bool{}
	for line := range strings.Lines(exposed(t)) {
		if fields := strings.Fields(line); fields[0] == "#" && fields[1] == "TYPE" {
			exposes[fields[2]] = true
		}
	}
	name := regexp.MustCompile(`\bpulse_[a-z0-9_]+`)
	page := read(t, "docs/integrations.md")
	for metric := range exposes {
		if !strings.Contains(page, "`"+metric+"`") {
			t.Errorf("docs/integrations.md doesn't list %s", metric)
		}
	}
	for _, file := range []string{"docs/integrations.md", "docs/integrations/prometheus-rules.yml", "docs/integrations/grafana-dashboard.json"} {
		for _, metric := range name.FindAllString(read(t, file), -1) {
			if !exposes[metric] {
				t.Errorf("%s has %s, which is not exposed", file, metric)
			}
		}
	}
}

// TestRules asks Prometheus' own tool about the rules and their tests, and about what the dashboard queries.
func TestRules(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(servertest.Root(), "docs", "integrations")
	for _, args := range [][]string{{"check", "rules", "--lint-fatal", "prometheus-rules.yml"}, {"test", "rules", "prometheus-rules-test.yml"}} {
		promtool := servertest.Promtool(t, args...)
		promtool.Dir = dir
		if said, err := promtool.CombinedOutput(); err != nil {
			t.Errorf("promtool %v: %v\n%s", args, err, said)
		}
	}
	var expressions []string
	gjson.Get(read(t, "docs/integrations/grafana-dashboard.json"), `panels.#.targets.#.expr|@flatten`).ForEach(func(_, expr gjson.Result) bool {
		expressions = append(expressions, strings.ReplaceAll(expr.String(), "$app", "shop"))
		return true
	})
	if len(expressions) < 10 {
		t.Fatalf("the dashboard queries %q", expressions)
	}
	rules := []string{"groups: [{name: dashboard, rules: ["}
	for i, expr := range expressions {
		rules = append(rules, fmt.Sprintf("{record: 'panel:%d', expr: %q},", i, expr))
	}
	file := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(file, []byte(strings.Join(append(rules, "]}]"), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	if said, err := servertest.Promtool(t, "check", "rules", file).CombinedOutput(); err != nil {
		t.Errorf("promtool: %v\n%s\n%s", err, said, slices.Collect(strings.Lines(strings.Join(rules, "\n"))))
	}
}

// TestFlatRowsOnThePage holds the page's example to what is sent.
func TestFlatRowsOnThePage(t *testing.T) {
	t.Parallel()
	members := func(text string) (names []string) {
		gjson.Get(text, "queues.0").ForEach(func(name, _ gjson.Result) bool {
			names = append(names, name.String())
			return true
		})
		return names
	}
	page, sent := members(servertest.CodeOf(t, "integrations.md", "json")[0]), members(get(t, shop(), "/api/v1/queues").Body.String())
	if len(page) == 0 || !slices.Equal(page, sent) {
		t.Errorf("the page has %v, and sent is %v", page, sent)
	}
}

// read is a file of the tree.
func read(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(servertest.Root(), filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
