package plexus

import (
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the collectors of the process. Every configuration registers the
// same ones with its own registry, so that they count on through reloads.
//
// Labels mean what the log fields of the same names mean, and hold configured
// names only: alias is canonical, or provider/model for a passthrough to a listed
// model; model is the provider's name of it.
var metrics = newCollectors()

// unlistedLabel stands for names that clients made up.
const unlistedLabel = "_other"

// What became of a request, the label of its metrics.
const (
	outcomeServed   = "served"
	outcomeRefused  = "refused"  // by us, or by the provider for the request's fault
	outcomeFailed   = "failed"   // no target could answer
	outcomeBroken   = "broken"   // the answer broke off
	outcomeCanceled = "canceled" // the client went away
)

type collectors struct {
	requests     *prometheus.CounterVec
	attempts     *prometheus.CounterVec
	cooldowns    *prometheus.CounterVec
	cooling      *coolingCollector
	healthChecks *prometheus.CounterVec
	down         *downCollector
	duration     *prometheus.HistogramVec
	firstContent *prometheus.HistogramVec
	outputRate   *prometheus.HistogramVec
	tokens       *prometheus.CounterVec
	cost         *prometheus.CounterVec
	unpriced     *prometheus.CounterVec
	hedges       *prometheus.CounterVec
	hedgeCost    *prometheus.CounterVec
	inFlight     prometheus.Gauge
	waiting      prometheus.Gauge
	inQueue      *prometheus.HistogramVec
	limits       *limitsCollector

	all []prometheus.Collector // the above
}

func newCollectors() *collectors {
	const ns, sub = "caddy", "plexus"
	seconds := []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 20, 40, 80, 160, 320}
	var all []prometheus.Collector
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help}, labels)
		all = append(all, c)
		return c
	}
	gauge := func(name, help string) prometheus.Gauge {
		g := prometheus.NewGauge(prometheus.GaugeOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help})
		all = append(all, g)
		return g
	}
	histogram := func(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: ns, Subsystem: sub, Name: name, Help: help, Buckets: buckets}, labels)
		all = append(all, h)
		return h
	}
	c := &collectors{
		requests:  counter("requests_total", "Requests by what became of them.", "alias", "provider", "model", "api", "outcome"),
		attempts:  counter("attempts_total", "Attempts at targets by the verdict on them.", "provider", "model", "verdict"),
		cooldowns: counter("cooldowns_total", "Pauses of targets by the verdict that began them.", "provider", "model", "reason"),
		cooling: &coolingCollector{prometheus.NewDesc(prometheus.BuildFQName(ns, sub, "target_cooling"),
			"1 while a target is left alone, until a request has found out that it works again.", []string{"provider", "model"}, nil)},
		healthChecks: counter("health_checks_total", "Checks of providers' health by the verdict on them.", "provider", "verdict"),
		down: &downCollector{prometheus.NewDesc(prometheus.BuildFQName(ns, sub, "provider_down"),
			"1 while a provider is left alone because its health checks fail, of those that have any.", []string{"provider"}, nil)},
		duration: histogram("request_duration_seconds", "Time from a request to the end of its answer.",
			seconds, "alias", "provider", "model", "api"),
		firstContent: histogram("time_to_first_content_seconds", "Time from the beginning of an attempt to its first content.",
			seconds, "provider", "model", "api"),
		outputRate: histogram("output_tokens_per_second", "Tokens per second of an answer after its first content.",
			[]float64{1, 2.5, 5, 10, 20, 40, 60, 80, 100, 150, 200, 400, 800, 1600}, "provider", "model"),
		tokens: counter("tokens_total", "Tokens by class, as the providers count them.", "alias", "provider", "model", "class"),
		cost:   counter("cost_usd_total", "What requests cost in US dollars, by the providers' usage and their prices.", "alias", "provider", "model"),
		unpriced: counter("unpriced_requests_total", "Requests with a known usage whose cost is not known, for want of a price.",
			"alias", "provider", "model"),
		hedges: counter("hedges_total", "Requests that were sent to a second target too, by which of them answered.", "alias", "answered"),
		hedgeCost: counter("hedge_cost_usd_total", "What attempts cost in US dollars that another target was faster than, by the usage told until then or the size of the prompt.",
			"alias", "provider", "model"),
		inFlight: gauge("requests_in_flight", "Requests whose answer has not ended."),
		waiting:  gauge("requests_waiting", "Requests that wait because every target that could serve them is full."),
		inQueue:  histogram("time_in_queue_seconds", "Time for which requests waited because every target was full, of those that did.", seconds, "alias"),
		limits:   newLimitsCollector(ns, sub),
	}
	c.all = append(all, c.cooling, c.down, c.limits)
	return c
}

