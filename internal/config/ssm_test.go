package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/gravito-framework/pulse/internal/servertest"
)

var logTime = regexp.MustCompile(`(time=\S+ |"time":"[^"]*",)`)

// fakeSSM is Systems Manager's JSON protocol, with these parameters.
type fakeSSM struct {
	mu         sync.Mutex
	asked      []string // the names of each call, joined
	parameters map[string]string
	refuse     string // the error that it answers with
}

func (f *fakeSSM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var in struct {
		Names          []string
		WithDecryption bool
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-Amz-Target") != "AmazonSSM.GetParameters" || !in.WithDecryption {
		http.Error(w, fmt.Sprintf("%s: %+v, %v", r.Header.Get("X-Amz-Target"), in, err), http.StatusBadRequest)
		return
	}
	f.asked = append(f.asked, strings.Join(in.Names, " "))
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	if f.refuse != "" {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": f.refuse, "message": "User is not authorized"})
		return
	}
	type parameter struct{ Name, Value, Type string }
	out := struct {
		Parameters        []parameter
		InvalidParameters []string
	}{}
	for _, name := range in.Names {
		if value, ok := f.parameters[name]; ok {
			out.Parameters = append(out.Parameters, parameter{name, value, "SecureString"})
		} else {
			out.InvalidParameters = append(out.InvalidParameters, name)
		}
	}
	_ = json.NewEncoder(w).Encode(out)
}

// start makes the AWS SDK of this process talk to f.
func (f *fakeSSM) start(t *testing.T) {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	setAWS(t, "AWS_ENDPOINT_URL_SSM", server.URL)
}

func setAWS(t *testing.T, variable, url string) {
	t.Helper()
	for _, v := range servertest.AWSEnv("") {
		name, value, _ := strings.Cut(v, "=")
		if value != "" {
			t.Setenv(name, value)
		}
	}
	t.Setenv(variable, url)
	t.Setenv("AWS_CONFIG_FILE", t.TempDir()+"/none")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", t.TempDir()+"/none")
}

func TestWithoutAParameterSSMIsNotAsked(t *testing.T) {
	f := &fakeSSM{}
	f.start(t)
	get, err := WithSSM(t.Context(), env{"PULSE_TOKEN": "sesame", "PULSE_APP": "ssm:/shop"}.get)
	if err != nil || get("PULSE_TOKEN") != "sesame" || get("PULSE_APP") != "ssm:/shop" || len(f.asked) > 0 {
		t.Errorf("%q, %q, asked %v, %v", get("PULSE_TOKEN"), get("PULSE_APP"), f.asked, err)
	}
}

func TestASecretMayNameItsParameter(t *testing.T) {
	f := &fakeSSM{parameters: map[string]string{"/pulse/redis": "redis://:sesame@cache", "token": "simsimsimsimsimsim\n"}}
	f.start(t)
	get, err := WithSSM(t.Context(), env{
		"PULSE_REDIS_URL": "ssm:/pulse/redis", "PULSE_MONITOR_REDIS_URL": "ssm:/pulse/redis", "PULSE_TOKEN": "ssm:token", "PULSE_APP": "shop",
	}.get)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/pulse/redis token"}, f.asked); diff != "" {
		t.Errorf("one call, each parameter once: -want +got:\n%s", diff)
	}
	s, err := NewAggregator(get)
	if err != nil || s.Token != "simsimsimsimsimsim" || s.Redis.String() != "redis cache:6379" || get("PULSE_REDIS_URL") != "redis://:sesame@cache" || get("PULSE_APP") != "shop" || get("PULSE_MONITOR_REDIS_URL") != "redis://:sesame@cache" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestAMissingParameterIsAWrongVariable(t *testing.T) {
	(&fakeSSM{parameters: map[string]string{"/pulse/redis": "redis://:sesame@cache"}}).start(t)
	_, err := WithSSM(t.Context(), env{"PULSE_REDIS_URL": "ssm:/pulse/redis", "PULSE_TOKEN": "ssm:/pulse/token"}.get)
	var wrong *Error
	const want = `PULSE_TOKEN is "ssm:/pulse/token": there is no SSM parameter /pulse/token in this account and region`
	if !errors.As(err, &wrong) || err.Error() != want {
		t.Errorf("%T: %v", err, err)
	}
}

func TestAWrongValueOfAParameterIsNotShown(t *testing.T) {
	(&fakeSSM{parameters: map[string]string{"/pulse/redis": "redis://:sesame@cache:x"}}).start(t)
	get, err := WithSSM(t.Context(), env{"PULSE_REDIS_URL": "ssm:/pulse/redis"}.get)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = NewAggregator(get); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Error(err)
	}
}

func TestARefusalOfSSMSaysWhatToAllow(t *testing.T) {
	(&fakeSSM{refuse: "AccessDeniedException"}).start(t)
	_, err := WithSSM(t.Context(), env{"PULSE_TOKEN": "ssm:/pulse/token"}.get)
	if err == nil || !strings.HasPrefix(err.Error(), "read the SSM parameters /pulse/token: ") || !strings.Contains(err.Error(), "AccessDenied") ||
		!strings.HasSuffix(err.Error(), "; allow ssm:GetParameters on them") {
		t.Error(err)
	}
	if _, ok := errors.AsType[*Error](err); ok {
		t.Error("it is an *Error, as if a variable were wrong")
	}
}

func TestAnEncryptedParameterOfMotosSSM(t *testing.T) {
	setAWS(t, "AWS_ENDPOINT_URL", servertest.Moto(t))
	cfg, err := awsconfig.LoadDefaultConfig(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = ssm.NewFromConfig(cfg).PutParameter(t.Context(), &ssm.PutParameterInput{
		Name: aws.String("/pulse/redis"), Value: aws.String("redis://:sesame@cache"), Type: types.ParameterTypeSecureString,
	})
	if err != nil {
		servertest.Missing(t, "moto's ssm does not work: %v", err)
	}
	get, err := WithSSM(t.Context(), env{"PULSE_REDIS_URL": "ssm:/pulse/redis"}.get)
	if err != nil || get("PULSE_REDIS_URL") != "redis://:sesame@cache" {
		t.Errorf("%q, %v", get("PULSE_REDIS_URL"), err)
	}
}

// TestEachChannelMayBeAParameter: the list itself is no secret, its items are.
func TestEachChannelMayBeAParameter(t *testing.T) {
	f := &fakeSSM{parameters: map[string]string{"/pulse/slack": "https://hooks.slack.com/services/sesame", "/pulse/pager": "pagerduty:sesame"}}
	f.start(t)
	get, err := WithSSM(t.Context(), env{"PULSE_ALERTS": "ssm:/pulse/slack, https://example.com/hook , ssm:/pulse/pager"}.get)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := get("PULSE_ALERTS"), "https://hooks.slack.com/services/sesame,https://example.com/hook,pagerduty:sesame"; got != want {
		t.Errorf("the channels are %s, want %s", got, want)
	}
	if _, err := WithSSM(t.Context(), env{"PULSE_ALERTS": "ssm:sesame"}.get); err == nil || strings.Contains(err.Error(), "sesame") {
		t.Errorf("with a secret behind ssm: %v", err)
	}
	if _, err := WithSSM(t.Context(), env{"PULSE_ALERTS": "https://example.com/sesame,ssm:/pulse/none"}.get); err == nil || strings.Contains(err.Error(), "sesame") || !strings.Contains(err.Error(), "/pulse/none") {
		t.Errorf("without a parameter: %v", err)
	}
}
