package plexus

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/jsonscan"
	"github.com/caddy-plexus/plexus/api/sse"
)

// A stored response can only be had from the provider that made it, and only by
// the key for which it was made. So that no gateway has to remember either, the
// id that a client gets says both:
//
//	resp_plexus_ <provider, 8 digits> <seal, 24 digits> _ <the provider's id>
//
// The seal is an HMAC with the credential that gives access to it, which no client
// knows: nobody can make an id of another key's response, and of several
// credentials it is known which one it was. Where a provider has none, it is one
// with the hash of the key's own secret, which no other client knows.
const (
	responseIDPrefix  = "resp_plexus_"
	providerRefDigits = 8
	sealDigits        = 24
)

// providerRef is a provider's name in response ids.
func providerRef(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:providerRefDigits/2])
}

// sealResponseID is the id by which the client knows a response of the provider.
func (p *Provider) sealResponseID(c *Credential, k *Key, id string) string {
	return responseIDPrefix + providerRef(p.Name) + p.responseSeal(c, k, id) + "_" + id
}

func (p *Provider) responseSeal(c *Credential, k *Key, id string) string {
	secret := []byte(c.secret)
	if len(secret) == 0 && k != nil {
		secret = k.sum[:]
	}
	mac := hmac.New(sha256.New, secret)
	if k != nil {
		mac.Write([]byte(k.Name))
	}
	mac.Write([]byte("\n" + p.Name + "\n" + id))
	return hex.EncodeToString(mac.Sum(nil)[:sealDigits/2])
}

// openResponseID finds the provider of a response, the credential that gives
// access to it and the provider's own id of it, where the key is the one for which
// it was made.
func (r *Router) openResponseID(k *Key, sealed string) (p *Provider, c *Credential, id string, ok bool) {
	rest, ours := strings.CutPrefix(sealed, responseIDPrefix)
	if !ours || len(rest) <= providerRefDigits+sealDigits || rest[providerRefDigits+sealDigits] != '_' {
		return nil, nil, "", false
	}
	seal, id := rest[providerRefDigits:providerRefDigits+sealDigits], rest[providerRefDigits+sealDigits+1:]
	if p = r.byRef[rest[:providerRefDigits]]; p == nil {
		return nil, nil, "", false
	}
	for _, c := range p.credentials {
		if hmac.Equal([]byte(seal), []byte(p.responseSeal(c, k, id))) {
			return p, c, id, true
		}
	}
	return nil, nil, "", false
}

// responseIDs puts sealed ids in place of a provider's.
type responseIDs struct {
	provider   *Provider
	credential *Credential
	key        *Key
}

func (ids *responseIDs) seal(id string) string {
	return ids.provider.sealResponseID(ids.credential, ids.key, id)
}

// document rewrites a response: its id, and that of the one before it.
func (ids *responseIDs) document(body []byte) []byte {
	return joined(apply(body, ids.splices(nil, body, 0)))
}

// event rewrites an event of a stream that carries the whole response. They are
// three of a stream at most: in deltas there is no response's id.
func (ids *responseIDs) event(ev sse.Event) []byte {
	at := bytes.Index(ev.Raw, ev.Data)
	if at < 0 || len(ev.Data) == 0 {
		return ev.Raw // data in several lines, which no provider sends
	}
	it := jsonscan.Object(ev.Data)
	for it.Next() {
		if string(it.Key) == "response" {
			return joined(apply(ev.Raw, ids.splices(nil, it.Value(), at+it.Start)))
		}
	}
	return ev.Raw
}

func (ids *responseIDs) splices(splices []splice, response []byte, offset int) []splice {
	it := jsonscan.Object(response)
	for it.Next() {
		if key := string(it.Key); key != "id" && key != "previous_response_id" {
			continue
		}
		if id, ok := jsonscan.String(it.Value()); ok && id != "" {
			sealed := api.Quote(ids.seal(id))
			splices = append(splices, splice{offset + it.Start, offset + it.End, string(sealed)})
		}
	}
	return splices
}

// pin sends a request that continues a stored response to the provider that has
// it. Where there are no keys there is nobody to keep apart, and a provider's own
// id passes as it is.
func (x *exchange) pin() error {
	sealed := x.req.previousID
	if sealed == "" || len(x.gateway.keyring) == 0 && !strings.HasPrefix(sealed, responseIDPrefix) {
		return nil
	}
	p, credential, id, ok := x.gateway.router.openResponseID(x.key, sealed)
	if !ok {
		return previousNotFound("there is no response %s of this key; only responses that were stored through this gateway can be continued", quoted(sealed))
	}
	var at []*Target
	for _, t := range x.route.Targets {
		if t.Provider == p {
			at = append(at, t)
		}
	}
	if len(at) == 0 {
		return previousNotFound("the response %s cannot be continued with the model %s: no target of it is at the provider that has the response, %s",
			quoted(sealed), quoted(x.req.model), p.Name)
	}
	x.route.Targets, x.credential, x.req.previousID, x.req.sealedID = at, credential, id, sealed
	return nil
}

func previousNotFound(format string, args ...any) error {
	err := fail(ErrPreviousNotFound, format, args...)
	err.Param = "previous_response_id"
	return err
}

func joined(p pieces) []byte { return bytes.Join(p, nil) }
