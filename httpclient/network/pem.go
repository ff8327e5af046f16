package network

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"strings"

	"github.com/fluxmq/webhookd/config"
)

var (
	errNoCertificate  = errors.New("holds no certificate: it has to be PEM, with -----BEGIN CERTIFICATE-----")
	errBadCertificate = errors.New("holds a certificate that is broken or cut off")
	errNoKey          = errors.New("holds no private key: it has to be PEM, with -----BEGIN PRIVATE KEY-----")
	errBadKey         = errors.New("holds a private key that is broken, or of a kind that TLS does not use")
	errEncryptedKey   = errors.New("holds a key that is encrypted, and nobody is here to type its passphrase: " +
		"decrypt it (openssl pkey -in KEY -out PLAIN_KEY)")
	errForeignKey = errors.New("does not belong to the certificate in tls.cert_file")
)

func parseAuthorities(content []byte) (*x509.CertPool, error) {
	certificates, err := parseCertificates(content)
	if err != nil {
		return nil, &config.KeyError{Key: "tls.ca_file", Err: err}
	}
	roots := x509.NewCertPool()
	for _, certificate := range certificates {
		roots.AddCert(certificate)
	}
	return roots, nil
}

// parseCertificates is strict, unlike crypto/x509, which leaves out what it can't read: half a file must not replace a
// whole one.
func parseCertificates(content []byte) (certificates []*x509.Certificate, err error) {
	begun := bytes.Count(content, []byte("-----BEGIN"))
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		begun--
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errBadCertificate
		}
		certificates = append(certificates, certificate)
	}
	switch {
	case begun != 0:
		return nil, errBadCertificate
	case len(certificates) == 0:
		return nil, errNoCertificate
	}
	return certificates, nil
}

func parseKeyPair(certificate, key []byte) ([]tls.Certificate, error) {
	_, certificateErr := parseCertificates(certificate)
	if certificateErr != nil {
		certificateErr = &config.KeyError{Key: "tls.cert_file", Err: certificateErr}
	}
	keyErr := checkKey(key)
	if keyErr != nil {
		keyErr = &config.KeyError{Key: "tls.key_file", Err: keyErr}
	}
	if err := errors.Join(certificateErr, keyErr); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, &config.KeyError{Key: "tls.key_file", Err: keyPairError(err)}
	}
	return []tls.Certificate{pair}, nil
}

func checkKey(content []byte) error {
	for block, rest := pem.Decode(content); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return errEncryptedKey
		}
		if strings.HasSuffix(block.Type, "PRIVATE KEY") {
			return nil
		}
	}
	return errNoKey
}

// keyPairError says in the words of a configuration what crypto/tls found.
func keyPairError(err error) error {
	if strings.Contains(err.Error(), "does not match") {
		return errForeignKey
	}
	return errBadKey
}
