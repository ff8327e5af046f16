package httpclient

import (
	"bytes"
	"net"

	"crypto/tls"
	"crypto/x509"

	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

// secureRig is a client in virtual time, its log, and a TLS server that tells who its clients are.
type secureRig struct {
	client  *Client
	log     *bytes.Buffer
	clients chan string
	opened  chan net.Conn
	closed  chan net.Conn
	server  *tls.Config   // changed before a connection is made
	proceed chan struct{} // waited for by requests; nil: by none
}

func inVirtualTLS(t *testing.T, settings *config.TLS, server *tls.Config, test func(*testing.T, *secureRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		rig := &secureRig{log: &bytes.Buffer{}, clients: make(chan string, 100), opened: make(chan net.Conn, 100), closed: make(chan net.Conn, 100), server: server}
		network := newPipe()
		httpServer := &http.Server{
			TLSConfig: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return rig.server, nil }},
			ConnState: func(conn net.Conn, state http.ConnState) {
				switch state {
				case http.StateNew:
					rig.opened <- conn
				case http.StateClosed:
					rig.closed <- conn
				}
			},
			ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError),
			Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				name := "nobody"
				if len(r.TLS.PeerCertificates) > 0 {
					name = r.TLS.PeerCertificates[0].Subject.CommonName
				}
				rig.clients <- name
				if rig.proceed != nil {
					<-rig.proceed
				}
			}),
		}
		go func() { _ = httpServer.ServeTLS(network, "", "") }()
		endpoint := endpointAt("https://receiver.example/hook")
		endpoint.TLS = *settings
		client, err := New(endpoint, slog.New(slog.NewTextHandler(rig.log, nil)))
		require.NoError(t, err)
		client.dialWith(network.dial)
		rig.client = client

		test(t, rig)

		client.Close()
		require.NoError(t, httpServer.Close())
		time.Sleep(2 * time.Second) // for what still closes
	})
}

// deliver expects that the server sees the client by this name.
func (r *secureRig) deliver(t *testing.T, name string) {
	t.Helper()
	outcome, _ := send(t, r.client)
	require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
	require.Equal(t, name, <-r.clients)
}

func TestTLSFilesAreReadAgainWhenTheyChange(t *testing.T) {
	ca := newAuthority(t)
	settings := config.TLS{CAFile: writeNew(t, ca.pem())}
	ca.issue(t, "first").files(t, &settings)
	inVirtualTLS(t, &settings, mutualTLS(t, ca), func(t *testing.T, rig *secureRig) {
		rig.deliver(t, "first")
		second := ca.issue(t, "second")
		write(t, string(settings.CertFile), second.certificate)
		write(t, string(settings.KeyFile), second.key)
		rig.deliver(t, "first") // within the second
		require.Len(t, rig.opened, 1)

		time.Sleep(time.Second)

		rig.deliver(t, "second")
		require.Len(t, rig.opened, 2)
		require.Contains(t, rig.log.String(), `keys="[tls.cert_file tls.key_file]"`)
		require.NotContains(t, rig.log.String(), "WARN")
		time.Sleep(time.Second)
		require.Len(t, rig.closed, 1)
		require.Equal(t, <-rig.opened, <-rig.closed)
	})
}

func TestAuthorityThatChangesIsTrustedFromThenOn(t *testing.T) {
	before, after := newAuthority(t), newAuthority(t)
	settings := config.TLS{CAFile: writeNew(t, before.pem())}
	inVirtualTLS(t, &settings, serverTLS(t, before), func(t *testing.T, rig *secureRig) {
		rig.deliver(t, "nobody")
		rig.server = serverTLS(t, after)
		write(t, string(settings.CAFile), after.pem())

		time.Sleep(time.Second)

		rig.deliver(t, "nobody")
	})
}

