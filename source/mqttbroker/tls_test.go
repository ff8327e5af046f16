package mqttbroker

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	mqtt3 "github.com/eclipse/paho.mqtt.golang"
	"github.com/gorilla/websocket"
	"github.com/stretchr/testify/require"

	"github.com/fluxmq/webhookd/config"
	"github.com/fluxmq/webhookd/messages"
)

func TestClientsOfBothListenersSpeakTLS(t *testing.T) {
	server := newCertificate(t, "server")
	broker, events := startBroker(t, config.MQTTBroker{WebSocketListen: "127.0.0.1:0", TLS: server.files})
	for id, address := range map[string]string{"tcp": "mqtts://" + broker.Addr().String(), "web": "wss://" + broker.WebSocketAddr().String()} {
		c := mqtt3.NewClient(mqtt3.NewClientOptions().AddBroker(address).SetClientID(id).SetTLSConfig(server.trusting()))
		connected := c.Connect()
		require.True(t, connected.WaitTimeout(patience))
		require.NoError(t, connected.Error())
		require.True(t, c.Publish("t", 1, false, id).WaitTimeout(patience))
		c.Disconnect(100)
	}
	require.Eventually(t, func() bool { return len(events.of(messages.TypeClientDisconnected)) == 2 }, patience, time.Millisecond)
	require.Len(t, events.of(messages.TypeMessagePublished), 2)
	require.Zero(t, broker.bounds.connecting.used())

	plain := dialRaw(t, broker.Addr(), connectPacket(4, 30)...)
	_, _ = io.ReadAll(plain)
	require.Len(t, events.of(messages.TypeClientConnected), 2)
}

func TestClientWithoutTheCertificateThatIsAskedForIsRefused(t *testing.T) {
	server, client, stranger := newCertificate(t, "server"), newCertificate(t, "client"), newCertificate(t, "stranger")
	server.files.ClientCAFile = client.files.CertFile
	broker, _ := startBroker(t, config.MQTTBroker{TLS: server.files})
	for name, test := range map[string]struct {
		certificates []tls.Certificate
		served       bool
	}{
		"none":     {nil, false},
		"stranger": {[]tls.Certificate{stranger.pair}, false},
		"client":   {[]tls.Certificate{client.pair}, true},
	} {
		t.Run(name, func(t *testing.T) {
			settings := server.trusting()
			settings.Certificates = test.certificates
			conn, err := tls.Dial("tcp", broker.Addr().String(), settings)
			require.NoError(t, err) // with TLS 1.3 a client learns of the refusal when it reads
			defer func() { _ = conn.Close() }()
			_, _ = conn.Write(connectPacket(4, 30))
			_, err = io.ReadFull(conn, make([]byte, 4))
			require.Equal(t, test.served, err == nil)
		})
	}
}

func TestCertificateThatChangesIsReadAgain(t *testing.T) {
	server := newCertificate(t, "first")
	var text bytes.Buffer
	broker, err := New(config.MQTTBroker{Listen: "127.0.0.1:0", TLS: server.files}, "node-1", &recorder{}, slog.New(slog.NewTextHandler(&text, nil)))
	require.NoError(t, err)
	require.NoError(t, broker.Start())
	t.Cleanup(func() { require.NoError(t, broker.Close()) })
	require.Equal(t, "first", presented(t, broker))

	require.NoError(t, os.WriteFile(string(server.files.CertFile), []byte("half writ"), 0o600))
	require.Equal(t, "first", presented(t, broker))
	require.Contains(t, text.String(), "tls.cert_file: can't be used with its key")

	second := newCertificate(t, "second")
	for from, to := range map[config.Path]config.Path{second.files.CertFile: server.files.CertFile, second.files.KeyFile: server.files.KeyFile} {
		content, err := os.ReadFile(string(from))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(string(to), content, 0o600))
	}
	require.Equal(t, "second", presented(t, broker))
}

