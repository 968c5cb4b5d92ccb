package plexus

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/caddy-plexus/plexus/api/gemini"
)

// retryFloor is how long a provider that refused a request wants to be left
// alone, wherever it says so; 0 where it says nothing. The plainest word counts.
func retryFloor(status int, header http.Header, body []byte, now time.Time) time.Duration {
	if d := retryAfter(header, now); d > 0 {
		return d
	}
	if status == http.StatusTooManyRequests {
		if d := limitReset(header, now); d > 0 {
			return d
		}
	}
	if d := gemini.RetryDelay(body); d > 0 {
		return d // Google says it nowhere else
	}
	if status == http.StatusTooManyRequests || status >= 500 {
		return retryText(body)
	}
	return 0
}

// retryAfter is what a provider says of when to come back: retry-after-ms, as
// OpenAI and Azure send it, or Retry-After in seconds or as a date (RFC 9110,
// section 10.2.3).
func retryAfter(header http.Header, now time.Time) time.Duration {
	if ms, err := strconv.ParseFloat(header.Get("Retry-After-Ms"), 64); err == nil && ms > 0 && ms < 1e12 {
		return time.Duration(ms * float64(time.Millisecond))
	}
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds < 1e9 {
		return max(0, time.Duration(seconds*float64(time.Second)))
	}
	if at, err := http.ParseTime(value); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// limitReset is when the last of the rate limits begins anew of which nothing is
// left.
func limitReset(header http.Header, now time.Time) time.Duration {
	var longest time.Duration
	for i := range limitHeaders {
		if left, ok := limitNumber(header, limitHeaders[i].left); ok && left <= 0 {
			longest = max(longest, resetIn(first(header, limitHeaders[i].reset), now))
		}
	}
	return longest
}

// resetIn reads a duration (6m0s), a time (RFC 3339), seconds, or Unix time in
// seconds or milliseconds.
func resetIn(value string, now time.Time) time.Duration {
	value = strings.TrimSpace(value)
	if d, err := time.ParseDuration(value); err == nil {
		return max(0, d)
	}
	if at, err := time.Parse(time.RFC3339, value); err == nil {
		return max(0, at.Sub(now))
	}
	n, err := strconv.ParseFloat(value, 64)
	switch {
	case err != nil || !(n > 0 && n < 1e14):
		return 0
	case n > 1e11:
		return max(0, time.UnixMilli(int64(n)).Sub(now))
	case n > 1e9:
		return max(0, time.Unix(int64(n), 0).Sub(now))
	}
	return time.Duration(n * float64(time.Second))
}

// retryText is how long a provider's message asks to wait: OpenAI's and Groq's
// "Please try again in 7m12.5s.", Azure's "Please retry after 6 seconds.".
func retryText(body []byte) time.Duration {
	text := strings.ToLower(string(body))
	for _, sign := range []string{"try again in ", "retry after ", "retry in ", "try again after "} {
		if _, rest, found := strings.Cut(text, sign); found {
			if d := leadingDuration(rest); d > 0 {
				return d
			}
		}
	}
	return 0
}

// leadingDuration reads the duration with which a text begins, such as 20s,
// 1m30.5s, 6 seconds or 2 minutes.
func leadingDuration(text string) time.Duration {
	word, rest, _ := strings.Cut(text, " ")
	end := strings.IndexFunc(word, func(r rune) bool { return r != '.' && !unicode.IsDigit(r) && !unicode.IsLetter(r) })
	if end >= 0 {
		word = word[:end]
	}
	word = strings.TrimRight(word, ".")
	if d, err := time.ParseDuration(word); err == nil {
		return d
	}
	n, err := strconv.ParseFloat(word, 64)
	if err != nil || !(n > 0 && n < 1e6) {
		return 0
	}
	for unit, length := range map[string]time.Duration{"millisecond": time.Millisecond, "ms": time.Millisecond, "sec": time.Second, "min": time.Minute, "hour": time.Hour} {
		if strings.HasPrefix(rest, unit) {
			return time.Duration(n * float64(length))
		}
	}
	return 0
}

// wholeSeconds is a time to wait, rounded up, so that whoever obeys does not come
// too early.
func wholeSeconds(d time.Duration) time.Duration {
	const far = math.MaxInt64 - time.Second // a date may be centuries away
	return (min(d, far) + time.Second - 1).Truncate(time.Second)
}
