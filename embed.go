package plexus

import (
	"io"
	"net/http"

	"github.com/caddy-plexus/plexus/api"
	"github.com/caddy-plexus/plexus/api/embeddings"
)

// embeddingRequest is what the client wants embedded. It is decoded for each
// target anew: failover between the APIs of embeddings is rare.
func (x *exchange) embeddingRequest() (*embeddings.Request, error) {
	method := ""
	if x.op.api == api.Gemini {
		method = x.op.path[1:]
	}
	if err := x.req.toDecode(); err != nil {
		return nil, err
	}
	req, err := embeddings.DecodeRequest(x.op.api, method, x.req.body)
	if err != nil {
		return nil, inexpressible(err)
	}
	return req, nil
}

// embeddingPassage writes a request for embeddings in the other of their APIs.
func (x *exchange) embeddingPassage(t *Target, a api.API) (*passage, error) {
	req, err := x.embeddingRequest()
	if err != nil {
		return nil, err
	}
	req.Model = t.Model
	body, method, dropped, err := embeddings.EncodeRequest(a, req)
	if err != nil {
		return nil, inexpressible(err)
	}
	x.logTranslated(t, a, dropped)
	op := operation{verb: verbEmbed, api: a, path: "/embeddings"}
	if a == api.Gemini {
		op.path = ":" + method
	}
	return &passage{op: op, method: http.MethodPost, body: extended(body, t.Provider.extra)}, nil
}

// translateEmbeddings passes the vectors on in the client's API.
func (a *answer) translateEmbeddings() *failure {
	body, err := a.x.gateway.buffers.readAll(io.LimitReader(a.res.Body, maxTranslated), a.res.ContentLength)
	if err != nil {
		return a.gone(err)
	}
	if f, bad := judgeAnswer(a.watcher.Answer(body), body); bad {
		return a.fail(f)
	}
	out, err := a.embeddings(body)
	if err != nil {
		return a.failed(failure{status: a.res.StatusCode, reason: "an answer that cannot be translated", verdict: verdictInvalid}, err)
	}
	return a.sendWhole(http.StatusOK, "application/json", out)
}

func (a *answer) embeddings(body []byte) ([]byte, error) {
	resp, err := embeddings.DecodeResponse(a.passage.op.api, body)
	if err != nil {
		return nil, err
	}
	req, err := a.x.embeddingRequest()
	if err != nil {
		return nil, err
	}
	req.Model = a.target.Model
	a.watcher = counted(resp.Usage)
	return embeddings.EncodeResponse(a.x.op.api, resp, req)
}
