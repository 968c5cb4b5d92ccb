package gemini

import (
	"encoding/base64"
	"strings"

	"github.com/caddy-plexus/plexus/api"
)

// A thoughtSignature is of type bytes: a client that parses it, as Google's SDKs
// for Go and Java do, refuses what is not base64. Sealed signatures of other
// vendors are therefore encoded once more. What api.Seal gives begins with
// "plexus:", and so its base64 with sealed.
const (
	sealed = "cGxleHVz"
	// redactedMark stands before a sealed signature whose part is redacted, for
	// which Google's format has no member. It fills whole groups of base64.
	redactedMark    = "redacted:"
	redactedMark64  = "cmVkYWN0ZWQ6"
	skipValidator   = "skip_thought_signature_validator"
	madeUp          = "plexus_call_"
	rawArguments    = "_raw"
	customArguments = "input"
)

// readSignature takes a client's or a provider's thoughtSignature apart.
func readSignature(part *api.Part, signature string) {
	if signature == "" {
		return
	}
	part.Vendor, part.Signature = api.Google, signature
	if !strings.HasPrefix(signature, sealed) && !strings.HasPrefix(signature, redactedMark64) {
		return
	}
	plain, err := base64.StdEncoding.DecodeString(signature)
	if err != nil {
		return
	}
	text, redacted := strings.CutPrefix(string(plain), redactedMark)
	vendor, inner := api.Unseal(text, "")
	if vendor == "" {
		return
	}
	part.Vendor, part.Signature, part.Redacted = vendor, inner, redacted
}

// clientSignature is the signature of a part as a client of this format gets it.
func clientSignature(vendor api.Vendor, signature string, redacted bool) string {
	if signature == "" || vendor == api.Google || vendor == "" {
		return signature
	}
	text := api.Seal(vendor, signature)
	if redacted {
		text = redactedMark + text
	}
	return base64.StdEncoding.EncodeToString([]byte(text))
}
