//go:build linux

// Elsewhere Go does not read SSL_CERT_FILE.

package e2e

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gravito-framework/pulse/internal/servertest"
)

// certificate writes a certificate for 127.0.0.1 that signs itself, and its key.
func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for path, block := range map[string]*pem.Block{cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

func TestOverTLSTheServersCertificateIsChecked(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	port := servertest.FreePort(t)
	redis := servertest.Redis(t, "--tls-port", fmt.Sprint(port), "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	redis.Client.LPush(t.Context(), "bull:orders:wait", "1", "2")
	once := func(env ...string) *servertest.Process {
		env = append(env, fmt.Sprintf("PULSE_REDIS_URL=rediss://127.0.0.1:%d", port), "PULSE_APP=shop", "PULSE_BULLMQ_QUEUES=orders")
		p := servertest.Run(t, servertest.Build(t, redisReporter), env, "-once")
		p.Wait()
		return p
	}
	if p := once("SSL_CERT_FILE=" + cert); !strings.Contains(p.Stdout(), `"waiting": 2`) {
		t.Errorf("with a certificate that is trusted: %s%s", p.Stdout(), p.Stderr())
	}
	if p := once(); p.Wait() != 1 || !strings.Contains(p.Stderr(), "certificate signed by unknown authority") {
		t.Errorf("with one that is not: %s%s", p.Stdout(), p.Stderr())
	}
}
