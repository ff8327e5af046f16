//go:build unix

package httpclient

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// shortTest names, in the environment, the address of a receiver to which a process delivers that can open no file more.
const shortTest = "WEBHOOKD_SHORT_TEST"

// TestProcessThatCanOpenNoFileMore is about a process of its own, since the limit is that of all its tests.
func TestProcessThatCanOpenNoFileMore(t *testing.T) {
	refused := "Bearer first"
	server := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == refused {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})
	ca := newAuthority(t)
	secured := secureServer(t, serverTLS(t, ca), discard)
	command := exec.Command(os.Args[0])
	command.Env = append(os.Environ(), shortTest+"="+server.URL, shortTest+"_TLS="+secured.URL, "SSL_CERT_FILE="+string(writeNew(t, ca.pem())),
		"SSL_CERT_DIR="+t.TempDir(), "HTTP_PROXY=", "HTTPS_PROXY=", "http_proxy=", "https_proxy=")

	output, err := command.CombinedOutput()

	require.NoError(t, err, "%s", output)
	var got map[string]string
	require.NoError(t, json.Unmarshal(output, &got), "%s", output)
	require.Equal(t, map[string]string{
		"address": "local", "name": "local", "token server": "local", "token in a file": "local", "again": "delivered",
		"authorities of the system": "delivered", "error": "this process may open no more files", "advice": "ulimit -n",
	}, got)
}

// deliverShort does in a process of its own what TestProcessThatCanOpenNoFileMore is about, and prints how it went.
func deliverShort(url, secureURL string) {
	got := map[string]string{}
	clients := map[string]*Client{}
	open := func(name, url string, auth *config.Auth) {
		endpoint := endpointAt(url)
		endpoint.Auth = auth
		client, err := New(endpoint, quiet)
		if err != nil {
			panic(err)
		}
		clients[name] = client
	}
	token, err := os.CreateTemp("", "token")
	if err == nil {
		_, err = token.WriteString("first")
	}
	if err != nil {
		panic(err)
	}
	defer os.Remove(token.Name())
	open("address", url, nil)
	open("name", strings.Replace(url, "127.0.0.1", "webhookd.invalid", 1), nil)
	open("token server", url, &config.Auth{OAuth2: &config.OAuth2{TokenURL: url, ClientID: "client", ClientSecret: "secret"}})
	open("token in a file", url, &config.Auth{BearerFile: config.Path(token.Name())})
	open("authorities of the system", secureURL, nil)
	event := messages.NewEnvelope(published("a"))
	deliver := func(name string) messages.Outcome { return clients[name].sendEvent(context.Background(), event) }
	deliver("token in a file") // its connection is kept
	if err := os.WriteFile(token.Name(), []byte("another"), 0o600); err != nil {
		panic(err)
	}

	files := openAll()
	for _, name := range []string{"address", "name", "token server", "token in a file"} {
		outcome := deliver(name)
		got[name] = outcome.Kind.String()
		if name == "address" {
			got["error"] = strings.SplitN(outcome.Err.Error(), ":", 2)[0]
			got["advice"] = Advice(outcome)
			if strings.Contains(got["advice"], "ulimit -n") {
				got["advice"] = "ulimit -n"
			}
		}
	}
	files = append(files, openAll()...)
	_ = files[0].Close() // which leaves one, for the connection
	got["authorities of the system"] = deliver("authorities of the system").Kind.String()
	for _, file := range files[1:] {
		_ = file.Close()
	}
	got["again"] = deliver("address").Kind.String()
	_ = json.NewEncoder(os.Stdout).Encode(got)
}

// openAll opens files until the process may open no more.
func openAll() (files []*os.File) {
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 64, Max: 64}); err != nil {
		panic(err)
	}
	for {
		file, err := os.Open(os.DevNull)
		if errors.Is(err, syscall.EMFILE) {
			return files
		}
		files = append(files, file)
	}
}

func TestShortageIsNoFaultOfTheEndpoint(t *testing.T) {
	for errno, part := range map[syscall.Errno]string{
		syscall.EMFILE: "ulimit -n", syscall.ENFILE: "fs.file-max", syscall.EADDRNOTAVAIL: "ip_local_port_range",
		syscall.ENOBUFS: "memory", syscall.ENOMEM: "memory",
	} {
		t.Run(errno.Error(), func(t *testing.T) {
			outcome := failingToDial(t, os.NewSyscallError("connect", errno))

			require.Equal(t, messages.OutcomeLocal, outcome.Kind, "%v", outcome.Err)
			require.False(t, outcome.Sent)
			require.Zero(t, outcome.Status)
			require.ErrorIs(t, outcome.Err, errno)
			require.ErrorContains(t, outcome.Err, "this ") // process, or machine
			require.Contains(t, Advice(outcome), part)
			require.Contains(t, Advice(outcome), "nothing is wrong with the endpoint")
		})
	}
}

func TestLookUpThatFailsForAShortageIsNoFaultOfTheEndpoint(t *testing.T) {
	outcome := failingToDial(t, &net.DNSError{Err: "dial udp 127.0.0.53:53: socket: " + syscall.EMFILE.Error(), Name: "receiver.example"})

	require.Equal(t, messages.OutcomeLocal, outcome.Kind, "%v", outcome.Err)
}

func failingToDial(t *testing.T, cause error) messages.Outcome {
	t.Helper()
	client := clientOf(t, "http://receiver.example")
	client.dialWith(func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: cause}
	})
	return client.sendEvent(t.Context(), newEvent(t, 0))
}

// TestAddressThatNothingHereReachesIsNoShortage: Linux says the same of it as of a machine without a free port.
func TestAddressThatNothingHereReachesIsNoShortage(t *testing.T) {
	for address, want := range map[string]messages.OutcomeKind{
		"127.0.0.1": messages.OutcomeLocal,
		"fe80::1":   messages.OutcomeAway, // which is on no link in particular
	} {
		dialled := &net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{IP: net.ParseIP(address), Port: 80},
			Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}

		require.Equal(t, want, failingToDial(t, &net.OpError{Op: "proxyconnect", Net: "tcp", Err: dialled}).Kind, address)
	}
}
