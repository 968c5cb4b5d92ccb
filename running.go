package plexus

import (
	"slices"
	"sync"
)

// running are the apps that have started and not stopped yet, the latest last:
// two for a moment while a configuration replaces another, after which a failed
// one is gone again. What Caddy's admin API and metrics tell is told of the
// latest: the API's own context belongs to a configuration that may have failed.
var running runningApps

type runningApps struct {
	mu   sync.RWMutex
	apps []*App
}

func (r *runningApps) add(a *App) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps = append(r.apps, a)
}

// remove takes an app out. It tells whether it was the last one.
func (r *runningApps) remove(a *App) (last bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.apps, a)
	if i >= 0 {
		r.apps = slices.Delete(r.apps, i, i+1)
	}
	return i >= 0 && len(r.apps) == 0
}

// latest is the app in charge, or nil.
func (r *runningApps) latest() *App {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.apps) == 0 {
		return nil
	}
	return r.apps[len(r.apps)-1]
}

// emit emits an event of the app in charge. Handlers may take their time, which
// no request shall wait for.
func (r *runningApps) emit(name string, data map[string]any) {
	if a := r.latest(); a != nil && a.events.ShouldEmit(name) {
		go a.events.Emit(a.ctx, name, data)
	}
}
