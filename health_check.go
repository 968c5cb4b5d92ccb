package plexus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/caddy-plexus/plexus/api"
)

// healthState is what the checks of a provider have found out. It outlives
// reloads, and gateways that have the same provider share it.
type healthState struct {
	breaker
	row int // failed checks since the last that did not; guarded by the breaker's mutex
}

// missed notes a failed check. It tells whether the targets are left alone from
// now on. They are until a check says otherwise; the time is only for the case
// that no more checks come, and for clients, which may ask again when the next
// one has been made.
func (s *healthState) missed(reason string, fails int, now, until int64) (down bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.row++
	up := s.until.Load() == 0
	if up && s.row < fails {
		return false
	}
	s.failures, s.failedAt, s.told, s.reason = int64(s.row), now, math.MaxInt64, "health check: "+reason
	s.until.Store(until)
	s.noteBlemish()
	return up
}

// passed notes a check that did not fail. It tells whether the targets are back
// with it.
func (s *healthState) passed() (up bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.row = 0
	up = s.until.Swap(0) != 0
	s.forget()
	s.noteBlemish()
	return up
}

// checked is what the provider's checks hold against it; nil where there are none.
func (p *Provider) checked() *breaker {
	if p.health == nil {
		return nil
	}
	return &p.health.breaker
}

// listing are the APIs with a list of models, the one first that is asked for it.
// Deepseek's copy of Anthropic's API, for one, has none.
var listing = []api.API{
	api.Gemini, api.Chat, api.Completions, api.Responses, api.Embeddings, api.Moderations, api.Images, api.Audio, api.Messages,
}

// provisionHealthCheck sees to it that the check can be made.
func (g *Gateway) provisionHealthCheck(p *Provider) error {
	if p.HealthCheck == nil || p.Disabled {
		return nil
	}
	if err := p.HealthCheck.validate(); err != nil {
		return err
	}
	p.check = p.HealthCheck.complete()
	if a, _ := p.lister(); a == "" && p.check.Kind == checkModels {
		return errors.New("health_check: none of its APIs has a list of models; check tcp")
	}
	p.health = pooledState(&g.pooled, "health\n"+p.place(), func() *healthState { return &healthState{breaker: breaker{standing: p.standing}} })
	return nil
}

// lister is the API whose list of models is asked for, and where.
func (p *Provider) lister() (api.API, *endpoint) {
	for _, a := range listing {
		if at := p.endpoints[a]; at != nil {
			return a, at
		}
	}
	return "", nil
}

// startChecks looks after the providers from now on. The first check comes by
// chance within an interval, so that those of many do not come together.
func (g *Gateway) startChecks() {
	ctx, cancel := context.WithCancel(context.Background())
	var checks sync.WaitGroup
	g.stopChecks = func() {
		cancel()
		checks.Wait()
	}
	for _, p := range g.Providers {
		if p.health == nil {
			continue
		}
		first := time.Duration(rand.Int64N(int64(p.check.Interval))) //nolint:gosec // no secret
		checks.Go(func() { g.lookAfter(ctx, p, first, time.After) })
	}
}

// endChecks ends them, and waits for those that are under way.
func (g *Gateway) endChecks() {
	if g.stopChecks != nil {
		g.stopChecks()
	}
}

// lookAfter checks a provider's health until the context ends.
func (g *Gateway) lookAfter(ctx context.Context, p *Provider, first time.Duration, after func(time.Duration) <-chan time.Time) {
	for wait := first; ; wait = time.Duration(p.check.Interval) {
		select {
		case <-ctx.Done():
			return
		case <-after(wait):
			g.checkHealth(ctx, p)
		}
	}
}

