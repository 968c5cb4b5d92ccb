package chaos

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync/atomic"
	"time"
)

const clientKey = "key-of-the-chaos"

// question is what a client asks, and how it behaves.
type question struct {
	api    string
	stream bool
	model  string
	trace  string
	keyed  bool
	// anew: it is asked on a new connection. One that nothing has been sent on
	// yet may be the old configuration's.
	anew bool
	// leaves is when the client goes away; 0 if it stays.
	leaves time.Duration
}

func (q *question) String() string {
	text := q.api
	if q.stream {
		text += " stream"
	}
	return fmt.Sprintf("%s of %s, trace %s", text, q.model, q.trace)
}

// answer is what a client got.
type answer struct {
	q         *question
	started   time.Time
	ended     time.Time
	status    int
	header    http.Header
	body      []byte
	err       error // of the connection
	left      bool  // the client went away as it meant to
	impatient bool  // it waited too long for the next byte
	took      time.Duration
}

var apis = []string{"chat", "responses", "messages", "gemini"}

// asker asks a gateway.
type asker struct {
	base   string
	client *http.Client
	anew   *http.Client
	traces atomic.Uint64
	seed   uint64
	// reconnects counts the connections that broke before a request had come
	// through, as they do in the moment of a reload.
	reconnects atomic.Int64
	// patience is how long a client waits for the header, and for the next event.
	patience, silence time.Duration
}

func newAsker(base string, seed uint64) *asker {
	return &asker{
		base: base, seed: seed, patience: 30 * time.Second, silence: 2500 * time.Millisecond,
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		anew:   &http.Client{Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

func (c *asker) trace() string { return fmt.Sprintf("%016x%016x", c.seed|1<<63, c.traces.Add(1)) }

// draw makes up a question.
func draw(chance *rand.Rand, model string) *question {
	q := &question{api: apis[chance.IntN(len(apis))], stream: chance.IntN(2) == 0, model: model, keyed: chance.IntN(50) != 0}
	if chance.IntN(8) == 0 {
		// Soon, to meet what is quick, or after a while, to meet what hangs.
		most := []time.Duration{10 * time.Millisecond, 500 * time.Millisecond}[chance.IntN(2)]
		q.leaves = 1 + time.Duration(chance.Int64N(int64(most)))
	}
	return q
}

// request is the question in its API.
func (q *question) request(base string) (*http.Request, error) {
	var path, body string
	prompt := q.trace
	switch q.api {
	case "chat":
		path, body = "/v1/chat/completions", fmt.Sprintf(`{"model":%q,"stream":%t,"messages":[{"role":"user","content":%q}]}`, q.model, q.stream, prompt)
	case "responses":
		path, body = "/v1/responses", fmt.Sprintf(`{"model":%q,"stream":%t,"store":false,"input":%q}`, q.model, q.stream, prompt)
	case "messages":
		path, body = "/v1/messages", fmt.Sprintf(`{"model":%q,"stream":%t,"max_tokens":100,"messages":[{"role":"user","content":%q}]}`, q.model, q.stream, prompt)
	default:
		path, body = "/v1beta/models/"+q.model+":generateContent", fmt.Sprintf(`{"contents":[{"role":"user","parts":[{"text":%q}]}]}`, prompt)
		if q.stream {
			path = "/v1beta/models/" + q.model + ":streamGenerateContent?alt=sse"
		}
	}
	req, err := http.NewRequest(http.MethodPost, base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Traceparent", "00-"+q.trace+"-00f067aa0ba902b7-01")
	if q.keyed {
		req.Header.Set("Authorization", "Bearer "+clientKey)
	}
	return req, nil
}

// ask asks once. Each try is a trace of its own.
func (c *asker) ask(q *question) *answer {
	q.trace = c.trace()
	out := &answer{q: q, started: time.Now()}
	defer func() {
		out.ended = time.Now()
		out.took = out.ended.Sub(out.started)
	}()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var left, tired atomic.Bool
	if q.leaves > 0 {
		leave := time.AfterFunc(q.leaves, func() { left.Store(true); cancel() })
		defer leave.Stop()
	}
	silence := time.AfterFunc(c.patience, func() { tired.Store(true); cancel() })
	defer silence.Stop()
	req, err := q.request(c.base)
	if err != nil {
		out.err = err
		return out
	}
	client := c.client
	if q.anew {
		client = c.anew
	}
	res, err := client.Do(req.WithContext(ctx))
	if err == nil {
		defer res.Body.Close()
		out.status, out.header = res.StatusCode, res.Header
		out.body, err = readAll(res.Body, func(piece []byte) {
			// Keep-alives keep nobody company for ever.
			if bytes.Count(piece, []byte("data:")) > bytes.Count(piece, []byte("event: ping")) {
				silence.Reset(c.silence)
			}
		})
	}
	out.err, out.left, out.impatient = err, left.Load(), tired.Load()
	return out
}

// readAll reads a body and tells of each piece.
func readAll(body io.Reader, heard func([]byte)) ([]byte, error) {
	var all []byte
	buf := make([]byte, 8<<10)
	for {
		n, err := body.Read(buf)
		all = append(all, buf[:n]...)
		if err == io.EOF {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		heard(buf[:n])
	}
}