// Kubernetes replaces a folder's files at once, by a link to another folder.
func TestFolderThatALinkReplacesIsNoticed(t *testing.T) {
	ca, folder := newAuthority(t), t.TempDir()
	for _, name := range []string{"first", "second"} {
		require.NoError(t, os.Mkdir(filepath.Join(folder, name), 0o700))
		pair := ca.issue(t, name)
		write(t, filepath.Join(folder, name, "tls.crt"), pair.certificate)
		write(t, filepath.Join(folder, name, "tls.key"), pair.key)
		write(t, filepath.Join(folder, name, "ca.crt"), ca.pem())
	}
	data := filepath.Join(folder, "..data")
	require.NoError(t, os.Symlink("first", data))
	for _, name := range []string{"tls.crt", "tls.key", "ca.crt"} {
		require.NoError(t, os.Symlink(filepath.Join("..data", name), filepath.Join(folder, name)))
	}
	settings := config.TLS{
		CAFile:   config.Path(filepath.Join(folder, "ca.crt")),
		CertFile: config.Path(filepath.Join(folder, "tls.crt")),
		KeyFile:  config.Path(filepath.Join(folder, "tls.key")),
	}
	inVirtualTLS(t, &settings, mutualTLS(t, ca), func(t *testing.T, rig *secureRig) {
		rig.deliver(t, "first")
		require.NoError(t, os.Symlink("second", data+".new"))
		require.NoError(t, os.Rename(data+".new", data))

		time.Sleep(time.Second)

		rig.deliver(t, "second")
	})
}

func TestTLSFileThatBreaksChangesNothingAndIsToldOnce(t *testing.T) {
	ca := newAuthority(t)
	settings := config.TLS{CAFile: writeNew(t, ca.pem())}
	ca.issue(t, "first").files(t, &settings)
	inVirtualTLS(t, &settings, mutualTLS(t, ca), func(t *testing.T, rig *secureRig) {
		rig.deliver(t, "first")
		second := ca.issue(t, "second")
		told := 0
		for _, broken := range []struct {
			path    config.Path
			content []byte
			part    string
		}{
			{settings.CAFile, ca.pem()[:100], "tls.ca_file: holds a certificate that is broken or cut off"},
			{settings.CAFile, ca.pem(), ""},
			{settings.CertFile, second.certificate, "tls.key_file: does not belong to the certificate in tls.cert_file"},
			{settings.KeyFile, second.key[:30], "tls.key_file: holds no private key"},
			{settings.KeyFile, nil, "tls.key_file: holds no private key"},
		} {
			write(t, string(broken.path), broken.content)
			if broken.part != "" {
				told++
			}
			for range 3 {
				time.Sleep(time.Second)
				rig.deliver(t, "first")
			}
			require.Contains(t, rig.log.String(), broken.part)
			require.Equal(t, told, strings.Count(rig.log.String(), "WARN"), rig.log)
		}
		require.NoError(t, os.Remove(string(settings.KeyFile)))
		time.Sleep(time.Second)
		rig.deliver(t, "first")
		require.Contains(t, rig.log.String(), "tls.key_file: can't be read")

		write(t, string(settings.KeyFile), second.key)
		time.Sleep(time.Second)
		rig.deliver(t, "second")
		require.NotContains(t, rig.log.String(), "PRIVATE KEY-----\n")
	})
}

func TestConnectionInUseWhenTLSFilesChangeEndsWithItsRequest(t *testing.T) {
	ca := newAuthority(t)
	settings := config.TLS{CAFile: writeNew(t, ca.pem())}
	inVirtualTLS(t, &settings, serverTLS(t, ca), func(t *testing.T, rig *secureRig) {
		rig.proceed = make(chan struct{})
		outcomes := make(chan messages.Outcome, 2)
		attempt := func() {
			outcome, _ := send(t, rig.client)
			outcomes <- outcome
		}
		go attempt()
		require.Equal(t, "nobody", <-rig.clients)
		write(t, string(settings.CAFile), append(ca.pem(), newAuthority(t).pem()...))
		time.Sleep(time.Second)
		go attempt()
		require.Equal(t, "nobody", <-rig.clients)
		require.Len(t, rig.opened, 2)
		require.Empty(t, rig.closed)

		close(rig.proceed)

		for range 2 {
			outcome := <-outcomes
			require.Equal(t, messages.OutcomeDelivered, outcome.Kind, "%v", outcome.Err)
		}
		time.Sleep(2 * time.Second)
		require.Len(t, rig.closed, 1)
		require.Equal(t, <-rig.opened, <-rig.closed)
	})
}

func TestOwnCertificateOutOfDateIsToldToTheLog(t *testing.T) {
	ca := newAuthority(t)
	for text, change := range map[string]func(*x509.Certificate){
		"has expired":      expired,
		"is not valid yet": func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Minute) },
	} {
		var log bytes.Buffer
		endpoint := endpointAt("https://receiver.example")
		ca.issue(t, "webhookd", change).files(t, &endpoint.TLS)

		_, err := New(endpoint, slog.New(slog.NewTextHandler(&log, nil)))

		require.NoError(t, err)
		require.Contains(t, log.String(), text)
		require.Contains(t, log.String(), "endpoint=test")
	}
}

