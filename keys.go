package plexus

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// Key is what a client authenticates with.
type Key struct {
	// The name by which logs know who asked. It is no secret.
	Name string `json:"name"`

	// The secret: a placeholder such as `{env.PLEXUS_KEY_APP}`, which is
	// replaced when the configuration loads, or `sha256:` and the hexadecimal
	// SHA-256 of the secret. The Caddyfile turns a secret that is written out
	// into the latter, so that the configuration does not show it.
	Secret string `json:"secret"`

	// The models that this key may ask for: aliases or additional aliases,
	// `provider/model` for passthrough, `provider/*` for all of a provider's.
	// Default: all.
	Models []string `json:"models,omitempty"`

	// Refuses the key. Default: `false`.
	Disabled bool `json:"disabled,omitempty"`

	// When the key stops being accepted: a date (`2027-01-31`, until its end in
	// UTC) or a time (`2027-01-31T18:00:00Z`). Default: never.
	Expires string `json:"expires,omitempty"`

	sum     [sha256.Size]byte
	expires time.Time
	all     bool
	aliases map[string]bool
	pairs   map[string]bool // "provider/model", and "provider/*"
}

// hashPrefix marks a secret that is given as its hash.
const hashPrefix = "sha256:"

// keyring holds the keys by the hash of their secrets: looking one up takes as
// long with a hundred thousand as with one, and tells nothing of the secrets.
type keyring map[[sha256.Size]byte]*Key

// newKeyring checks the keys against the router.
func newKeyring(keys []*Key, r *Router) (keyring, error) {
	ring := make(keyring, len(keys))
	seen := make(map[string]bool, len(keys))
	repl := caddy.NewReplacer()
	for _, k := range keys {
		if k.Name == "" {
			return nil, fmt.Errorf("a key has no name")
		}
		if seen[k.Name] {
			return nil, fmt.Errorf("duplicate key %q", k.Name)
		}
		seen[k.Name] = true
		if err := k.provision(r, repl); err != nil {
			return nil, fmt.Errorf("key %q: %w", k.Name, err)
		}
		if other := ring[k.sum]; other != nil {
			return nil, fmt.Errorf("key %q and key %q have the same secret", other.Name, k.Name)
		}
		ring[k.sum] = k
	}
	return ring, nil
}

func (k *Key) provision(r *Router, repl *caddy.Replacer) error {
	secret, err := repl.ReplaceOrErr(k.Secret, true, true)
	if err != nil {
		return fmt.Errorf("secret: %w", err)
	}
	if secret == "" {
		return fmt.Errorf("it has no secret")
	}
	if k.sum, err = hashSecret(secret); err != nil {
		return err
	}
	if k.Expires != "" {
		if k.expires, err = parseExpiry(k.Expires); err != nil {
			return err
		}
	}
	return k.grant(r)
}

func hashSecret(secret string) (sum [sha256.Size]byte, err error) {
	digits, hashed := strings.CutPrefix(secret, hashPrefix)
	if !hashed {
		return sha256.Sum256([]byte(secret)), nil
	}
	raw, err := hex.DecodeString(digits)
	if err != nil || len(raw) != sha256.Size {
		return sum, fmt.Errorf("secret: expected %d hexadecimal digits after %s", 2*sha256.Size, hashPrefix)
	}
	return [sha256.Size]byte(raw), nil
}

// secretPlaceholder finds what may be meant as a placeholder, such as {env.NAME}.
// One that is misspelt is refused when the configuration loads: as the secret
// itself it could be guessed.
var secretPlaceholder = regexp.MustCompile(`^\$?\{[^{}]+\}$|\{[a-z_]+\.[^{}]+\}`)

// hideSecret is a secret as a configuration may show it: a placeholder or a
// hash as it is, anything else as its hash.
func hideSecret(secret string) string {
	if secret == "" || strings.HasPrefix(secret, hashPrefix) || secretPlaceholder.MatchString(secret) {
		return secret
	}
	sum := sha256.Sum256([]byte(secret))
	return hashPrefix + hex.EncodeToString(sum[:])
}

func parseExpiry(s string) (time.Time, error) {
	if day, err := time.Parse(time.DateOnly, s); err == nil {
		return day.AddDate(0, 0, 1), nil
	}
	at, err := time.Parse(time.RFC3339, s)
	if err != nil {
		return at, fmt.Errorf("expires: expected a date such as 2027-01-31 or a time such as 2027-01-31T18:00:00Z, got %q", s)
	}
	return at, nil
}

// grant resolves what the key may ask for to canonical aliases and to pairs of
// provider and model, so that no other spelling of a name evades it.
func (k *Key) grant(r *Router) error {
	if k.all = len(k.Models) == 0; k.all {
		return nil
	}
	k.aliases, k.pairs = map[string]bool{}, map[string]bool{}
	for _, name := range k.Models {
		if rt := r.names[name]; rt != nil {
			k.aliases[rt.model.Alias] = true
			continue
		}
		provider, model, found := strings.Cut(name, "/")
		p := r.providers[provider]
		if !found || p == nil || model != "*" && !p.serves(model) {
			return fmt.Errorf("models: there is no model %q%s", name, didYouMean(name, r.allNames()))
		}
		k.pairs[name] = true
	}
	return nil
}

