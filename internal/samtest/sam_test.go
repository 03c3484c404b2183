package samtest

import (
	"archive/zip"
	"bytes"
	"debug/elf"
	"encoding/json"
	"flag"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

var update = flag.Bool("update", false, "rewrite testdata/golden.json")

const (
	root     = "../.."
	template = root + "/template.yaml"
	golden   = "testdata/golden.json"
)

// functions are the functions of the template, by logical id.
var functions = map[string]string{
	"SqsReporterFunction":   "sqs-reporter",
	"RedisReporterFunction": "redis-reporter",
	"RecorderFunction":      "recorder",
	"AggregatorFunction":    "aggregator",
}

// contract is the environment the programs know (internal/config says what each takes). A
// name outside of it would be a setting that silently does nothing.
var contract = []string{
	"PULSE_REDIS_URL", "PULSE_MONITOR_REDIS_URL",
	"PULSE_APP", "PULSE_SOURCE", "PULSE_ENV",
	"PULSE_INTERVAL", "PULSE_TTL",
	"PULSE_SETTINGS",
	"PULSE_SQS_QUEUES", "PULSE_SQS_CALLS_PER_MONTH",
	"PULSE_HISTORY", "PULSE_ALERTS", "PULSE_ALERT_RULES", "PULSE_ALERT_REPEAT", "PULSE_PUBLIC_URL",
	"PULSE_LISTEN", "PULSE_TOKEN",
	"PULSE_LOG_LEVEL", "PULSE_LOG_FORMAT",
}

// parameters are the answers of a user to `sam deploy --guided`.
type parameters map[string]string

// and returns p with more answers.
func (p parameters) and(more parameters) parameters {
	p = maps.Clone(p)
	maps.Copy(p, more)
	return p
}

var (
	least = parameters{"App": "shop", "RedisUrlParameter": "/pulse/redis-url"}
	sqs   = least.and(parameters{"SqsQueues": "*"})
	all   = sqs.and(parameters{
		"RedisReporterSettings":    "PULSE_BULLMQ_QUEUES=*;PULSE_LARAVEL_QUEUES=default",
		"MonitorRedisUrlParameter": "/pulse/monitor-redis-url",
		"TokenParameter":           "/pulse/token",
		"AlertsParameter":          "/pulse/alerts",
		"AlertTopicArn":            topic,
		"AlertRules":               "stalled 5m, shop/orders-*:waiting>1000 10m",
		"PublicUrl":                "https://pulse.example.com",
		"SqsQueueArns":             "arn:aws:sqs:us-east-1:123456789012:shop-*",
		"SqsCallsPerMonth":         "1000000",
		"AuthType":                 "NONE",
		"CreateHttpApi":            "true",
		"SubnetIds":                "subnet-0123abcd,subnet-4567cdef",
		"SecurityGroupIds":         "sg-0123abcd",
	})
)

const topic = "arn:aws:sns:us-east-1:123456789012:alerts"

// stack is what CloudFormation would be asked for.
type stack struct {
	Refused   []string            `json:"refused"`
	Resources map[string]resource `json:"resources"`
	Outputs   map[string]any      `json:"outputs"`
}

type resource struct {
	Type       string
	Properties map[string]any
}

func (s stack) of(kind string) []string {
	var names []string
	for name, r := range s.Resources {
		if r.Type == kind {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestCfnLintIsContent(t *testing.T) {
	t.Parallel()
	need(t, "cfn-lint")
	dependsOn(t, template)
	if out, err := run(t, nil, "cfn-lint", "--regions", "us-east-1", "--", template); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

func TestTemplateBecomesTheGoldenStacks(t *testing.T) {
	t.Parallel()
	got := become(t, map[string]parameters{"an SQS reporter": sqs, "everything": all})

	if *update {
		text, err := json.MarshalIndent(got, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(golden, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	var want map[string]stack
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("template.yaml becomes something else (-golden +now); if it should, run with -update:\n%s", diff)
	}
}

func TestStackHoldsOnlyWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	token := parameters{"TokenParameter": "/pulse/token"}
	sets := map[string]parameters{
		"least":    least,
		"sqs":      sqs,
		"redis":    least.and(parameters{"RedisReporterSettings": "PULSE_BULLMQ_QUEUES=*"}),
		"public":   least.and(token).and(parameters{"AuthType": "NONE"}),
		"http api": least.and(token).and(parameters{"CreateHttpApi": "true"}),
		"vpc":      least.and(parameters{"SubnetIds": "subnet-0123abcd", "SecurityGroupIds": "sg-0123abcd"}),
	}
	stacks := become(t, sets)

	for name, want := range map[string]map[string][]string{
		"least": {
			"AWS::Lambda::Function":   {"AggregatorFunction", "RecorderFunction"},
			"AWS::Lambda::Url":        {"AggregatorFunctionUrl"},
			"AWS::Lambda::Permission": {"RecorderFunctionEveryMinutePermission"},
			"AWS::Events::Rule":       {"RecorderFunctionEveryMinute"},
			"AWS::ApiGatewayV2::Api":  nil,
			"AWS::IAM::Role":          {"AggregatorRole", "RecorderRole"},
			"AWS::Logs::LogGroup":     {"AggregatorLogs", "RecorderLogs"},
			"AWS::CloudWatch::Alarm":  {"RecorderErrors", "RecorderThrottles"},
		},
		"sqs": {
			"AWS::Lambda::Function":          {"AggregatorFunction", "RecorderFunction", "SqsReporterFunction"},
			"AWS::Lambda::Permission":        {"RecorderFunctionEveryMinutePermission", "SqsReporterFunctionEveryMinutePermission"},
			"AWS::Lambda::EventInvokeConfig": {"RecorderFunctionEventInvokeConfig", "SqsReporterFunctionEventInvokeConfig"},
			"AWS::Events::Rule":              {"RecorderFunctionEveryMinute", "SqsReporterFunctionEveryMinute"},
			"AWS::IAM::Role":                 {"AggregatorRole", "RecorderRole", "SqsReporterRole"},
			"AWS::CloudWatch::Alarm":         {"RecorderErrors", "RecorderThrottles", "SqsReporterErrors", "SqsReporterThrottles"},
		},
		"redis": {
			"AWS::Lambda::Function":          {"AggregatorFunction", "RecorderFunction", "RedisReporterFunction"},
			"AWS::Lambda::EventInvokeConfig": {"RecorderFunctionEventInvokeConfig", "RedisReporterFunctionEventInvokeConfig"},
			"AWS::Events::Rule":              {"RecorderFunctionEveryMinute", "RedisReporterFunctionEveryMinute"},
			"AWS::IAM::Role":                 {"AggregatorRole", "RecorderRole", "RedisReporterRole"},
			"AWS::CloudWatch::Alarm":         {"RecorderErrors", "RecorderThrottles", "RedisReporterErrors", "RedisReporterThrottles"},
		},
		"public": {
			"AWS::Lambda::Permission": {"PublicInvokePermission", "PublicUrlPermission", "RecorderFunctionEveryMinutePermission"},
			"AWS::ApiGatewayV2::Api":  nil,
		},
		"http api": {
			"AWS::Lambda::Permission": {"HttpApiPermission", "RecorderFunctionEveryMinutePermission"},
			"AWS::ApiGatewayV2::Api":  {"HttpApi"},
		},
	} {
		for kind, want := range want {
			if got := stacks[name].of(kind); !slices.Equal(got, want) {
				t.Errorf("%s: %s are %q, want %q", name, kind, got, want)
			}
		}
	}

	for name, s := range stacks {
		for id, r := range s.Resources {
			text, err := json.Marshal(r.Properties)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := strings.Contains(string(text), "AWSLambdaVPCAccessExecutionRole"), name == "vpc"; r.Type == "AWS::IAM::Role" && got != want {
				t.Errorf("%s: the VPC policy on %s: %t, want %t", name, id, got, want)
			}
			if strings.Contains(strings.ToLower(string(text)), "xray") {
				t.Errorf("%s: %s is allowed X-Ray, which nothing uses", name, id)
			}
		}
	}
}

// TestAlertsGoWhereTheyWereAskedTo: to the parameter's channels, to the topic, to both, and else the function may tell
// nobody.
func TestAlertsGoWhereTheyWereAskedTo(t *testing.T) {
	t.Parallel()
	channels := parameters{"AlertsParameter": "/pulse/alerts"}
	told := parameters{"AlertTopicArn": topic}
	public := parameters{"TokenParameter": "/pulse/token", "AuthType": "NONE"}
	const fromParameter, toTopic = `{"Fn::Sub":"ssm:${AlertsParameter}"}`, `{"Fn::Sub":"sns:${AlertTopicArn}"}`
	stacks := become(t, map[string]parameters{
		"nobody": sqs, "channels": sqs.and(channels), "topic": sqs.and(told), "both": sqs.and(channels).and(told).and(public),
	})
	for name, want := range map[string]struct {
		alerts, page, topic string // as JSON; empty is that there is none
		reads               bool
	}{
		"nobody":   {},
		"channels": {alerts: `"Fn::Join":[",",[` + fromParameter + `]]`, reads: true},
		"topic":    {alerts: `"Fn::Join":[",",[` + toTopic + `]]`, topic: topic},
		"both": {
			alerts: `"Fn::Join":[",",[` + fromParameter + "," + toTopic + `]]`, topic: topic, reads: true,
			page: `"Fn::GetAtt":["AggregatorFunctionUrl","FunctionUrl"]`,
		},
	} {
		text := func(id, property string) string {
			data, err := json.Marshal(stacks[name].Resources[id].Properties[property])
			if err != nil {
				t.Fatal(err)
			}
			return strings.NewReplacer(" ", "").Replace(string(data))
		}
		environment, role := text("RecorderFunction", "Environment"), text("RecorderRole", "Policies")
		has := func(what, where, part string, isWanted bool) {
			t.Helper()
			if strings.Contains(where, part) != isWanted {
				t.Errorf("%s: %s: %s in %s should be %t", name, what, part, where, isWanted)
			}
		}
		has("PULSE_ALERTS", environment, `"PULSE_ALERTS"`, want.alerts != "")
		has("PULSE_ALERTS", environment, want.alerts, true)
		has("PULSE_PUBLIC_URL", environment, `"PULSE_PUBLIC_URL"`, want.page != "")
		has("PULSE_PUBLIC_URL", environment, want.page, true)
		has("its role", role, "sns:Publish", want.topic != "")
		has("its role", role, "parameter${AlertsParameter}", want.reads)
		for _, alarm := range stacks[name].of("AWS::CloudWatch::Alarm") {
			for _, actions := range []string{"AlarmActions", "OKActions"} {
				has(alarm, text(alarm, actions), topic, want.topic != "")
			}
		}
	}
}

func TestOpenDoorsAreRefused(t *testing.T) {
	t.Parallel()
	sets := map[string]parameters{
		"AuthType":         least.and(parameters{"AuthType": "NONE"}),
		"CreateHttpApi":    least.and(parameters{"CreateHttpApi": "true"}),
		"SubnetIds":        least.and(parameters{"SubnetIds": "subnet-0123abcd"}),
		"SecurityGroupIds": least.and(parameters{"SecurityGroupIds": "sg-0123abcd"}),
		"":                 all,
	}
	for name, s := range become(t, sets) {
		switch {
		case name == "" && len(s.Refused) != 0:
			t.Errorf("good parameters are refused: %q", s.Refused)
		case name != "" && (len(s.Refused) != 1 || !strings.HasPrefix(s.Refused[0], name)):
			t.Errorf("%s alone is refused with %q, want one sentence that begins with its name", name, s.Refused)
		}
	}
}

// builtinSource is where the drivers' variables stand.
func builtinSource(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "probes", "builtin", "builtin.go"))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryVariableIsInTheContract(t *testing.T) {
	t.Parallel()
	set := make(map[string]bool)
	for id, r := range become(t, map[string]parameters{"all": all})["all"].Resources {
		if r.Type != "AWS::Lambda::Function" {
			continue
		}
		environment, _ := r.Properties["Environment"].(map[string]any)
		variables, _ := environment["Variables"].(map[string]any)
		if len(variables) == 0 {
			t.Errorf("%s has no environment", id)
		}
		for name := range variables {
			set[name] = true
			if !slices.Contains(contract, name) {
				t.Errorf("%s sets %s, which no program knows", id, name)
			}
		}
	}
	known := source(t, "config") + builtinSource(t)
	for _, name := range contract {
		if !strings.Contains(known, `"`+name+`"`) {
			t.Errorf("internal/config does not read %s", name)
		}
	}
	for _, name := range []string{"PULSE_REDIS_URL", "PULSE_MONITOR_REDIS_URL", "PULSE_TOKEN", "PULSE_SQS_CALLS_PER_MONTH", "PULSE_HISTORY", "PULSE_ALERTS", "PULSE_ALERT_RULES", "PULSE_ALERT_REPEAT", "PULSE_PUBLIC_URL"} {
		if !set[name] {
			t.Errorf("no function is given %s", name)
		}
	}
}

// A permission that is not the one a program's call takes is a stack that deploys and never works.
func TestRolesAllowWhatTheProgramsCall(t *testing.T) {
	t.Parallel()
	var want []string
	for _, call := range regexp.MustCompile(`\.(GetParameter\w*)\(`).FindAllStringSubmatch(source(t, "config"), -1) {
		want = append(want, "ssm:"+call[1])
	}
	for _, call := range regexp.MustCompile(`\bcall\(ctx, c\.([A-Z]\w+),`).FindAllStringSubmatch(source(t, "source/sqs"), -1) {
		want = append(want, "sqs:"+call[1])
	}
	for _, call := range regexp.MustCompile(`sns\.NewFromConfig\(aws\)\.(\w+)\(`).FindAllStringSubmatch(source(t, "wiring"), -1) {
		want = append(want, "sns:"+call[1])
	}
	slices.Sort(want)
	want = slices.Compact(want)

	var got []string
	for _, r := range become(t, map[string]parameters{"all": all})["all"].Resources {
		if r.Type != "AWS::IAM::Role" {
			continue
		}
		text, err := json.Marshal(r.Properties)
		if err != nil {
			t.Fatal(err)
		}
		for _, action := range regexp.MustCompile(`"((?:ssm|sqs|sns):\w+)"`).FindAllStringSubmatch(string(text), -1) {
			got = append(got, action[1])
		}
	}
	slices.Sort(got)
	if got = slices.Compact(got); !slices.Equal(got, want) {
		t.Errorf("the roles allow %q, the programs call %q", got, want)
	}
}

// TestSamBuildTakesAdaptersAlong is about modules, and what they were compiled to, in the one package that
// runs them.
func TestSamBuildTakesAdaptersAlong(t *testing.T) {
	t.Parallel()
	need(t, "make")
	dependsOn(t, root+"/Makefile", root+"/go.mod", root+"/go.sum", root+"/functions", root+"/internal", root+"/probes", root+"/protocol")
	adapters := t.TempDir()
	if err := os.MkdirAll(filepath.Join(adapters, "compiled", "v"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"list.wasm", "compiled/v/entry"} {
		if err := os.WriteFile(filepath.Join(adapters, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for id := range functions {
		dir := t.TempDir()
		if out, err := run(t, []string{"ARTIFACTS_DIR=" + dir, "ADAPTERS=" + adapters, "MAKEFLAGS=", "MAKELEVEL="}, "make", "-C", root, "build-"+id); err != nil {
			t.Fatalf("make build-%s: %v\n%s", id, err, out)
		}
		entry, err := os.ReadFile(filepath.Join(dir, "adapters", "compiled", "v", "entry"))
		if id == "RedisReporterFunction" && (err != nil || string(entry) != "compiled/v/entry") || id != "RedisReporterFunction" && err == nil {
			t.Errorf("%s: %q, %v", id, entry, err)
		}
	}
}

// The limits keep a cold start short; see docs/deploy.md.
func TestSamBuildMakesSmallStaticArm64Bootstraps(t *testing.T) {
	t.Parallel()
	need(t, "make")
	dependsOn(t, root+"/Makefile", root+"/go.mod", root+"/go.sum",
		root+"/functions", root+"/internal", root+"/probes", root+"/protocol")

	const maxBootstrap, maxZip = 16 << 20, 6 << 20
	for id := range functions {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			// The outer make's own flags are none of the inner one's business.
			env := []string{"ARTIFACTS_DIR=" + dir, "MAKEFLAGS=", "MAKELEVEL="}
			if out, err := run(t, env, "make", "-C", root, "build-"+id); err != nil {
				t.Fatalf("make build-%s: %v\n%s", id, err, out)
			}
			bootstrap, err := os.ReadFile(filepath.Join(dir, "bootstrap"))
			if err != nil {
				t.Fatal(err)
			}
			if size := len(bootstrap); size > maxBootstrap {
				t.Errorf("bootstrap has %d bytes, at most %d are wanted", size, maxBootstrap)
			}
			if size := zipped(t, bootstrap); size > maxZip {
				t.Errorf("its zip has %d bytes, at most %d are wanted", size, maxZip)
			}
			info, err := os.Stat(filepath.Join(dir, "bootstrap"))
			if err != nil {
				t.Fatal(err)
			}
			if info.Mode()&0o111 == 0 {
				t.Errorf("bootstrap is not executable: %v", info.Mode())
			}
			program, err := elf.NewFile(bytes.NewReader(bootstrap))
			if err != nil {
				t.Fatal(err)
			}
			if program.Machine != elf.EM_AARCH64 {
				t.Errorf("bootstrap is for %v, want arm64", program.Machine)
			}
			for _, p := range program.Progs {
				if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
					t.Errorf("bootstrap is linked dynamically (%v)", p.Type)
				}
			}
		})
	}
}

func TestEventsAreWhatLambdaSends(t *testing.T) {
	t.Parallel()
	for _, function := range []string{"sqs-reporter", "redis-reporter", "recorder"} {
		var e events.EventBridgeEvent
		readEvent(t, function, "schedule", &e)
		if e.Source != "aws.events" || e.DetailType != "Scheduled Event" {
			t.Errorf("%s: not a schedule event: %s, %s", function, e.Source, e.DetailType)
		}
	}
	var url events.LambdaFunctionURLRequest
	readEvent(t, "aggregator", "function-url-dashboard", &url)
	if c := url.RequestContext; !strings.Contains(c.DomainName, ".lambda-url.") || c.HTTP.Path != "/" || c.Authorizer == nil {
		t.Errorf("aggregator: not a request to / of a Function URL with IAM: %+v", c)
	}
	var api events.APIGatewayV2HTTPRequest
	readEvent(t, "aggregator", "http-api-view", &api)
	if c := api.RequestContext; !strings.Contains(c.DomainName, ".execute-api.") || c.HTTP.Path != "/api/v1/view" {
		t.Errorf("aggregator: not a request to /api/v1/view of an HTTP API: %+v", c)
	}
}

func readEvent(t *testing.T, function, name string, into any) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "functions", function, "events", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Errorf("%s/%s: %v", function, name, err)
	}
}

// become says what the template becomes for each set of parameters.
func become(t *testing.T, sets map[string]parameters) map[string]stack {
	t.Helper()
	need(t, "python3")
	if err := translator(); err != nil {
		servertest.Missing(t, "python3 has no samtranslator: %s", install)
	}
	dependsOn(t, template, "testdata/transform.py")

	in, err := json.Marshal(sets)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "python3", "testdata/transform.py", template)
	cmd.Stdin = bytes.NewReader(in)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("transform.py: %v\n%s", err, complaint.String())
	}
	var stacks map[string]stack
	if err := json.Unmarshal(out, &stacks); err != nil {
		t.Fatal(err)
	}
	return stacks
}

// translator says whether there is one; asking takes python a second, so it is asked once.
var translator = sync.OnceValue(func() error {
	return exec.Command("python3", "-c", "import samtranslator").Run()
})

// source is the text of a package of internal/, without its tests.
func source(t *testing.T, name string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, "internal", name, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

func run(t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// install is how to install what is missing.
const install = "pip install -r internal/servertest/requirements.txt"

// need ends the test where a command is missing.
func need(t *testing.T, command string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		servertest.Missing(t, "there is no %s: apt-get install make, %s", command, install)
	}
}

// dependsOn looks at files that only the commands a test runs will read, so that `go test` knows
// its cached result is stale when they change.
func dependsOn(t *testing.T, paths ...string) {
	t.Helper()
	for _, path := range paths {
		err := filepath.WalkDir(path, func(path string, d fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			if d.IsDir() {
				if d.Name() == "node_modules" {
					return fs.SkipDir
				}
				return nil
			}
			_, err = os.Stat(path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func zipped(t *testing.T, content []byte) int {
	t.Helper()
	var archive bytes.Buffer
	w := zip.NewWriter(&archive)
	f, err := w.Create("bootstrap")
	if err == nil {
		_, err = io.Copy(f, bytes.NewReader(content))
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return archive.Len()
}
