package servertest

import (
	"encoding/json"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// Moto starts a moto_server, which speaks SQS, and returns its URL. The environment is set so that
// the AWS SDK talks to it.
func Moto(t testing.TB) string {
	t.Helper()
	path := need(t, "moto_server", "pip install -r internal/servertest/requirements.txt")
	port := strconv.Itoa(FreePort(t))
	server := start(t, exec.Command(path, "-H", "127.0.0.1", "-p", port))
	url := "http://127.0.0.1:" + port
	waitFor(t, "moto_server", server.ended, func() error {
		r, err := http.Get(url + "/moto-api/")
		if err == nil {
			r.Body.Close()
		}
		return err
	})
	return url
}

// AWSEnv is an environment in which the AWS SDK talks to endpoint.
func AWSEnv(endpoint string) []string {
	return []string{
		"AWS_ENDPOINT_URL=" + endpoint, "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=test",
		"AWS_SECRET_ACCESS_KEY=test", "AWS_EC2_METADATA_DISABLED=true",
	}
}

// CreateQueue makes a queue in a moto_server, with a message of each body in it.
func CreateQueue(t testing.TB, endpoint, name string, bodies ...string) {
	t.Helper()
	ask := func(operation string, input map[string]string) map[string]string {
		text, err := json.Marshal(input)
		if err != nil {
			t.Fatal(err)
		}
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-amz-json-1.0")
		req.Header.Set("X-Amz-Target", "AmazonSQS."+operation)
		req.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential=test/20260101/eu-west-1/sqs/aws4_request, SignedHeaders=host, Signature=0")
		r, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Body.Close()
		body, err := io.ReadAll(r.Body)
		if err != nil || r.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s %s, %v", operation, name, r.Status, body, err)
		}
		var answer map[string]string
		_ = json.Unmarshal(body, &answer) // of what is asked for, all are texts
		return answer
	}
	url := ask("CreateQueue", map[string]string{"QueueName": name})["QueueUrl"]
	for _, body := range bodies {
		ask("SendMessage", map[string]string{"QueueUrl": url, "MessageBody": body})
	}
}
