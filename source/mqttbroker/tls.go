package mqttbroker

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/fluxmq/webhookd/config"
)

// newTLSConfig is nil where there is no certificate. Its error is a config.KeyError.
func newTLSConfig(files config.ServerTLS, log *slog.Logger) (*tls.Config, error) {
	if files.CertFile == "" {
		return nil, nil
	}
	identity := &serverIdentity{files: files, log: log}
	if err := identity.read(); err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return identity.current(), nil },
	}, nil
}

// serverIdentity is the broker's certificate, and the authority of its clients. The files are read again when they change;
// what can't be used then is told in the log, and what was read before stays.
type serverIdentity struct {
	files config.ServerTLS
	log   *slog.Logger

	mu     sync.Mutex
	config *tls.Config
	stamps [3]fileStamp // of the files as they were read last
}

// fileStamp tells one state of a file from the next.
type fileStamp struct {
	modified time.Time
	size     int64
}

// current looks at the files at each handshake.
func (s *serverIdentity) current() *tls.Config {
	s.mu.Lock()
	defer s.mu.Unlock()
	if stamps := s.stampsNow(); stamps != s.stamps {
		if err := s.read(); err != nil {
			s.log.Error("the changed TLS files of the MQTT broker can't be used; those before stay in use", "error", err)
		}
	}
	return s.config
}

func (s *serverIdentity) stampsNow() (stamps [3]fileStamp) {
	for i, path := range []config.Path{s.files.CertFile, s.files.KeyFile, s.files.ClientCAFile} {
		if info, err := os.Stat(string(path)); err == nil {
			stamps[i] = fileStamp{info.ModTime(), info.Size()}
		}
	}
	return stamps
}

func (s *serverIdentity) read() error {
	s.stamps = s.stampsNow() // before the files are read: what changes meanwhile is read again
	certificate, err := tls.LoadX509KeyPair(string(s.files.CertFile), string(s.files.KeyFile))
	if err != nil {
		return &config.KeyError{Key: "tls.cert_file", Err: fmt.Errorf("can't be used with its key: %w", err)}
	}
	read := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{certificate}}
	if s.files.ClientCAFile != "" {
		read.ClientAuth = tls.RequireAndVerifyClientCert
		if read.ClientCAs, err = readAuthorities(s.files.ClientCAFile); err != nil {
			return &config.KeyError{Key: "tls.client_ca_file", Err: err}
		}
	}
	s.config = read
	return nil
}

func readAuthorities(path config.Path) (*x509.CertPool, error) {
	text, err := os.ReadFile(string(path))
	if err != nil {
		return nil, fmt.Errorf("can't be read: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("has no PEM certificate")
	}
	return pool, nil
}
