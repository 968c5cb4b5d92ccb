package mock

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// Behaviour is how the mock answers. The same options are the handler's
// configuration and a request's own wishes.
type Behaviour struct {
	// How long nothing is sent, the header included. Default: `0`.
	Latency caddy.Duration `json:"latency,omitempty"`

	// How long a stream waits between its opening events and its first
	// content. Default: `0`.
	FirstContent caddy.Duration `json:"first_content,omitempty"`

	// Content deltas per second in a stream. Default: `0`, as fast as possible.
	Rate float64 `json:"rate,omitempty"`

	// How long a stream pauses, once, after `pause_after` deltas. Default: `0`.
	Pause caddy.Duration `json:"pause,omitempty"`

	// The number of content deltas before the pause. Default: `0`.
	PauseAfter int `json:"pause_after,omitempty"`

	// The length of the answer in words, each of which is one delta and
	// counts as one token. Default: `16`; a request's own 0 is an empty answer.
	Tokens int `json:"tokens,omitempty"`

	// The answer's text instead of `tokens` words. `{model}` stands for the
	// requested model and `{prompt}` for the last user text; a configured text
	// may contain Caddy placeholders, a request's own text may not.
	// Default: none.
	Text string `json:"text,omitempty"`

	// The number of words of reasoning in every answer; `true` for 8, `false`
	// for none ever. Default: 8 words when the request asks for reasoning.
	Reasoning Words `json:"reasoning,omitempty"`

	// How many of the input tokens are reported as read from the provider's
	// prompt cache. Default: `0`.
	CachedTokens int `json:"cached_tokens,omitempty"`

	// Whether the answer is a tool call when the request offers tools and does
	// not end in a tool's result. Default: `true`.
	ToolCalls *bool `json:"tool_calls,omitempty"`

	// The tool that is called, where the request offers it; where it doesn't,
	// the answer is text. Default: the one that the request demands, or each
	// of those that it offers in turn.
	Call string `json:"call,omitempty"`

	// The arguments of a tool call, as they are sent. Default: ones that fit
	// the tool's schema.
	Arguments string `json:"arguments,omitempty"`

	// The number of tool calls in one answer, unless the request forbids more
	// than one. Default: `1`.
	ParallelCalls int `json:"parallel_calls,omitempty"`

	// Whether an answer that calls tools says its text first. Default: `false`.
	Preamble bool `json:"preamble,omitempty"`

	// Whether the provider's filter ends the answer. Default: `false`.
	Filtered bool `json:"filtered,omitempty"`

	// How the answer fails:
	//
	//   - `status`: an error in the API's shape with the given `status`
	//   - `reset`: the connection is reset before any header
	//   - `hang`: nothing is ever sent
	//   - `hang_after`: header and opening events, `after` deltas, then nothing
	//   - `error_event`: an error event in the stream, after `after` deltas
	//   - `error_body`: status 200 with an error in the body
	//   - `cut`: the connection is closed amid the body, after `after` deltas
	//   - `end`: the body ends properly but too early, after `after` deltas
	//   - `malformed`: a body, or in place of one delta an event, of broken JSON
	//   - `empty`: status 200 with an empty body
	//   - `html`: an HTML page with the given `status`
	//   - `drip`: the answer's body leaves byte by byte, one each `drip`
	//   - `none`: no fault
	//
	// An answer that is not a stream has no deltas: `hang_after` sends its
	// header, `cut` and `end` half of its body, and `error_event` is
	// `error_body`. Default: `none`, or `status` where `status` is set.
	Fault string `json:"fault,omitempty"`

	// The HTTP status of the fault, 300 to 599, also the one that errors in
	// bodies and events report. Default: `500`, of `html` `502`.
	Status int `json:"status,omitempty"`

	// The value of the header `Retry-After` of the faults `status` and `html`,
	// sent as it is. Default: none.
	RetryAfter Verbatim `json:"retry_after,omitempty"`

	// The error's message. Default: one that names the mock.
	Message string `json:"message,omitempty"`

	// The error's code: `code` in OpenAI's errors, `type` in Anthropic's,
	// `status` in Gemini's. Default: the one that goes with the status.
	Code string `json:"code,omitempty"`

	// The number of content deltas before a fault within a stream. Default: `0`.
	After int `json:"after,omitempty"`

	// The time between two bytes of the fault `drip`. Default: `100ms`.
	Drip caddy.Duration `json:"drip,omitempty"`

	// The share of requests, 0 to 1, that the fault hits. Default: `1`.
	FaultShare *float64 `json:"fault_share,omitempty"`

	// The fault hits only the first requests for a model name, this many.
	// Default: all.
	FaultFirst int `json:"fault_first,omitempty"`

	// What decides, with `fault_share`, which requests are hit: the same seed
	// hits the same ones of a sequence of requests. Default: `0`.
	Seed int64 `json:"seed,omitempty"`

	// The interval of SSE comments while a stream waits. Default: `0`, none.
	KeepAlive caddy.Duration `json:"keep_alive,omitempty"`

	// Whether SSE lines end in CRLF. Default: `false`.
	CRLF bool `json:"crlf,omitempty"`

	// Whether OpenAI's streams leave out their final `[DONE]`.
	// Default: `false`.
	NoDone bool `json:"no_done,omitempty"`
}

