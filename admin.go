package plexus

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/caddyserver/caddy/v2"
)

func init() {
	caddy.RegisterModule(admin{})
}

// admin is what Caddy's admin API has of Plexus: which targets there are and how
// they are, how far limits are used up, and a way to forget what is held against them.
type admin struct{}

// The paths of the admin API.
const (
	pathTargets = "/plexus/targets"
	pathClear   = "/plexus/targets/clear"
	pathLimits  = "/plexus/limits"
)

// CaddyModule returns the Caddy module information.
func (admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.plexus", New: func() caddy.Module { return new(admin) }}
}

// Routes implements caddy.AdminRouter.
func (a admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{
		{Pattern: pathTargets, Handler: caddy.AdminHandlerFunc(a.targets)},
		{Pattern: pathClear, Handler: caddy.AdminHandlerFunc(a.clear)},
		{Pattern: pathLimits, Handler: caddy.AdminHandlerFunc(a.limits)},
	}
}

// targets lists the targets of the running configuration.
func (admin) targets(w http.ResponseWriter, r *http.Request) error {
	app, err := adminApp(r, http.MethodGet)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(app.targetStatus())
}

// limits tells how far the limits of the running configuration are used up.
func (admin) limits(w http.ResponseWriter, r *http.Request) error {
	app, err := adminApp(r, http.MethodGet)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(app.limitStatus())
}

// clearing is what is to be forgotten: what is held against all targets, those of
// a provider, or one.
type clearing struct {
	Provider string `json:"provider,omitempty"`
	Model    string `json:"model,omitempty"`
}

// cleared tells how many targets can be asked again.
type cleared struct {
	Cleared int `json:"cleared"`
}

func (admin) clear(w http.ResponseWriter, r *http.Request) error {
	app, err := adminApp(r, http.MethodPost)
	if err != nil {
		return err
	}
	var what clearing
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&what); err != nil && !errors.Is(err, io.EOF) {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("expected an object with provider and model, one, or none for all: %w", err)}
	}
	if what.Model != "" && what.Provider == "" {
		return caddy.APIError{HTTPStatus: http.StatusBadRequest, Err: fmt.Errorf("model %q: of which provider?", what.Model)}
	}
	n, err := app.clear(what)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusNotFound, Err: err}
	}
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(cleared{n})
}

// adminApp is the app that a request to the admin API is about.
func adminApp(r *http.Request, method string) (*App, error) {
	if r.Method != method {
		return nil, caddy.APIError{HTTPStatus: http.StatusMethodNotAllowed, Err: fmt.Errorf("method %s is not allowed, only %s", r.Method, method)}
	}
	app := running.latest()
	if app == nil {
		return nil, caddy.APIError{HTTPStatus: http.StatusNotFound, Err: errors.New("the running configuration has no plexus")}
	}
	return app, nil
}

// Interface guard
var _ caddy.AdminRouter = admin{}
