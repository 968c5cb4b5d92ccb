package mock

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRecord(t *testing.T) {
	server := serve(t, `{}`)
	last := func() map[string]any {
		return object(t, do(t, "GET", server.URL+"/plexus_mock/last", "").body)
	}
	require.InDelta(t, 0, last()["count"], 0)
	const body = `{"model":"m","messages":[]}`
	post(t, server.URL+"/v1/chat/completions?a=b", body, "Authorization", "Bearer secret", "X-Own", "1")
	got := last()
	require.Equal(t, "POST", got["method"])
	require.Equal(t, "/v1/chat/completions", got["path"])
	require.Equal(t, "a=b", got["query"])
	require.Equal(t, body, got["body"])
	require.InDelta(t, len(body), got["body_size"], 0)
	require.Equal(t, "Bearer secret", at(t, got, "headers", "Authorization", 0))
	require.Equal(t, strings.TrimPrefix(server.URL, "http://"), at(t, got, "headers", "Host", 0))
	require.Equal(t, true, got["finished"])
	require.Equal(t, false, got["canceled"])
	require.InDelta(t, 1, got["count"], 0)

	do(t, "GET", server.URL+"/elsewhere", "")
	do(t, "GET", server.URL+"/v1/chat/completions", "")
	require.InDelta(t, 2, last()["count"], 0, "refused requests count, foreign ones do not")
	require.Equal(t, http.StatusNoContent, do(t, "DELETE", server.URL+"/plexus_mock/last", "").StatusCode)
	require.InDelta(t, 0, last()["count"], 0)
	require.Empty(t, last()["path"])
	require.Equal(t, http.StatusMethodNotAllowed, post(t, server.URL+"/plexus_mock/last", "").StatusCode)
	require.Equal(t, http.StatusMethodNotAllowed, do(t, "DELETE", server.URL+"/plexus_mock/requests", "").StatusCode)
}

func TestRecordRing(t *testing.T) {
	server := serve(t, `{}`)
	list := func() []record {
		var list []record
		require.NoError(t, json.Unmarshal([]byte(do(t, "GET", server.URL+"/plexus_mock/requests", "").body), &list))
		return list
	}
	require.Equal(t, "[]\n", do(t, "GET", server.URL+"/plexus_mock/requests", "").body)
	for i := range recorded + 5 {
		do(t, "GET", fmt.Sprintf("%s/v1/models?i=%d", server.URL, i), "")
	}
	require.Len(t, list(), recorded)
	require.Equal(t, "i=5", list()[0].Query)
	require.Equal(t, fmt.Sprintf("i=%d", recorded+4), list()[recorded-1].Query)
}

func TestRecordLargeBody(t *testing.T) {
	server := serve(t, `{}`)
	body := `{"model":"m","x":"` + strings.Repeat("a", recordedBody) + `"}`
	require.Equal(t, http.StatusOK, post(t, server.URL+"/v1/chat/completions", body).StatusCode)
	got := object(t, do(t, "GET", server.URL+"/plexus_mock/last", "").body)
	require.InDelta(t, len(body), got["body_size"], 0)
	require.Len(t, got["body"], recordedBody)
}

func TestRecordOff(t *testing.T) {
	server := serve(t, `{"record": false}`)
	do(t, "GET", server.URL+"/v1/models", "")
	got := object(t, do(t, "GET", server.URL+"/plexus_mock/last", "").body)
	require.InDelta(t, 1, got["count"], 0)
	require.Empty(t, got["path"])
	require.Equal(t, "[]\n", do(t, "GET", server.URL+"/plexus_mock/requests", "").body)
}
