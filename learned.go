package plexus

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// tally is a number of requests, and of tokens by what is known of them before
// they are sent.
type tally struct{ requests, input, output int64 }

func (t tally) tokens() int64 { return t.input + t.output }

// limited is what a provider's limit counts.
type limited uint8

const (
	limitedRequests limited = iota
	limitedTokens
	limitedInput
	limitedOutput
)

// limitHeader names the headers that tell of one rate limit, as net/http spells
// them: what is left of it, when it begins anew, and how much it is.
type limitHeader struct {
	what               limited
	left, reset, limit string
	// refills says that it fills up evenly until the reset, which is when all of
	// it will be there again.
	refills bool
	// uncached says that tokens of the prompt that a cache serves are free.
	uncached bool
}

// limitHeaders are those that providers send:
//
//   - OpenAI, Groq, Azure and xAI, the reset as a duration or in seconds, "until
//     the rate limit resets to its initial state"
//     (https://platform.openai.com/docs/guides/rate-limits)
//   - Anthropic, the reset as a time, "when the limit will be fully replenished"
//     (https://platform.claude.com/docs/en/api/rate-limits), for tokens that no
//     cache serves
//   - Cerebras by the day and the minute
//     (https://inference-docs.cerebras.ai/support/rate-limits), Mistral by the
//     minute, without a reset
//   - OpenRouter and Together for all in one, the reset as Unix time in
//     milliseconds or in seconds
var limitHeaders = []limitHeader{
	{limitedRequests, "X-Ratelimit-Remaining-Requests", "X-Ratelimit-Reset-Requests", "X-Ratelimit-Limit-Requests", true, false},
	{limitedTokens, "X-Ratelimit-Remaining-Tokens", "X-Ratelimit-Reset-Tokens", "X-Ratelimit-Limit-Tokens", true, false},
	{limitedRequests, "Anthropic-Ratelimit-Requests-Remaining", "Anthropic-Ratelimit-Requests-Reset", "Anthropic-Ratelimit-Requests-Limit", true, false},
	{limitedTokens, "Anthropic-Ratelimit-Tokens-Remaining", "Anthropic-Ratelimit-Tokens-Reset", "Anthropic-Ratelimit-Tokens-Limit", true, true},
	{limitedInput, "Anthropic-Ratelimit-Input-Tokens-Remaining", "Anthropic-Ratelimit-Input-Tokens-Reset", "Anthropic-Ratelimit-Input-Tokens-Limit", true, true},
	{limitedOutput, "Anthropic-Ratelimit-Output-Tokens-Remaining", "Anthropic-Ratelimit-Output-Tokens-Reset", "Anthropic-Ratelimit-Output-Tokens-Limit", true, false},
	{limitedRequests, "X-Ratelimit-Remaining-Requests-Day", "X-Ratelimit-Reset-Requests-Day", "X-Ratelimit-Limit-Requests-Day", true, false},
	{limitedTokens, "X-Ratelimit-Remaining-Tokens-Minute", "X-Ratelimit-Reset-Tokens-Minute", "X-Ratelimit-Limit-Tokens-Minute", true, false},
	{limitedRequests, "X-Ratelimit-Remaining-Req-Minute", "X-Ratelimit-Reset-Req-Minute", "X-Ratelimit-Limit-Req-Minute", true, false},
	{limitedRequests, "X-Ratelimit-Remaining", "X-Ratelimit-Reset", "X-Ratelimit-Limit", false, false},
}

// saidLimit is what a provider said of one limit.
type saidLimit struct {
	what      limited
	uncached  bool
	left      float64
	perSecond float64 // by which it fills up
	until     int64   // the stamp of its reset, from which on nothing is known
}

const (
	// longestReset is how far ahead a reset is believed.
	longestReset = 24 * time.Hour
	// unsaidReset is when a limit begins anew of which only its size is said.
	unsaidReset = time.Minute
)

// readLimits reads what an answer's header says of rate limits.
func readLimits(header http.Header, now time.Time) []saidLimit {
	var said []saidLimit
	for i := range limitHeaders {
		h := &limitHeaders[i]
		left, ok := limitNumber(header, h.left)
		if !ok {
			continue
		}
		reset := resetIn(first(header, h.reset), now)
		limit, sized := limitNumber(header, h.limit)
		if sized && limit < left {
			sized = false // it counts something else
		}
		if first(header, h.reset) == "" && sized && h.refills {
			reset = unsaidReset
		}
		if reset = min(reset, longestReset); reset <= 0 {
			continue
		}
		s := saidLimit{what: h.what, uncached: h.uncached, left: left, until: stamp(now) + int64(reset)}
		if h.refills && sized {
			s.perSecond = (limit - left) / reset.Seconds()
		}
		if said == nil {
			said = make([]saidLimit, 0, 4)
		}
		said = append(said, s)
	}
	return said
}

