package mock

import (
	"net/http"
	"slices"
	"strings"
)

// readModelList answers with the configured models in the caller's shape.
func readModelList(x *exchange) (head, func() error, error) {
	return head{}, func() error {
		var w wire
		models := x.mock.Models
		switch x.endpoint.family {
		case gemini:
			w.raw(`{"models":[`)
		case anthropic:
			w.raw(`{"first_id":`).str(models[0]).raw(`,"last_id":`).str(models[len(models)-1])
			w.raw(`,"has_more":false,"data":[`)
		case openAI:
			w.raw(`{"object":"list","data":[`)
		}
		for i, name := range models {
			describe(w.comma(i), x.endpoint.family, name)
		}
		return x.sendJSON(w.raw(`]}`).buf)
	}, nil
}

// readModel answers with one of the configured models.
func readModel(x *exchange) (head, func() error, error) {
	return head{}, func() error {
		name, _, _ := strings.Cut(x.model, "#")
		if !slices.Contains(x.mock.Models, name) {
			return &apiError{status: http.StatusNotFound, message: "The model '" + x.model + "' does not exist.", param: "model"}
		}
		var w wire
		return x.sendJSON(describe(&w, x.endpoint.family, name).buf)
	}, nil
}

// describe writes a model as the given provider does. The dates are those of
// no release, and always the same.
func describe(w *wire, f family, name string) *wire {
	switch f {
	case gemini:
		w.raw(`{"name":`).str("models/" + name).raw(`,"version":"mock","displayName":`).str(name)
		w.raw(`,"description":"A mock model.","inputTokenLimit":1048576,"outputTokenLimit":65536,`)
		return w.raw(`"supportedGenerationMethods":["generateContent","countTokens","embedContent","batchEmbedContents"]}`)
	case anthropic:
		w.raw(`{"type":"model","id":`).str(name).raw(`,"display_name":`).str(name)
		return w.raw(`,"created_at":"2025-01-01T00:00:00Z"}`)
	default:
		return w.raw(`{"id":`).str(name).raw(`,"object":"model","created":1735689600,"owned_by":"plexus-mock"}`)
	}
}
