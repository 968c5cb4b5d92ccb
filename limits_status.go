package plexus

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// limitStatus is what the admin API tells of a provider's limits.
type limitStatus struct {
	Provider string `json:"provider"`
	// InFlight are the requests under way. Where nothing is bounded, nothing is
	// counted.
	InFlight       *int `json:"in_flight,omitempty"`
	MaxConcurrency int  `json:"max_concurrency,omitempty"`
	// Waiting are the requests that wait for room here, and maybe elsewhere, too.
	Waiting     int                     `json:"waiting"`
	Models      []modelLimitStatus      `json:"models,omitempty"`
	Credentials []credentialLimitStatus `json:"credentials,omitempty"`
}

type modelLimitStatus struct {
	Model          string          `json:"model"`
	InFlight       *int            `json:"in_flight,omitempty"`
	MaxConcurrency int             `json:"max_concurrency,omitempty"`
	Learned        []learnedStatus `json:"learned,omitempty"`
}

// credentialLimitStatus tells of a credential by its place in the configuration.
type credentialLimitStatus struct {
	Number       int    `json:"number"`
	RPM          int64  `json:"rpm,omitempty"`
	RequestsLeft *int64 `json:"requests_left,omitempty"`
	TPM          int64  `json:"tpm,omitempty"`
	TokensLeft   *int64 `json:"tokens_left,omitempty"`
}

// learnedStatus is what is left of a limit by what the provider said.
type learnedStatus struct {
	Credential int       `json:"credential"`
	Of         string    `json:"of"`
	Left       int64     `json:"left"`
	Until      time.Time `json:"until"`
}

// limitStatus tells of all providers of all gateways.
func (a *App) limitStatus() []limitStatus {
	list := []limitStatus{}
	seen := map[*limiter]int{}
	for _, g := range a.gateways {
		targets := g.targets()
		for _, p := range g.Providers {
			if p.Disabled {
				continue
			}
			status := p.limitStatus(targets, g.now())
			if i, known := seen[p.limiter]; known {
				list[i].add(&status)
				continue
			}
			seen[p.limiter] = len(list)
			list = append(list, status)
		}
	}
	return list
}

// add adds what another gateway has of the same provider.
func (s *limitStatus) add(other *limitStatus) {
	s.InFlight, s.MaxConcurrency = cmp.Or(s.InFlight, other.InFlight), cmp.Or(s.MaxConcurrency, other.MaxConcurrency)
	for _, m := range other.Models {
		if !slices.ContainsFunc(s.Models, func(o modelLimitStatus) bool { return o.Model == m.Model }) {
			s.Models = append(s.Models, m)
		}
	}
	for _, c := range other.Credentials {
		if !slices.ContainsFunc(s.Credentials, func(o credentialLimitStatus) bool { return o.Number == c.Number }) {
			s.Credentials = append(s.Credentials, c)
		}
	}
}

func (p *Provider) limitStatus(targets []*Target, now time.Time) limitStatus {
	l := p.limiter
	l.mu.Lock()
	defer l.mu.Unlock()
	out := limitStatus{Provider: p.Name, MaxConcurrency: p.MaxConcurrency, InFlight: p.bounded.counted(l.places.taken)}
	for _, w := range l.waiters {
		if w.waits() {
			out.Waiting++
		}
	}
	for _, t := range targets {
		if t.Provider == p {
			out.Models = append(out.Models, t.limitStatus(now))
		}
	}
	for i, c := range p.credentials {
		if status, any := c.limitStatus(p.unlistedIn[i].gate, now); any {
			out.Credentials = append(out.Credentials, status)
		}
	}
	return out
}

// counted is a number that is known only where anything is counted.
func (b *bounded) counted(n int) *int {
	if !b.counts {
		return nil
	}
	return &n
}

func (t *Target) limitStatus(now time.Time) modelLimitStatus {
	g := t.lanes[0].gate
	out := modelLimitStatus{Model: t.Model, InFlight: g.bounded.counted(g.target.taken), MaxConcurrency: g.most}
	for _, l := range t.lanes {
		if l.gate.learned != nil {
			out.Learned = append(out.Learned, l.gate.learned.status(l.credential.number, now)...)
		}
	}
	return out
}

func (c *Credential) limitStatus(g *gate, now time.Time) (out credentialLimitStatus, any bool) {
	out = credentialLimitStatus{Number: c.number, RPM: g.rpm, TPM: g.tpm}
	second := secondOf(stamp(now))
	if g.rpm > 0 {
		out.RequestsLeft = new(max(0, g.rpm-g.allowance.requests.used(second)))
	}
	if g.tpm > 0 {
		out.TokensLeft = new(max(0, g.tpm-g.allowance.tokens.used(second)))
	}
	return out, g.rpm > 0 || g.tpm > 0
}

var limitedNames = map[limited]string{
	limitedRequests: "requests", limitedTokens: "tokens", limitedInput: "input_tokens", limitedOutput: "output_tokens",
}

func (l *learned) status(credential int, now time.Time) (list []learnedStatus) {
	known := l.latest.Load()
	if known == nil {
		return nil
	}
	asked, fresh := l.since(known)
	for i := range known.limits {
		s := &known.limits[i]
		if stamp(now) < s.until {
			left := max(0, int64(known.left(s, asked, fresh, stamp(now))))
			list = append(list, learnedStatus{credential, limitedNames[s.what], left, timeOf(s.until, now).UTC().Round(time.Millisecond)})
		}
	}
	return list
}

// limitsCollector tells how far limits are used up when it is asked.
type limitsCollector struct{ taken, most, waiting, left *prometheus.Desc }

func newLimitsCollector(namespace, subsystem string) *limitsCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(prometheus.BuildFQName(namespace, subsystem, name), help, labels, nil)
	}
	return &limitsCollector{
		taken:   desc("slots_taken", "Requests under way where their number is bounded. The model _all stands for all of a provider.", "provider", "model"),
		most:    desc("slots", "How many requests may be under way.", "provider", "model"),
		waiting: desc("provider_waiting", "Requests that wait for room at a provider, and maybe at another one, too.", "provider"),
		left:    desc("allowance_left", "What is left of a credential's requests and tokens per minute.", "provider", "credential", "of"),
	}
}

// Describe implements prometheus.Collector.
func (c *limitsCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.taken, c.most, c.waiting, c.left} {
		to <- d
	}
}

// Collect implements prometheus.Collector.
func (c *limitsCollector) Collect(to chan<- prometheus.Metric) {
	app := running.latest()
	if app == nil {
		return
	}
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	slots := func(taken *int, most int, provider, model string) {
		if most > 0 {
			gauge(c.taken, float64(*taken), provider, model)
			gauge(c.most, float64(most), provider, model)
		}
	}
	var names []string
	for _, p := range app.limitStatus() {
		if slices.Contains(names, p.Provider) {
			continue // another gateway's, at another place
		}
		names = append(names, p.Provider)
		gauge(c.waiting, float64(p.Waiting), p.Provider)
		slots(p.InFlight, p.MaxConcurrency, p.Provider, allModels)
		for _, m := range p.Models {
			slots(m.InFlight, m.MaxConcurrency, p.Provider, m.Model)
		}
		for _, k := range p.Credentials {
			for of, left := range map[string]*int64{"requests": k.RequestsLeft, "tokens": k.TokensLeft} {
				if left != nil {
					gauge(c.left, float64(*left), p.Provider, strconv.Itoa(k.Number), of)
				}
			}
		}
	}
}

// Interface guard
var _ prometheus.Collector = (*limitsCollector)(nil)