func TestTLSFileThatCannotBeUsedIsAProblemOfItsKey(t *testing.T) {
	ca := newAuthority(t)
	own, other := ca.issue(t, "webhookd"), ca.issue(t, "other")
	encrypted := []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nTUlJ\n-----END ENCRYPTED PRIVATE KEY-----\n")
	oldEncrypted := []byte("-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nTUlJ\n-----END EC PRIVATE KEY-----\n")
	broken := []byte("-----BEGIN CERTIFICATE-----\nTUlJ\n-----END CERTIFICATE-----\n")
	for name, c := range map[string]struct {
		ca, certificate, key []byte
		problems             map[string]string
	}{
		"no authority":       {ca: []byte("none"), problems: map[string]string{"tls.ca_file": "holds no certificate"}},
		"key as authority":   {ca: own.key, problems: map[string]string{"tls.ca_file": "holds no certificate"}},
		"broken authority":   {ca: append(ca.pem(), broken...), problems: map[string]string{"tls.ca_file": "broken or cut off"}},
		"cut-off authority":  {ca: append(ca.pem(), ca.pem()[:200]...), problems: map[string]string{"tls.ca_file": "broken or cut off"}},
		"too large":          {ca: bytes.Repeat([]byte("x"), 1<<20+1), problems: map[string]string{"tls.ca_file": "over 1048576 bytes"}},
		"no certificate":     {certificate: own.key, key: own.key, problems: map[string]string{"tls.cert_file": "holds no certificate"}},
		"no key":             {certificate: own.certificate, key: own.certificate, problems: map[string]string{"tls.key_file": "holds no private key"}},
		"key of another":     {certificate: own.certificate, key: other.key, problems: map[string]string{"tls.key_file": "does not belong"}},
		"encrypted key":      {certificate: own.certificate, key: encrypted, problems: map[string]string{"tls.key_file": "openssl pkey"}},
		"encrypted, old way": {certificate: own.certificate, key: oldEncrypted, problems: map[string]string{"tls.key_file": "openssl pkey"}},
		"broken key":         {certificate: own.certificate, key: bytes.ReplaceAll(broken, []byte("CERTIFICATE"), []byte("PRIVATE KEY")), problems: map[string]string{"tls.key_file": "is broken"}},
		"everything": {ca: []byte("none"), certificate: []byte("none"), key: []byte("none"), problems: map[string]string{
			"tls.ca_file": "holds no certificate", "tls.cert_file": "holds no certificate", "tls.key_file": "holds no private key",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			endpoint := endpointAt("https://receiver.example")
			if c.ca != nil {
				endpoint.TLS.CAFile = writeNew(t, c.ca)
			}
			if c.certificate != nil {
				issued{c.certificate, c.key}.files(t, &endpoint.TLS)
			}

			problems := keyErrors(t, endpoint)

			require.Len(t, problems, len(c.problems), "%v", problems)
			for key, part := range c.problems {
				require.Contains(t, problems[key], part, key)
			}
		})
	}
}

func TestTLSFileThatIsNoFileIsAProblemOfItsKey(t *testing.T) {
	endpoint := endpointAt("https://receiver.example")
	endpoint.TLS = config.TLS{CAFile: config.Path(t.TempDir()), CertFile: "/nowhere/tls.crt", KeyFile: "/dev/null"}

	problems := keyErrors(t, endpoint)

	require.Contains(t, problems["tls.ca_file"], "no regular file")
	require.Contains(t, problems["tls.cert_file"], "can't be read")
	require.Contains(t, problems["tls.key_file"], "no regular file")
}

func serverTLS(t *testing.T, ca *authority) *tls.Config {
	t.Helper()
	return &tls.Config{Certificates: []tls.Certificate{ca.issue(t, "receiver.example").pair(t)}, NextProtos: []string{"h2", "http/1.1"}}
}

func mutualTLS(t *testing.T, ca *authority) *tls.Config {
	t.Helper()
	settings := serverTLS(t, ca)
	settings.ClientAuth, settings.ClientCAs = tls.RequireAndVerifyClientCert, ca.pool()
	return settings
}
