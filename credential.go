package plexus

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
)

// Credential is one of several with which a provider authenticates us.
type Credential struct {
	// The credential: a placeholder, as in the provider's `api_key`.
	APIKey string `json:"api_key"`
	// The share of requests, relative to the other credentials' weights.
	// Default: `1`.
	Weight *float64 `json:"weight,omitempty"`
	// How many requests it may be used for in a minute. Default: the provider's.
	RPM int `json:"rpm,omitempty"`
	// How many tokens, of prompts and answers, it may be used for in a minute.
	// Default: the provider's.
	TPM int `json:"tpm,omitempty"`

	number int // from 1, as it is written
	weight float64
	secret string
	bearer []string // the values of headers: net/http wants slices
	bare   []string
	digest string // a part of one, for the names of states
	state  *credentialState
}

// maxCredentials is how many a request can keep apart.
const maxCredentials = 64

// provisionCredentials resolves the provider's credentials, of which there is
// always one: of a provider that wants none it is empty.
func (p *Provider) provisionCredentials(repl *caddy.Replacer, logger *zap.Logger) error {
	p.credentials = nil
	if p.APIKey != "" || len(p.Credentials) == 0 {
		p.credentials = append(p.credentials, &Credential{APIKey: p.APIKey})
	}
	p.credentials = append(p.credentials, p.Credentials...)
	if len(p.credentials) > maxCredentials {
		return fmt.Errorf("credentials: expected at most %d, got %d", maxCredentials, len(p.credentials))
	}
	if slices.Contains(p.credentials, nil) {
		return fmt.Errorf("credentials: an entry is null")
	}
	if p.Disabled { // whose credentials may be gone already
		return nil
	}
	seen := map[string]bool{}
	for i, c := range p.credentials {
		c.number = i + 1
		if err := c.provision(repl); err != nil {
			return fmt.Errorf("%s: %w", p.credentialField(i), err)
		}
		if c.secret == "" && len(p.credentials) > 1 {
			return fmt.Errorf("%s: it is empty", p.credentialField(i))
		}
		if seen[c.secret] {
			return fmt.Errorf("%s: it is one of the others; give that a weight", p.credentialField(i))
		}
		seen[c.secret] = true
		if c.secret != "" && c.secret == c.APIKey {
			logger.Warn("an api_key is written out in the configuration, where everyone with access to the admin API can read it; use {env.NAME} or {file./path}",
				zap.String("plexus_provider", p.Name))
		}
	}
	return nil
}

// credentialField names the field of a credential, the first of which may be the
// provider's api_key.
func (p *Provider) credentialField(i int) string {
	if len(p.credentials) == 1 || i == 0 && p.APIKey != "" {
		return "api_key"
	}
	return fmt.Sprintf("api_key number %d", i+1)
}

func (c *Credential) provision(repl *caddy.Replacer) (err error) {
	if c.secret, err = repl.ReplaceOrErr(c.APIKey, true, true); err != nil {
		return err
	}
	if strings.ContainsFunc(c.secret, unicode.IsControl) {
		return fmt.Errorf("it holds a line break or another control character, which no header can carry")
	}
	c.weight = 1
	if c.Weight != nil {
		if c.weight = *c.Weight; !(c.weight > 0) {
			return fmt.Errorf("the weight %v is not positive", c.weight)
		}
	}
	if c.RPM < 0 || c.TPM < 0 {
		return fmt.Errorf("rpm, tpm: expected a number of at least 1")
	}
	c.bearer, c.bare = []string{bearerPrefix + c.secret}, []string{c.secret}
	sum := sha256.Sum256([]byte(c.secret))
	c.digest = hex.EncodeToString(sum[:8])
	return nil
}

// authenticate puts the credential where an endpoint wants it.
func (c *Credential) authenticate(header map[string][]string, at *endpoint) {
	switch {
	case c.secret == "":
	case at.bearer:
		header[at.header] = c.bearer
	default:
		header[at.header] = c.bare
	}
}

// redact takes our credentials out of what a provider said, some of which quote
// them in their errors.
func (p *Provider) redact(body []byte) []byte {
	// The longest first: one may be the beginning of another.
	longest := func(a, b string) int { return len(b) - len(a) }
	secrets := slices.Clone(p.headerSecrets)
	for _, c := range p.credentials {
		secrets = append(secrets, c.secret)
	}
	slices.SortStableFunc(secrets, longest)
	for _, secret := range secrets {
		if len(secret) < 4 {
			continue
		}
		for _, written := range []string{secret, strings.ReplaceAll(secret, "/", `\/`)} {
			body = bytes.ReplaceAll(body, []byte(written), []byte("REDACTED"))
		}
	}
	return body
}

// findHeaderSecrets finds the values of placeholders such as {env.NAME} in
// header_up, which may be credentials too.
func (p *Provider) findHeaderSecrets(repl *caddy.Replacer) {
	p.headerSecrets = nil
	for _, values := range []http.Header{p.HeaderUp.Add, p.HeaderUp.Set} {
		for _, list := range values {
			for _, value := range list {
				for _, found := range secretPlaceholder.FindAllString(value, -1) {
					if strings.HasPrefix(found, "{env.") || strings.HasPrefix(found, "{file.") {
						p.headerSecrets = append(p.headerSecrets, repl.ReplaceAll(found, ""))
					}
				}
			}
		}
	}
}

// credentialState is what is learnt of a credential, at all the models that it
// gives access to.
type credentialState struct {
	breaker
}

// Interface guard
var _ caddy.Destructor = (*credentialState)(nil)