// checkHealth checks a provider's health once.
func (g *Gateway) checkHealth(ctx context.Context, p *Provider) {
	limited, cancel := context.WithTimeout(ctx, time.Duration(p.check.Timeout))
	defer cancel()
	f := p.examine(limited)
	if ctx.Err() != nil {
		return // the configuration has gone, which is not the provider's fault
	}
	n := notice{provider: p.Name, model: allModels}
	if f == nil {
		metrics.healthChecks.WithLabelValues(p.Name, verdictServed).Inc()
		if p.health.passed() {
			g.tell(zapcore.InfoLevel, "target up", eventUp, n)
		}
		return
	}
	metrics.healthChecks.WithLabelValues(p.Name, f.verdict).Inc()
	now := g.now()
	// A second for what comes on top of interval and timeout.
	until := now.Add(time.Duration(p.check.Interval+p.check.Timeout) + time.Second)
	down := p.health.missed(f.reason, p.check.Fails, stamp(now), stamp(until))
	n.reason, n.pauses, n.until = "health check: "+f.reason, 1, until.UTC()
	switch {
	case down:
		g.tell(zapcore.InfoLevel, "target down", eventDown, n)
	default:
		g.logger.Debug("health check failed", zap.String("plexus_provider", p.Name), zap.String("verdict", f.verdict), zap.String("reason", f.reason))
	}
}

// examine makes one check. It returns nil unless the provider cannot be reached,
// has trouble of its own, or refuses all of our credentials: one that has no list,
// or wants to be asked less often, is there.
func (p *Provider) examine(ctx context.Context) *failure {
	if p.check.Kind == checkTCP {
		return p.connect(ctx)
	}
	var refused *failure
	for _, c := range p.credentials {
		res, err := p.transport.RoundTrip(p.listRequest(ctx, c))
		if err != nil {
			f := judgeError(ctx, err)
			return &f
		}
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // or the connection is not used again
		_ = res.Body.Close()
		status := res.StatusCode
		switch {
		case status >= 500:
			return &failure{status: status, verdict: verdictStatus, reason: strings.TrimSpace(fmt.Sprintf("%d %s", status, http.StatusText(status)))}
		case status != http.StatusUnauthorized && status != http.StatusForbidden:
			return nil
		}
		refused = &failure{status: status, verdict: verdictCredential, reason: fmt.Sprintf("%d (it refuses our credential)", status)}
	}
	return refused
}

// connect only connects. What stands between us and the provider by the transport
// alone, such as a proxy, has no part in it.
func (p *Provider) connect(ctx context.Context) *failure {
	_, at := p.lister()
	if at == nil {
		at = p.endpoints[api.Rerank]
	}
	port := at.base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[at.base.Scheme]
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(at.base.Hostname(), port))
	if err != nil {
		f := judgeDial(err)
		return &f
	}
	_ = conn.Close()
	return nil
}

// listRequest asks for the list of models, the first page of it as short as may
// be where it has pages.
func (p *Provider) listRequest(ctx context.Context, c *Credential) *http.Request {
	a, at := p.lister()
	u := *at.base
	u.Path += "/models"
	header := http.Header{"User-Agent": userAgent, "Accept": jsonType}
	page := url.Values{}
	switch a {
	case api.Messages:
		header["Anthropic-Version"] = anthropicVersion
		page.Set("limit", "1")
	case api.Gemini:
		page.Set("pageSize", "1")
	}
	if query := page.Encode(); query != "" && u.RawQuery != "" {
		u.RawQuery += "&" + query
	} else if query != "" {
		u.RawQuery = query
	}
	c.authenticate(header, at)
	repl := caddy.NewReplacer()
	// What a transport of Caddy's expects of a request.
	ctx = context.WithValue(ctx, caddy.ReplacerCtxKey, repl)
	ctx = context.WithValue(ctx, caddyhttp.VarsCtxKey, map[string]any{})
	req := (&http.Request{
		Method: http.MethodGet, URL: &u, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, Host: u.Host,
	}).WithContext(ctx)
	if p.HeaderUp != nil {
		headerUp(p.HeaderUp, req, repl)
	}
	return req
}

// Interface guard
var _ caddy.Destructor = (*healthState)(nil)
