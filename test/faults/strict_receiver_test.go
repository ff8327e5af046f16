package faults

import (
	"compress/gzip"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

const strictSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"

// strictReceiver is an https server that takes what is signed, compressed, brought by somebody with a certificate, and has
// the token of the moment. It fails now and then.
type strictReceiver struct {
	*httptest.Server
	tokens    *httptest.Server
	token     atomic.Int64
	verifier  *standardwebhooks.Webhook
	requests  atomic.Int64
	delivered atomic.Int64
	forged    atomic.Int64 // requests whose signature is wrong
}

func newStrictReceiver(t *testing.T) *strictReceiver {
	verifier, err := standardwebhooks.NewWebhook(strictSecret)
	require.NoError(t, err)
	r := &strictReceiver{verifier: verifier}
	r.Server = httptest.NewUnstartedServer(http.HandlerFunc(r.take))
	r.TLS = &tls.Config{ClientAuth: tls.RequireAnyClientCert}
	r.EnableHTTP2 = true
	r.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.StartTLS()
	t.Cleanup(r.Close)
	r.tokens = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"token-%d","token_type":"bearer","expires_in":3600}`, r.token.Load())
	}))
	t.Cleanup(r.tokens.Close)
	return r
}

func (r *strictReceiver) take(w http.ResponseWriter, request *http.Request) {
	body, err := plainBody(request)
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		return
	}
	if r.verifier.Verify(body, request.Header) != nil {
		r.forged.Add(1)
	}
	if request.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", r.token.Load()) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.requests.Add(1) % 20 {
	case 0:
		w.WriteHeader(http.StatusBadRequest) // splits a batch
	case 1:
		w.WriteHeader(http.StatusConflict) // gives it up
	case 2:
		w.WriteHeader(http.StatusInternalServerError)
	case 3:
		w.WriteHeader(http.StatusServiceUnavailable)
	case 4:
		panic(http.ErrAbortHandler)
	default:
		r.delivered.Add(1)
	}
}

func plainBody(request *http.Request) ([]byte, error) {
	if request.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(request.Body)
	}
	plain, err := gzip.NewReader(request.Body)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(plain)
}

// writeAuthority puts the certificate to trust into a file.
func (r *strictReceiver) writeAuthority(t *testing.T, file string) {
	require.NoError(t, writePEM(file, "CERTIFICATE", r.Certificate().Raw))
}

// writeIdentity puts another client certificate and its key into their files, each at once.
func writeIdentity(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotAfter: time.Now().Add(time.Hour)}
	certificate, certificateErr := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	encoded, keyErr := x509.MarshalPKCS8PrivateKey(key)
	return errors.Join(certificateErr, keyErr, writePEM(certFile, "CERTIFICATE", certificate), writePEM(keyFile, "PRIVATE KEY", encoded))
}

func writePEM(file, kind string, content []byte) error {
	next := filepath.Join(filepath.Dir(file), "next")
	text := pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content})
	return errors.Join(os.WriteFile(next, text, 0o600), os.Rename(next, file))
}