// Words is a number of words, or an explicit none. The zero value is unset.
type Words int

const (
	noWords      Words = -1
	defaultWords Words = 8
)

// UnmarshalJSON reads a boolean or a number.
func (n *Words) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		return nil
	}
	return n.parse(string(raw))
}

// MarshalJSON writes what UnmarshalJSON reads.
func (n Words) MarshalJSON() ([]byte, error) {
	if n < 0 {
		return []byte("false"), nil
	}
	return strconv.AppendInt(nil, int64(n), 10), nil
}

func (n *Words) parse(value string) error {
	if count, err := strconv.Atoi(value); err == nil {
		if *n = Words(count); count <= 0 {
			*n = noWords
		}
		return nil
	}
	on, err := parseSwitch(value)
	if err != nil {
		return fmt.Errorf("%q is neither a number of words nor on or off", value)
	}
	if *n = noWords; on {
		*n = defaultWords
	}
	return nil
}

// Verbatim is a header's value; in JSON it may be given as a bare number.
type Verbatim string

// UnmarshalJSON reads a string or a number.
func (v *Verbatim) UnmarshalJSON(raw []byte) error {
	var number json.Number
	if err := json.Unmarshal(raw, &number); err == nil && raw[0] != '"' {
		*v = Verbatim(number)
		return nil
	}
	return json.Unmarshal(raw, (*string)(v))
}

// overlay applies one source of options on top of b. A status without a fault
// in the same source means the fault `status`, whatever fault b had.
func (b *Behaviour) overlay(apply func(*Behaviour) error) error {
	fault, status := b.Fault, b.Status
	b.Fault, b.Status = "", 0
	// Decoding writes through a pointer that is already set, and those are
	// shared with the configuration.
	b.ToolCalls, b.FaultShare = clone(b.ToolCalls), clone(b.FaultShare)
	if err := apply(b); err != nil {
		return err
	}
	if b.Fault == "" {
		b.Fault = fault
		if b.Status != 0 {
			b.Fault = faultStatus
		}
	}
	if b.Status == 0 {
		b.Status = status
	}
	return nil
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	v := *p
	return &v
}

// decode reads options from a JSON object, strictly.
func (b *Behaviour) decode(raw []byte) error {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(b); err != nil {
		return fmt.Errorf("%w (options: %s)", err, optionNames())
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return errors.New("more than one JSON value")
	}
	return nil
}

// decodeList reads options from key=value pairs between commas; a key alone is
// a switch that is on.
func (b *Behaviour) decodeList(list string) error {
	for pair := range strings.SplitSeq(list, ",") {
		if pair == "" {
			continue
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			value = "on"
		}
		if err := b.set(name, value); err != nil {
			return err
		}
	}
	return nil
}

