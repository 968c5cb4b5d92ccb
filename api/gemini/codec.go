package gemini

import "github.com/caddy-plexus/plexus/api"

// Codec translates generateContent and streamGenerateContent. The model's name
// and whether the answer streams stand in the path, so that DecodeRequest leaves
// Model and Stream empty and EncodeRequest writes neither.
type Codec struct{}

// The reasons why an answer ends, by Google's names:
// https://ai.google.dev/api/generate-content#FinishReason. What is not in the
// table, OTHER among it, counts as an end like any other.
var finishes = map[string]api.Finish{
	"STOP":                     api.FinishStop,
	"MAX_TOKENS":               api.FinishLength,
	"CONTINUATION":             api.FinishLength,
	"SAFETY":                   api.FinishContentFilter,
	"RECITATION":               api.FinishContentFilter,
	"LANGUAGE":                 api.FinishContentFilter,
	"BLOCKLIST":                api.FinishContentFilter,
	"PROHIBITED_CONTENT":       api.FinishContentFilter,
	"SPII":                     api.FinishContentFilter,
	"MODEL_ARMOR":              api.FinishContentFilter,
	"IMAGE_SAFETY":             api.FinishContentFilter,
	"IMAGE_PROHIBITED_CONTENT": api.FinishContentFilter,
	"IMAGE_RECITATION":         api.FinishContentFilter,
	"MALFORMED_FUNCTION_CALL":  api.FinishMalformed,
	"UNEXPECTED_TOOL_CALL":     api.FinishMalformed,
	"TOO_MANY_TOOL_CALLS":      api.FinishMalformed,
	"MALFORMED_RESPONSE":       api.FinishMalformed,
}

// unspecified is what protobuf says where nothing is said.
const unspecified = "FINISH_REASON_UNSPECIFIED"

// finishOf is the neutral reason; Google says STOP after calls, too.
func finishOf(reason string, calls bool) api.Finish {
	finish, ok := finishes[reason]
	if !ok {
		finish = api.FinishStop
	}
	if finish == api.FinishStop && calls {
		return api.FinishToolCalls
	}
	return finish
}

// finishReason is the reason in Google's words.
func finishReason(f api.Finish) string {
	switch f {
	case api.FinishLength, api.FinishContextLength:
		return "MAX_TOKENS"
	case api.FinishContentFilter, api.FinishRefusal:
		return "SAFETY"
	case api.FinishMalformed:
		return "MALFORMED_FUNCTION_CALL"
	default:
		return "STOP"
	}
}

// Interface guard
var _ api.Codec = Codec{}
