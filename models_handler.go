package plexus

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/caddy-plexus/plexus/api"
)

// listedModel is one name in a list of models.
type listedModel struct {
	name        string
	description string
}

// serveModels answers for the list of models and for one of them, in the shape
// of the API that asks.
func (x *exchange) serveModels() error {
	if x.op.kind == operationLookup {
		m, err := x.lookup(x.op.model)
		if err != nil {
			return err
		}
		return x.writeJSON(modelObject(x.op.api, m, x.gateway.loaded))
	}
	return x.writeJSON(modelList(x.op.api, x.gateway.router.list(x.key), x.gateway.loaded))
}

// list is every name that a key may ask for: each alias in the order of the
// configuration, followed by its additional aliases.
func (r *Router) list(k *Key) []listedModel {
	list := make([]listedModel, 0, len(r.names))
	for _, rt := range r.models {
		if !k.allows(&Route{Alias: rt.model.Alias}) {
			continue
		}
		for _, name := range rt.model.names() {
			list = append(list, rt.listed(name))
		}
	}
	return list
}

func (rt *route) listed(name string) listedModel {
	if name != rt.model.Alias {
		return listedModel{name, "Alias for: " + rt.model.Alias}
	}
	return listedModel{name, rt.model.Description}
}

// lookup finds one name, a passthrough name too, as a request for it would.
func (x *exchange) lookup(name string) (listedModel, error) {
	if len(name) > maxModelName {
		return listedModel{}, nameTooLong()
	}
	router := x.gateway.router
	if rt := router.names[name]; rt != nil && x.key.allows(&Route{Alias: rt.model.Alias}) {
		return rt.listed(name), nil
	}
	route, err := router.Resolve(name)
	if err != nil {
		return listedModel{}, err
	}
	if !x.key.allows(&route) {
		return listedModel{}, fail(ErrForbidden, "the API key %q may not use the model %s", x.key.Name, quoted(name))
	}
	return listedModel{name: name}, nil
}

func (x *exchange) writeJSON(v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return err
	}
	header := x.w.Header()
	header.Set("Content-Type", "application/json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	x.w.WriteHeader(http.StatusOK)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(body) // a client that is gone needs no answer
	}
	return nil
}

// modelObject is one model as OpenAI, Anthropic or Gemini describes its own.
func modelObject(a api.API, m listedModel, created time.Time) any {
	switch a {
	case api.Messages:
		return struct {
			Type        string `json:"type"`
			ID          string `json:"id"`
			DisplayName string `json:"display_name"`
			CreatedAt   string `json:"created_at"`
		}{"model", m.name, m.name, created.UTC().Format(time.RFC3339)}
	case api.Gemini:
		return struct {
			Name        string   `json:"name"`
			Version     string   `json:"version"`
			DisplayName string   `json:"displayName"`
			Description string   `json:"description,omitempty"`
			Methods     []string `json:"supportedGenerationMethods"`
		}{"models/" + m.name, "1", m.name, m.description, sortedKeys(geminiMethods)}
	default:
		return struct {
			ID          string `json:"id"`
			Object      string `json:"object"`
			Created     int64  `json:"created"`
			OwnedBy     string `json:"owned_by"`
			Description string `json:"description,omitempty"`
		}{m.name, "model", created.Unix(), "plexus", m.description}
	}
}

func modelList(a api.API, models []listedModel, created time.Time) any {
	objects := make([]any, len(models))
	for i, m := range models {
		objects[i] = modelObject(a, m, created)
	}
	switch a {
	case api.Messages:
		list := struct {
			Data    []any   `json:"data"`
			HasMore bool    `json:"has_more"`
			FirstID *string `json:"first_id"`
			LastID  *string `json:"last_id"`
		}{Data: objects}
		if len(models) > 0 {
			list.FirstID, list.LastID = &models[0].name, &models[len(models)-1].name
		}
		return list
	case api.Gemini:
		return struct {
			Models []any `json:"models"`
		}{objects}
	default:
		return struct {
			Object string `json:"object"`
			Data   []any  `json:"data"`
		}{"list", objects}
	}
}