// set parses the value of the option with the JSON name name, so that the
// struct above is the only list of options there is.
func (b *Behaviour) set(name, value string) error {
	var err error
	switch field := b.field(name).(type) {
	case *caddy.Duration:
		var duration time.Duration
		duration, err = caddy.ParseDuration(value)
		*field = caddy.Duration(duration)
	case *string:
		*field = value
	case *Verbatim:
		*field = Verbatim(value)
	case *int:
		*field, err = strconv.Atoi(value)
	case *int64:
		*field, err = strconv.ParseInt(value, 10, 64)
	case *float64:
		*field, err = strconv.ParseFloat(value, 64)
	case **float64:
		*field = new(float64)
		**field, err = strconv.ParseFloat(value, 64)
	case *bool:
		*field, err = parseSwitch(value)
	case **bool:
		*field = new(bool)
		**field, err = parseSwitch(value)
	case *Words:
		err = field.parse(value)
	default:
		return fmt.Errorf("unknown option %q (options: %s)", name, optionNames())
	}
	if err != nil {
		return fmt.Errorf("option %q: %w", name, err)
	}
	return nil
}

// field returns a pointer to the option with the given JSON name, or nil.
func (b *Behaviour) field(name string) any {
	v := reflect.ValueOf(b).Elem()
	for i := range v.NumField() {
		if tagName(v.Type().Field(i)) == name {
			return v.Field(i).Addr().Interface()
		}
	}
	return nil
}

func tagName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

// optionNames lists the options for error messages.
func optionNames() string {
	t := reflect.TypeFor[Behaviour]()
	names := make([]string, t.NumField())
	for i := range names {
		names[i] = tagName(t.Field(i))
	}
	return strings.Join(names, ", ")
}

func parseSwitch(value string) (bool, error) {
	switch value {
	case "on", "true", "1":
		return true, nil
	case "off", "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q is neither on nor off", value)
}

// normalise fills in defaults.
func (b *Behaviour) normalise() {
	if b.Tokens == 0 {
		b.Tokens = 16
	}
	if b.ParallelCalls == 0 {
		b.ParallelCalls = 1
	}
	if b.Drip == 0 {
		b.Drip = caddy.Duration(100 * time.Millisecond)
	}
	if b.Fault == "" && b.Status != 0 {
		b.Fault = faultStatus
	}
}

// maxTokens bounds what one request can make the mock hold in memory.
const maxTokens = 1_000_000

// check refuses values without a meaning.
func (b *Behaviour) check() error {
	switch {
	case b.Latency < 0, b.FirstContent < 0, b.Pause < 0, b.Drip < 0, b.KeepAlive < 0:
		return errors.New("durations must not be negative")
	case b.Rate < 0, b.PauseAfter < 0, b.After < 0, b.FaultFirst < 0, b.CachedTokens < 0:
		return errors.New("rate, pause_after, after, fault_first and cached_tokens must not be negative")
	case b.Tokens < 0 || b.Tokens > maxTokens || b.Reasoning > maxTokens:
		return fmt.Errorf("tokens and reasoning must be within 0 and %d", maxTokens)
	case b.ParallelCalls < 0 || b.ParallelCalls > 64:
		return errors.New("parallel_calls must be within 0 and 64")
	case b.Status != 0 && (b.Status < 300 || b.Status > 599):
		return fmt.Errorf("status %d is not within 300 and 599", b.Status)
	case b.FaultShare != nil && !(*b.FaultShare >= 0 && *b.FaultShare <= 1):
		return fmt.Errorf("fault_share %v is not within 0 and 1", *b.FaultShare)
	case b.Fault != "" && !slices.Contains(faultNames(), b.Fault):
		return fmt.Errorf("unknown fault %q (faults: %s)", b.Fault, strings.Join(faultNames(), ", "))
	}
	return nil
}

// Interface guards
var (
	_ json.Unmarshaler = (*Words)(nil)
	_ json.Marshaler   = Words(0)
	_ json.Unmarshaler = (*Verbatim)(nil)
)
