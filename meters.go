package plexus

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/prices"
)

// meters are the collectors of what is counted with every request that a target
// serves, with their labels filled in: to look one up takes longer than to count.
// Each is looked up when it first counts, so that there are none of what never
// happens.
type meters struct {
	alias, provider, model string
	api                    api.API

	attempts, served, cost, unpriced   lazily[prometheus.Counter]
	tokens                             [classesOfTokens]lazily[prometheus.Counter]
	duration, firstContent, outputRate lazily[prometheus.Observer]
}

// lazily is something that is made once, or a few times at once in the beginning.
type lazily[T any] struct{ made atomic.Pointer[T] }

func (l *lazily[T]) get(fresh func() T) T {
	if made := l.made.Load(); made != nil {
		return *made
	}
	made := fresh()
	l.made.Store(&made)
	return made
}

// metered keeps the meters for the alias and the API by which a target was asked
// last, which is the same nearly always.
type metered struct{ latest atomic.Pointer[meters] }

// meters are those of the exchange's target.
func (x *exchange) meters() *meters {
	alias, t := x.alias(), x.target
	m := t.metered.latest.Load()
	if m == nil || m.alias != alias || m.api != x.op.api {
		m = &meters{alias: alias, provider: t.Provider.Name, model: t.label, api: x.op.api}
		t.metered.latest.Store(m)
	}
	return m
}

// attempt counts an attempt by the verdict on it.
func (m *meters) attempt(verdict string) {
	if verdict != verdictServed {
		metrics.attempts.WithLabelValues(m.provider, m.model, verdict).Inc()
		return
	}
	m.attempts.get(func() prometheus.Counter {
		return metrics.attempts.WithLabelValues(m.provider, m.model, verdictServed)
	}).Inc()
}

// request counts a request by its outcome.
func (m *meters) request(outcome string) {
	if outcome != outcomeServed {
		metrics.requests.WithLabelValues(m.alias, m.provider, m.model, string(m.api), outcome).Inc()
		return
	}
	m.served.get(func() prometheus.Counter {
		return metrics.requests.WithLabelValues(m.alias, m.provider, m.model, string(m.api), outcomeServed)
	}).Inc()
}

func (m *meters) took(d time.Duration) {
	m.duration.get(func() prometheus.Observer {
		return metrics.duration.WithLabelValues(m.alias, m.provider, m.model, string(m.api))
	}).Observe(d.Seconds())
}

func (m *meters) began(d time.Duration) {
	m.firstContent.get(func() prometheus.Observer {
		return metrics.firstContent.WithLabelValues(m.provider, m.model, string(m.api))
	}).Observe(d.Seconds())
}

func (m *meters) rate(tokensPerSecond float64) {
	m.outputRate.get(func() prometheus.Observer {
		return metrics.outputRate.WithLabelValues(m.provider, m.model)
	}).Observe(tokensPerSecond)
}

func (m *meters) usage(u *api.Usage) {
	for i := range tokenClasses {
		if n := tokenClasses[i].of(u); n > 0 {
			m.tokens[i].get(func() prometheus.Counter {
				return metrics.tokens.WithLabelValues(m.alias, m.provider, m.model, tokenClasses[i].name)
			}).Add(float64(n))
		}
	}
}

func (m *meters) costs(cost prices.NanoUSD) {
	m.cost.get(func() prometheus.Counter {
		return metrics.cost.WithLabelValues(m.alias, m.provider, m.model)
	}).Add(cost.USD())
}

func (m *meters) costsUnknown() {
	m.unpriced.get(func() prometheus.Counter {
		return metrics.unpriced.WithLabelValues(m.alias, m.provider, m.model)
	}).Inc()
}
