package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log"
	"math/big"
	"net"
	"net/http"
	"os"
	"time"
)

// The provider over TLS, as real ones are, with a listener for each version of
// HTTP, so that a subject cannot come by the other one.

const (
	http1 = "1.1"
	http2 = "2"
)

// secured is where the provider listens with TLS.
type secured struct {
	addrs       map[string]string // by the version of HTTP
	certificate string            // the file of what to trust
}

func newSecured(certificate string) (*secured, error) {
	s := &secured{addrs: map[string]string{}, certificate: certificate}
	for _, version := range []string{http1, http2} {
		addr, err := freeAddress()
		if err != nil {
			return nil, err
		}
		s.addrs[version] = addr
	}
	return s, nil
}

// serveSecured listens at all of the addresses, and serves until the process
// ends. It leaves the certificate where subjects find it.
func serveSecured(handler http.Handler, s *secured) error {
	own, text, err := selfSigned(time.Now())
	if err != nil {
		return fmt.Errorf("making a certificate: %w", err)
	}
	if err := os.WriteFile(s.certificate, text, 0o600); err != nil {
		return err
	}
	for version, addr := range s.addrs {
		l, err := net.Listen("tcp", addr) //nolint:noctx // it does not wait
		if err != nil {
			return err
		}
		server := secureServer(handler, version, own)
		go func() { log.Fatal(server.ServeTLS(l, "", "")) }()
	}
	return nil
}

// secureServer speaks one version. Over HTTP/2 it lets a connection have as many
// streams as net/http does of itself, which is 250; those of real providers have
// 100 and more.
func secureServer(handler http.Handler, version string, own tls.Certificate) *http.Server {
	protocols, major := new(http.Protocols), 1
	protocols.SetHTTP1(version == http1)
	if version == http2 {
		protocols.SetHTTP2(true)
		major = 2
	}
	return &http.Server{
		Handler: onlyVersion(handler, major), Protocols: protocols,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12},
		ReadHeaderTimeout: time.Minute, ErrorLog: log.New(os.Stderr, "", 0),
	}
}

// onlyVersion refuses what a negotiation without a result would let in.
func onlyVersion(handler http.Handler, major int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ProtoMajor != major {
			http.Error(w, "bench: asked over "+r.Proto, http.StatusTeapot)
			return
		}
		handler.ServeHTTP(w, r)
	})
}

// selfSigned is a certificate of this machine's own address, and the same as a
// file of PEM.
func selfSigned(now time.Time) (tls.Certificate, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, text, nil
}