// permit decides whether the key may ask what a request asks.
func (k *Key) permit(req *request, route *Route) error {
	if !k.allows(route) {
		return fail(ErrForbidden, "the API key %q may not use the model %s", k.Name, quoted(req.model))
	}
	if k == nil || k.all {
		return nil
	}
	if name := req.otherModel(); name != "" {
		return fail(ErrForbidden, "the API key %q is for certain models and may not choose others in the member %s", k.Name, quoted(name))
	}
	return nil
}

// allows tells whether the key may ask for what a name stands for.
func (k *Key) allows(route *Route) bool {
	switch {
	case k == nil || k.all:
		return true
	case route.Passthrough:
		provider, _, _ := strings.Cut(route.Alias, "/")
		return k.pairs[route.Alias] || k.pairs[provider+"/*"]
	default:
		return k.aliases[route.Alias]
	}
}

// find looks for the key of a presented secret, or gives nil. What is compared
// are hashes, so that the time it takes tells nothing of a secret.
func (ring keyring) find(secret string) *Key { return ring[sha256.Sum256([]byte(secret))] }

// presented lists the secrets that a request carries, each where one of the
// APIs wants it, in the order in which they are tried. Coding agents send more
// than one.
func presented(r *http.Request, room []string) []string {
	if auth := r.Header.Get("Authorization"); len(auth) > 7 && strings.EqualFold(auth[:7], "Bearer ") {
		room = append(room, strings.TrimSpace(auth[7:]))
	}
	for _, name := range []string{"X-Api-Key", "X-Goog-Api-Key"} {
		if secret := r.Header.Get(name); secret != "" {
			room = append(room, secret)
		}
	}
	if strings.Contains(r.URL.RawQuery, "key=") {
		if secret := r.URL.Query().Get("key"); secret != "" {
			room = append(room, secret)
		}
	}
	return room
}

// admit decides whether a request may come in, and with which key; nil where
// none is needed. Of several keys the first that is accepted counts.
func (g *Gateway) admit(r *http.Request) (*Key, error) {
	if len(g.keyring) == 0 {
		if g.Open {
			return nil, nil
		}
		return nil, onlyLoopback(r)
	}
	var room [4]string
	secrets := presented(r, room[:0])
	if len(secrets) == 0 {
		return nil, fail(ErrUnauthorized, "no API key; send one as `Authorization: Bearer …`, `x-api-key` or `x-goog-api-key`")
	}
	var refused error
	for _, secret := range secrets {
		k := g.keyring.find(secret)
		if k == nil {
			continue
		}
		err := k.usable(g.now())
		if err == nil {
			return k, nil
		}
		if refused == nil {
			refused = err
		}
	}
	if refused != nil {
		return nil, refused
	}
	return nil, fail(ErrUnauthorized, "the API key is not valid")
}

// usable tells why a key is not accepted, if so.
func (k *Key) usable(now time.Time) error {
	switch {
	case k.Disabled:
		return fail(ErrUnauthorized, "the API key %q is disabled", k.Name)
	case !k.expires.IsZero() && !now.Before(k.expires):
		return fail(ErrUnauthorized, "the API key %q has expired", k.Name)
	}
	return nil
}

// onlyLoopback guards a gateway without keys: it serves this machine alone. A
// request that another proxy forwarded is somebody else's, though it arrives
// from here; and one that a web page of another site makes a browser send is
// not its user's.
func onlyLoopback(r *http.Request) error {
	const remedy = "; add `key <name> <secret>` to the plexus block, or `open` where something else guards the site"
	if !isLoopback(clientIP(r)) {
		return fail(ErrForbidden, "without keys this gateway serves only clients on its own machine%s", remedy)
	}
	for _, name := range []string{"Forwarded", "X-Forwarded-For", "X-Real-Ip"} {
		if r.Header.Get(name) != "" {
			return fail(ErrForbidden, "without keys this gateway does not serve requests that a proxy forwarded%s", remedy)
		}
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		u, err := url.Parse(origin)
		if err != nil || u.Hostname() != "localhost" && !isLoopback(u.Hostname()) {
			return fail(ErrForbidden, "without keys this gateway does not serve web pages of other sites%s", remedy)
		}
	}
	return nil
}

// clientIP is what Caddy takes for the client's address, trusted proxies
// considered.
func clientIP(r *http.Request) string {
	if ip, ok := caddyhttp.GetVar(r.Context(), caddyhttp.ClientIPVarKey).(string); ok {
		return ip
	}
	addr, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return addr.Addr().String()
}

func isLoopback(ip string) bool {
	addr, err := netip.ParseAddr(ip)
	return err == nil && addr.Unmap().IsLoopback()
}