// of is how much of a tally the limit counts, where a share of the prompts is
// fresh, and the rest is served by a cache.
func (s *saidLimit) of(t tally, fresh float64) float64 {
	if !s.uncached {
		fresh = 1
	}
	switch input := float64(t.input) * fresh; s.what {
	case limitedRequests:
		return float64(t.requests)
	case limitedTokens:
		return input + float64(t.output)
	case limitedInput:
		return input
	default:
		return float64(t.output)
	}
}

func first(header http.Header, name string) string {
	if values := header[name]; len(values) > 0 {
		return strings.TrimSpace(values[0])
	}
	return ""
}

// limitNumber reads what is left of a limit, or its size.
func limitNumber(header http.Header, name string) (float64, bool) {
	value := first(header, name)
	if value == "" {
		return 0, false
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || !(n < 1e15) {
		return 0, false
	}
	return max(0, n), true
}

// learned is what a lane's provider says of its rate limits, and what the lane
// was asked for since. It is read and written without a lock: what it tells are
// hints, of which the provider has the last word.
type learned struct {
	turnstile
	requests, input, output atomic.Int64 // that were let in
	latest                  atomic.Pointer[lesson]
	// cached is the share of prompts that a cache served lately, as the bits of
	// a float64.
	cached atomic.Uint64
}

// lesson is what one answer said.
type lesson struct {
	mark   tally // what the lane had been asked for when it was asked this
	at     int64
	limits []saidLimit
}

// note counts a request. It returns the count.
func (l *learned) note(t tally) tally {
	return tally{l.requests.Add(t.requests), l.input.Add(t.input), l.output.Add(t.output)}
}

// observe takes in how much of a prompt a cache served. Agents send all that was
// said with every turn: most of it costs them nothing of a limit.
func (l *learned) observe(prompt, cached int64) {
	if prompt <= 0 || cached < 0 || cached > prompt {
		return
	}
	for {
		bits := l.cached.Load()
		share := math.Float64frombits(bits)
		share += decay * (float64(cached)/float64(prompt) - share)
		if l.cached.CompareAndSwap(bits, math.Float64bits(share)) {
			return
		}
	}
}

// learn takes in what an answer's header says, unless something later is known.
// It tells whether there was anything.
func (l *learned) learn(header http.Header, mark tally, now time.Time) bool {
	limits := readLimits(header, now)
	if limits == nil {
		return false
	}
	fresh := &lesson{mark: mark, at: stamp(now), limits: limits}
	for {
		known := l.latest.Load()
		if known != nil && known.mark.requests > mark.requests {
			return false
		}
		if l.latest.CompareAndSwap(known, fresh) {
			return true
		}
	}
}

// opens is when the provider will take a request, by all that it said. What was
// let in since an answer's own request counts against what it says is left.
func (l *learned) opens(want tally, now int64) int64 {
	known, opens := l.latest.Load(), now
	if known == nil {
		return now
	}
	asked, fresh := l.since(known)
	for i := range known.limits {
		opens = max(opens, known.opens(&known.limits[i], asked, want, fresh, now))
	}
	return opens
}

// since is what was asked since a lesson, and the share of it that no cache serves.
func (l *learned) since(k *lesson) (asked tally, fresh float64) {
	asked = tally{l.requests.Load() - k.mark.requests, l.input.Load() - k.mark.input, l.output.Load() - k.mark.output}
	return asked, 1 - math.Float64frombits(l.cached.Load())
}

// left is what is left of a limit, by what was asked and filled up since.
func (k *lesson) left(s *saidLimit, asked tally, fresh float64, now int64) float64 {
	return s.left - s.of(asked, fresh) + s.perSecond*time.Duration(now-k.at).Seconds()
}

func (k *lesson) opens(s *saidLimit, asked, want tally, fresh float64, now int64) int64 {
	if now >= s.until {
		return now
	}
	missing := s.of(want, fresh) - k.left(s, asked, fresh, now)
	switch {
	case missing <= 0:
		return now
	case s.perSecond <= 0:
		return s.until
	}
	wait := missing / s.perSecond * float64(time.Second)
	if wait >= float64(s.until-now) {
		return s.until
	}
	return now + max(1, int64(wait))
}
