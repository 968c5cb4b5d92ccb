package sdk_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/tidwall/gjson"
)

var update = flag.Bool("update", false, "write the tables of ../../docs/translation.md instead of comparing them")

// The APIs, as the gateway's Caddyfile calls the providers that speak one alone.
const (
	chatAPI      = "chat"
	responsesAPI = "responses"
	messagesAPI  = "messages"
	geminiAPI    = "gemini"
	// OpenAI's embeddings, which Gemini has among the rest.
	embeddingsAPI = "embeddings"
)

var (
	apis      = []string{chatAPI, responsesAPI, messagesAPI, geminiAPI}
	embedding = []string{embeddingsAPI, geminiAPI}
)

// models are what the providers are asked for. Their names tell the gateway what
// they can: of OpenAI's formats one that nothing is known of, which has all that
// the format has.
var models = map[string]string{
	chatAPI: "mock-small", embeddingsAPI: "mock-small", responsesAPI: "mock-small", messagesAPI: "claude-sonnet-4-5", geminiAPI: "gemini-3-flash-preview",
}

// question is what a client asks, in no API's words.
type question struct {
	prompt, system string
	earlier        []turn
	resumes        bool // the results of the last turn are all that there is to say
	stream         bool
	media          media
	tools          []string // all with the schema of the weather
	choice         string   // none, required, or a tool's name
	single         bool     // no more than one call
	schema         bool     // the answer is an object with a text "answer"
	reasoning      bool
	stop           string
	limit          int64
	temperature    float64
	topP           float64
	n              int64
	user           string
}

// turn is what went before: a prompt, the answer as the SDK gives it back, and
// the results of its calls.
type turn struct {
	prompt  string
	said    any
	results []result
}

type result struct {
	call
	text          string
	image, failed bool
}

type media int

const (
	noMedia media = iota
	anImage
	anImageURL
	aDocument
	aDocumentURL
)

// reply is an answer, in no API's words.
type reply struct {
	text      string
	texts     []string // of each choice
	pieces    int      // of the text, in a stream
	reasoning string
	calls     []call
	finish    string // stop, length, calls or filter
	usage     usage
	said      any // the answer as the SDK sends it back
}

type call struct{ id, name, arguments string }

// usage has the cached tokens in its input and the reasoning in its output.
type usage struct{ input, cached, output, reasoning int64 }

// problem is an error as the SDK shows it.
type problem struct {
	status        int
	kind, message string
	param         string // only OpenAI's APIs have it
}

// asker is an SDK in front of one API.
type asker interface {
	// ask reads an answer, or all of a stream up to its end or error: the reply
	// is never nil, unless the error is errUnsayable.
	ask(ctx context.Context, model string, q *question) (*reply, error)
	problem(err error) (problem, bool)
}

// counter is an asker whose API counts tokens.
type counter interface {
	count(ctx context.Context, model, prompt string) (int64, error)
}

// embedder is an asker whose API embeds texts.
type embedder interface {
	embed(ctx context.Context, model string, size int, texts ...string) ([][]float64, error)
}

// errUnsayable says that the client's API has no way to ask this.
var errUnsayable = errors.New("the client's API cannot say it")

// askers make an SDK that talks through the given wire.
var askers = map[string]func(t *testing.T, w *wire) asker{
	chatAPI: newChatAsker, embeddingsAPI: newChatAsker, responsesAPI: newResponsesAsker, messagesAPI: newMessagesAsker, geminiAPI: newGeminiAsker,
}

// wire is what is between an SDK and the gateway: it tells the mock what to do,
// and remembers what went through.
type wire struct {
	mock   string
	sent   []byte
	header http.Header
	got    bytes.Buffer
}

func (w *wire) client() *http.Client { return &http.Client{Transport: w} }

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("X-Plexus-Mock", w.mock)
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		w.sent, r.Body = body, io.NopCloser(bytes.NewReader(body))
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err == nil {
		w.header = res.Header
		w.got.Reset()
		res.Body = struct {
			io.Reader
			io.Closer
		}{io.TeeReader(res.Body, &w.got), res.Body}
	}
	return res, err
}

// cell is one feature between one client and one target.
type cell struct {
	*testing.T
	client, target string
	asker          asker
	wire           *wire
	provider       string
	prompt         string
	outcome        string
}

// The outcomes that are neither yes nor a refusal.
const (
	unsayable = "–"
	leftOut   = "left out"
	estimated = "estimate"
)

// runCell fills a cell of the table; the test fails where it holds anything but
// yes, a refusal that names what the target lacks, or a dash.
func runCell(t *testing.T, client, target string, f feature) string {
	c := &cell{client: client, target: target, provider: target, wire: &wire{mock: "{}"}, outcome: "yes"}
	t.Run(f.name+" to "+target, func(t *testing.T) {
		c.T = t
		c.prompt = fmt.Sprintf("%s from %s to %s", f.name, client, target)
		c.asker = askers[client](t, c.wire)
		f.run(c)
	})
	return c.outcome
}

