package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// The certificate is trusted by its file, and each address speaks one version of
// HTTP.
func TestProviderOverTLS(t *testing.T) {
	s, err := newSecured(filepath.Join(t.TempDir(), "certificate.pem"))
	require.NoError(t, err)
	require.NoError(t, serveSecured(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, r.Proto)
	}), s))
	text, err := os.ReadFile(s.certificate)
	require.NoError(t, err)
	trusted := x509.NewCertPool()
	require.True(t, trusted.AppendCertsFromPEM(text))

	get := func(server, version string) error {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(version == http1)
		protocols.SetHTTP2(version == http2)
		transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}, Protocols: protocols}
		defer transport.CloseIdleConnections()
		res, err := (&http.Client{Transport: transport}).Get("https://" + s.addrs[server])
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	}
	require.NoError(t, get(http1, http1))
	require.NoError(t, get(http2, http2))
	require.Error(t, get(http1, http2))
	require.Error(t, get(http2, http1))
}

// A client that negotiates nothing speaks HTTP/1.1, whoever it speaks to.
func TestOnlyVersion(t *testing.T) {
	s := served(t, onlyVersion(new(provider), 2))
	err := post(t.Context(), "http://"+s.addr+"/v1/chat/completions", credential, body("whole-200", false))
	require.ErrorContains(t, err, "asked over HTTP/1.1")
}

func TestSubjectsOverTLS(t *testing.T) {
	f := func(name, version string) {
		t.Helper()
		l := &lab{provider: &subject{addr: "plain:1"}, secured: &secured{addrs: map[string]string{http1: "one:1", http2: "two:2"}, certificate: "/c.pem"}}
		s := l.site(name, 81, noAdmin, []string{"whole-200"})
		text := s.caddyfile()
		if version == "" {
			require.Contains(t, text, "plain:1")
			require.NotContains(t, text, "transport")
			return
		}
		require.Contains(t, text, "https://"+l.secured.addrs[version])
		require.NotContains(t, text, "plain:1")
		require.Contains(t, text, "versions "+version+"\n")
		require.Contains(t, text, "tls_trust_pool file /c.pem\n")
	}
	f(plexus, "")
	f(logged, "")
	f(plexusHTTP1, http1)
	f(plexusHTTP2, http2)
	f(baseHTTP1, http1)
	f(baseHTTP2, http2)
}