func registerMetrics(ctx caddy.Context) error {
	for _, c := range metrics.all {
		// A second gateway of the same configuration finds them there.
		if err := ctx.GetMetricsRegistry().Register(c); err != nil && !errors.As(err, new(prometheus.AlreadyRegisteredError)) {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// coolingCollector tells which targets are cooling down when it is asked, since
// nothing happens in the moment in which a configuration takes a target away.
type coolingCollector struct{ desc *prometheus.Desc }

// Describe implements prometheus.Collector.
func (c *coolingCollector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect implements prometheus.Collector.
func (c *coolingCollector) Collect(to chan<- prometheus.Metric) {
	app := running.latest()
	if app == nil {
		return
	}
	// Two gateways may have a provider of one name, at different places.
	cooling := map[[2]string]float64{}
	for _, t := range app.targetStatus() {
		name := [2]string{t.Provider, t.Model}
		cooling[name] = max(cooling[name], 0)
		if t.State != stateUp {
			cooling[name] = 1
		}
	}
	for name, value := range cooling {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, value, name[0], name[1])
	}
}

// downCollector tells which providers' health checks fail, of those that have any.
type downCollector struct{ desc *prometheus.Desc }

// Describe implements prometheus.Collector.
func (c *downCollector) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect implements prometheus.Collector.
func (c *downCollector) Collect(to chan<- prometheus.Metric) {
	app := running.latest()
	if app == nil {
		return
	}
	down := map[string]float64{}
	for _, g := range app.gateways {
		for _, p := range g.Providers {
			if b := p.checked(); b != nil {
				down[p.Name] = max(down[p.Name], 0)
				if b.until.Load() != 0 {
					down[p.Name] = 1
				}
			}
		}
	}
	for name, value := range down {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, value, name)
	}
}

func (c *collectors) attempt(t *Target, verdict string) {
	c.attempts.WithLabelValues(t.Provider.Name, t.label, verdict).Inc()
}

// measure counts the exchange once it is over.
func (x *exchange) measure() {
	if x.op.kind != operationAsk {
		return
	}
	if x.queued > 0 {
		metrics.inQueue.WithLabelValues(x.alias()).Observe(x.queued.Seconds())
	}
	if x.target == nil {
		metrics.requests.WithLabelValues(x.alias(), "", "", string(x.op.api), x.outcome()).Inc()
		return
	}
	m := x.meters()
	m.request(x.outcome())
	m.took(x.gateway.now().Sub(x.start))
	if !x.usage.Known {
		return
	}
	if m.usage(&x.usage); x.partial {
		return
	}
	if cost, known := x.cost(); known {
		m.costs(cost)
		return
	}
	m.costsUnknown()
	x.noteUnpriced()
}

// alias is the label of the model that was asked for.
func (x *exchange) alias() string {
	if x.route.Alias == "" || x.route.Passthrough && x.route.Targets[0].label == unlistedLabel {
		return unlistedLabel
	}
	return x.route.Alias
}

func (x *exchange) outcome() string {
	switch {
	case x.err == nil:
		return outcomeServed
	case errors.Is(x.err, ErrClientClosed):
		return outcomeCanceled
	case errors.Is(x.err, ErrStreamBroken):
		return outcomeBroken
	case errors.Is(x.err, ErrAllTargetsFailed), errors.Is(x.err, ErrAllTargetsCoolingDown), errors.Is(x.err, ErrAllTargetsBusy):
		return outcomeFailed
	default:
		return outcomeRefused
	}
}

// outputRate is the speed of an answer in tokens per second, where it can be
// told: of a stream from its first content on, of a whole answer over all the
// time that it took. Of one that came almost at once, as from a cache or a buffer
// on the way, the speed is that of the network.
func outputRate(tokens int64, took, firstContent time.Duration, stream bool) (float64, bool) {
	if stream {
		took -= firstContent
	}
	const least = 50 * time.Millisecond
	if tokens < 2 || took < least {
		return 0, false
	}
	return float64(tokens) / took.Seconds(), true
}