// settle ends a cell before its end.
func (c *cell) settle(outcome string) {
	c.outcome = outcome
	c.SkipNow()
}

func (c *cell) model() string { return c.provider + "/" + models[c.target] }

// does tells the mock how to behave.
func (c *cell) does(options string) { c.wire.mock = options }

// try asks, and settles the cell where the client cannot.
func (c *cell) try(q question) (*reply, error) {
	c.Helper()
	if q.prompt == "" {
		q.prompt = c.prompt
	}
	r, err := c.asker.ask(c.Context(), c.model(), &q)
	if errors.Is(err, errUnsayable) {
		c.settle(unsayable)
	}
	return r, err
}

// ask wants an answer, or a refusal before anything has reached the provider.
func (c *cell) ask(q question) *reply {
	c.Helper()
	c.forget()
	r, err := c.try(q)
	if err == nil {
		require.Contains(c, string(c.wire.sent), c.prompt)
		return r
	}
	p, ok := c.asker.problem(err)
	require.True(c, ok, "%v", err)
	require.Equal(c, http.StatusBadRequest, p.status, "%v", err)
	require.Empty(c, receivedBy(c.T, mockURL), "the provider refuses what was sent: %v", err)
	field, _, _ := strings.Cut(p.message, " ")
	if c.client == chatAPI || c.client == responsesAPI {
		require.Equal(c, p.param, field)
	}
	last := field[strings.LastIndexByte(field, '.')+1:]
	require.Contains(c, string(c.wire.sent), `"`+last+`":`, "not a member of the client's request: %s", p.message)
	c.settle("400 `" + field + "`")
	return nil
}

// fails wants an error.
func (c *cell) fails(q question) (*reply, problem) {
	c.Helper()
	r, err := c.try(q)
	require.Error(c, err, "the SDK takes it for a success: %+v", r)
	p, ok := c.asker.problem(err)
	require.True(c, ok, "%v", err)
	return r, p
}

func (c *cell) forget() {
	c.Helper()
	req, err := http.NewRequest(http.MethodDelete, mockURL+"/plexus_mock/last", nil)
	require.NoError(c, err)
	res, err := http.DefaultClient.Do(req)
	require.NoError(c, err)
	res.Body.Close()
}

// received is the last request that the provider has got.
func (c *cell) received() received {
	c.Helper()
	list := receivedBy(c.T, mockURL)
	require.NotEmpty(c, list)
	last := list[len(list)-1]
	for name, values := range last.Headers {
		require.NotContains(c, strings.Join(values, " "), clientKey, name)
	}
	return last
}

// at are paths in the requests of the APIs, in the words of gjson.
type at map[string]string

// sent checks what the provider has got, where its API has a place for it.
func (c *cell) sent(want string, paths at) {
	c.Helper()
	if path := paths[c.target]; path != "" {
		body := c.received().Body
		require.Contains(c, gjson.Get(body, path).String(), want, body)
	}
}

// TestMatrix asks for every feature in every client's API of every target's, and
// compares the outcome with the documentation.
func TestMatrix(t *testing.T) {
	var page strings.Builder
	for _, client := range apis {
		t.Run(client, func(t *testing.T) {
			fmt.Fprintf(&page, "\n### A client that speaks %s\n\n%s", client, table(t, client, apis, features))
		})
	}
	page.WriteString("\n### Embeddings\n")
	for _, client := range embedding {
		t.Run("embeddings of "+client, func(t *testing.T) {
			fmt.Fprintf(&page, "\n%s", table(t, client, embedding, embeddingFeatures))
		})
	}
	if !t.Failed() {
		requireTables(t, page.String()+"\n")
	}
}

// table asks for each feature of each target.
func table(t *testing.T, client string, columns []string, rows []feature) string {
	var b strings.Builder
	line := func(cells ...string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(append([]string{"from " + client + " to"}, columns...)...)
	line(slices.Repeat([]string{"---"}, len(columns)+1)...)
	for _, f := range rows {
		cells := []string{f.name}
		for _, column := range columns {
			cells = append(cells, runCell(t, client, column, f))
		}
		line(cells...)
	}
	return b.String()
}

const (
	docs  = "../../docs/translation.md"
	begin = "<!-- what TestMatrix of tests/sdk has measured; go test -run Matrix -update writes it -->\n"
	end   = "<!-- end of what TestMatrix has measured -->\n"
)

// requireTables compares the page with what was measured.
func requireTables(t *testing.T, measured string) {
	page, err := os.ReadFile(docs)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(page), begin)
	require.True(t, ok, "the page has lost its first marker")
	written, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "the page has lost its second marker")
	if *update {
		require.NoError(t, os.WriteFile(docs, []byte(before+begin+measured+end+after), 0o644))
		return
	}
	require.Equal(t, written, measured, "docs/translation.md is not what was measured: go test -run Matrix -update writes it anew")
}
