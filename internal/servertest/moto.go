package servertest

import (
	"net/http"
	"os/exec"
	"strconv"
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
