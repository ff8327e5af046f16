package network

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/fluxmq/webhookd/config"
)

const maxTLSFileBytes = 1 << 20

// tlsIdentity is whom an endpoint's connections trust, and who we are to the endpoint.
type tlsIdentity struct {
	roots        *x509.CertPool // nil: the system's
	certificates []tls.Certificate
	asked        atomic.Bool // whether the endpoint wanted to see a certificate of ours
}

// newTLSIdentity reads the files of an endpoint's tls section, and goes on doing so when they change. It fails with
// KeyErrors. A certificate of our own that is out of date is told to the log, since the endpoint decides about it.
func newTLSIdentity(settings config.TLS, log *slog.Logger) (*reloading[tlsIdentity], error) {
	var files []*watchedFile
	watch := func(key string, path config.Path) *watchedFile {
		if path == "" {
			return nil
		}
		file := &watchedFile{key: key, path: string(path), maxBytes: maxTLSFileBytes}
		files = append(files, file)
		return file
	}
	authorities := watch("tls.ca_file", settings.CAFile)
	certificate, key := watch("tls.cert_file", settings.CertFile), watch("tls.key_file", settings.KeyFile)
	build := func() (*tlsIdentity, error) {
		var identity tlsIdentity
		var authoritiesErr, certificateErr error
		if authorities != nil {
			identity.roots, authoritiesErr = parseAuthorities(authorities.content)
		}
		if certificate != nil && key != nil {
			identity.certificates, certificateErr = parseKeyPair(certificate.content, key.content)
			warnOfDates(log, identity.certificates)
		}
		return &identity, errors.Join(authoritiesErr, certificateErr)
	}
	return newReloading(log, build, files...)
}

// toEndpoint is how the endpoint is spoken with.
func (i *tlsIdentity) toEndpoint(settings config.TLS) *tls.Config {
	tlsConfig := i.toOthers(settings)
	tlsConfig.GetClientCertificate = i.present
	tlsConfig.ServerName = settings.ServerName
	return tlsConfig
}

// present shows the certificate that suits what the endpoint asks for, or none.
func (i *tlsIdentity) present(request *tls.CertificateRequestInfo) (*tls.Certificate, error) {
	i.asked.Store(true)
	for _, certificate := range i.certificates {
		if request.SupportsCertificate(&certificate) == nil {
			return &certificate, nil
		}
	}
	return new(tls.Certificate), nil
}

// toOthers is how a proxy and a token server are spoken with: they are no endpoint, so that neither its name nor our
// certificate for it is theirs.
func (i *tlsIdentity) toOthers(settings config.TLS) *tls.Config {
	return &tls.Config{RootCAs: i.roots, MinVersion: tlsVersion(settings.MinVersion)}
}

func tlsVersion(text string) uint16 {
	if text == "1.3" {
		return tls.VersionTLS13
	}
	return tls.VersionTLS12
}

func warnOfDates(log *slog.Logger, certificates []tls.Certificate) {
	now := time.Now()
	for _, certificate := range certificates {
		switch own := certificate.Leaf; {
		case now.After(own.NotAfter):
			log.Warn("the certificate in tls.cert_file has expired", "not_after", own.NotAfter)
		case now.Before(own.NotBefore):
			log.Warn("the certificate in tls.cert_file is not valid yet", "not_before", own.NotBefore)
		}
	}
}
