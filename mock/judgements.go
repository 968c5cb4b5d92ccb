package mock

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"
)

// moderationRequest is a request of OpenAI's Moderations.
type moderationRequest struct {
	head
	Input inputs `json:"input"`
}

// flagWord is what the mock objects to.
const flagWord = "mock-flag"

func readModerations(x *exchange) (head, func() error, error) {
	var req moderationRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	if req.Model == "" {
		req.Model = "omni-moderation-latest"
	}
	return req.head, func() error {
		var w wire
		w.raw(`{"id":`).str(x.id("modr-")).raw(`,"model":`).str(x.model).raw(`,"results":[`)
		for i, in := range req.Input {
			moderate(w.comma(i), strings.Contains(in.text, flagWord))
		}
		return x.sendJSON(w.raw(`]}`).buf)
	}, nil
}

// moderate writes one result; a flagged text is taken to be of every category.
func moderate(w *wire, flagged bool) {
	categories := []string{
		"harassment", "harassment/threatening", "hate", "hate/threatening", "illicit", "illicit/violent",
		"self-harm", "self-harm/instructions", "self-harm/intent", "sexual", "sexual/minors",
		"violence", "violence/graphic",
	}
	members := func(value string) {
		w.raw(`{`)
		for i, name := range categories {
			w.comma(i).str(name).raw(`:`).raw(value)
		}
		w.raw(`}`)
	}
	score := `0.01`
	if flagged {
		score = `0.99`
	}
	w.raw(`{"flagged":`).raw(strconv.FormatBool(flagged)).raw(`,"categories":`)
	members(strconv.FormatBool(flagged))
	w.raw(`,"category_scores":`)
	members(score)
	w.raw(`,"category_applied_input_types":`)
	members(`["text"]`)
	w.raw(`}`)
}

// rerankRequest is a request of the rerank API that Cohere, Jina and vLLM
// share.
type rerankRequest struct {
	head
	Query           string           `json:"query"`
	Documents       []rerankDocument `json:"documents"`
	TopN            int              `json:"top_n"`
	ReturnDocuments *bool            `json:"return_documents"`
}

// rerankDocument is a text, or an object with a text.
type rerankDocument string

// UnmarshalJSON reads either form.
func (d *rerankDocument) UnmarshalJSON(raw []byte) error {
	if raw[0] == '"' {
		return json.Unmarshal(raw, (*string)(d))
	}
	var object struct {
		Text string `json:"text"`
	}
	err := json.Unmarshal(raw, &object)
	*d = rerankDocument(object.Text)
	return err
}

func readRerank(x *exchange) (head, func() error, error) {
	var req rerankRequest
	if err := x.decode(&req); err != nil {
		return head{}, nil, err
	}
	return req.head, func() error {
		size := len(req.Query)
		for _, d := range req.Documents {
			size += len(d)
		}
		var w wire
		w.raw(`{"id":`).str(x.id("rerank-")).raw(`,"model":`).str(x.model).raw(`,"results":[`)
		for i, r := range req.rank() {
			w.comma(i).raw(`{"index":`).num(r.index).raw(`,"relevance_score":`)
			w.buf = strconv.AppendFloat(w.buf, r.score, 'f', 4, 64)
			if req.ReturnDocuments == nil || *req.ReturnDocuments {
				w.raw(`,"document":{"text":`).str(string(req.Documents[r.index])).raw(`}`)
			}
			w.raw(`}`)
		}
		n := tokens(size)
		w.raw(`],"meta":{"api_version":{"version":"1"},"billed_units":{"search_units":1},"tokens":{"input_tokens":`).num(n)
		w.raw(`}},"usage":{"prompt_tokens":`).num(n).raw(`,"total_tokens":`).num(n).raw(`}}`)
		return x.sendJSON(w.buf)
	}, nil
}

type ranked struct {
	index int
	score float64
}

// rank scores each document by the share of the query's words in it, and
// orders them by that.
func (req *rerankRequest) rank() []ranked {
	words := strings.Fields(strings.ToLower(req.Query))
	list := make([]ranked, len(req.Documents))
	for i, d := range req.Documents {
		found := 0
		for _, word := range words {
			if strings.Contains(strings.ToLower(string(d)), word) {
				found++
			}
		}
		// No score is certain, as with a model.
		list[i] = ranked{i, 0.01 + 0.98*float64(found)/float64(max(1, len(words)))}
	}
	slices.SortStableFunc(list, func(a, b ranked) int {
		switch {
		case a.score > b.score:
			return -1
		case a.score < b.score:
			return 1
		}
		return 0
	})
	if req.TopN > 0 && req.TopN < len(list) {
		list = list[:req.TopN]
	}
	return list
}

// Interface guards
var _ json.Unmarshaler = (*rerankDocument)(nil)
