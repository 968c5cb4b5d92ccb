package chat

import (
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"slices"

	"github.com/caddy-plexus/plexus/api"
)

// maxUser is how long OpenAI lets `user` be, while Claude Code's metadata.user_id
// is twice that: https://github.com/maximhq/bifrost/pull/1000.
const maxUser = 64

// sender writes who asks, and under which terms.
func (e *requestEncoder) sender() {
	r := e.req
	user := r.User
	if !e.native && len(user) > maxUser {
		sum := sha256.Sum256([]byte(user))
		user = hex.EncodeToString(sum[:])
	}
	switch {
	case e.kin && textOf(r.Extra["safety_identifier"]) == r.User:
	case e.model.family == mistral && !e.model.resold: // has no such member, and refuses what it has not
		e.drop("user", user != "")
	default:
		e.some("user", user)
	}
	if !e.kin {
		e.drop("metadata", r.Metadata != nil)
		// The tiers of other vendors have other names, and other prices.
		e.drop("service_tier", r.ServiceTier != "")
		return
	}
	e.metadata()
	e.some("service_tier", r.ServiceTier)
}

// metadata writes what OpenAI takes only along with `store`
// (https://github.com/QwenLM/qwen-code/issues/243), which in Responses is the
// default and in chat is not.
func (e *requestEncoder) metadata() {
	r := e.req
	if e.native || !e.model.openAI() || e.model.resold {
		e.raw("metadata", r.Metadata)
		return
	}
	if string(r.Extra["store"]) == "false" {
		e.drop("metadata", !api.Empty(r.Metadata))
	} else if !api.Empty(r.Metadata) {
		e.raw("metadata", r.Metadata)
		e.boolean("store", true)
	}
}

// shared are the members that chat and responses have in common beyond those of
// the neutral format.
var shared = []string{"safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention"}

func (e *requestEncoder) extra() {
	for _, name := range slices.Sorted(maps.Keys(e.req.Extra)) {
		switch {
		case e.native && name == "stream_options":
		case e.native, e.kin && slices.Contains(shared, name):
			e.raw(name, e.req.Extra[name])
		default:
			if why := e.req.Missed(name); why != "" {
				e.refuse(name, why)
			}
			e.drop(name, !e.req.Repeats(name))
		}
	}
}