func TestTLSFilesThatCanNotBeUsedAreAnError(t *testing.T) {
	server := newCertificate(t, "server")
	missing, noPEM := server.files, server.files
	missing.KeyFile = "/missing.key"
	noPEM.ClientCAFile = config.Path(filepath.Join(t.TempDir(), "empty.pem"))
	require.NoError(t, os.WriteFile(string(noPEM.ClientCAFile), nil, 0o600))
	for want, files := range map[string]config.ServerTLS{
		"tls.cert_file: can't be used with its key: ":      missing,
		"tls.client_ca_file: has no PEM certificate":       noPEM,
		"tls.client_ca_file: can't be read: open /missing": {CertFile: server.files.CertFile, KeyFile: server.files.KeyFile, ClientCAFile: "/missing"},
	} {
		_, err := New(config.MQTTBroker{TLS: files}, "node-1", &recorder{}, slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, want)
	}
}

func TestWebSocketTakesTheHostsThatItGoesBy(t *testing.T) {
	users := []config.User{{Username: "u", Password: "p"}}
	for name, test := range map[string]struct {
		cfg     config.MQTTBroker
		host    string
		origin  string
		allowed bool
	}{
		"no browser":                    {host: "127.0.0.1", allowed: true},
		"a page of this machine":        {host: "localhost:1", origin: "http://localhost:3000", allowed: true},
		"rebound name":                  {host: "evil.example", origin: "http://evil.example"},
		"rebound name, users":           {cfg: config.MQTTBroker{Users: users}, host: "evil.example", origin: "http://evil.example"},
		"allowed name":                  {cfg: config.MQTTBroker{AllowedHosts: []string{"mqtt.example"}}, host: "mqtt.example", origin: "https://mqtt.example", allowed: true},
		"a page of another site":        {host: "localhost", origin: "https://elsewhere.example"},
		"a page of another site, users": {cfg: config.MQTTBroker{Users: users}, host: "localhost", origin: "https://elsewhere.example", allowed: true},
	} {
		t.Run(name, func(t *testing.T) {
			test.cfg.WebSocketListen = "127.0.0.1:0"
			broker, _ := startBroker(t, test.cfg)
			header := http.Header{"Host": {test.host}}
			if test.origin != "" {
				header.Set("Origin", test.origin)
			}
			conn, answer, err := websocket.DefaultDialer.Dial("ws://"+broker.WebSocketAddr().String(), header)
			require.Equal(t, test.allowed, err == nil, err)
			if err == nil {
				require.NoError(t, conn.Close())
				return
			}
			require.Equal(t, http.StatusForbidden, answer.StatusCode)
		})
	}
}

// certificate is one that signed itself, in files.
type certificate struct {
	files config.ServerTLS
	pair  tls.Certificate
}

func newCertificate(t *testing.T, name string) certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA:         true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	certPEM := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	keyPEM := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})
	folder := t.TempDir()
	c := certificate{files: config.ServerTLS{
		CertFile: config.Path(filepath.Join(folder, "cert.pem")),
		KeyFile:  config.Path(filepath.Join(folder, "key.pem")),
	}}
	require.NoError(t, os.WriteFile(string(c.files.CertFile), certPEM, 0o600))
	require.NoError(t, os.WriteFile(string(c.files.KeyFile), keyPEM, 0o600))
	c.pair, err = tls.X509KeyPair(certPEM, keyPEM)
	require.NoError(t, err)
	return c
}

// trusting is what a client needs that trusts nobody else.
func (c certificate) trusting() *tls.Config {
	pool := x509.NewCertPool()
	leaf, _ := x509.ParseCertificate(c.pair.Certificate[0])
	pool.AddCert(leaf)
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
}

// presented is the name in the broker's certificate.
func presented(t *testing.T, broker *Broker) string {
	t.Helper()
	conn, err := tls.Dial("tcp", broker.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	require.NoError(t, err)
	defer func() { _ = conn.Close() }()
	return conn.ConnectionState().PeerCertificates[0].Subject.CommonName
}
