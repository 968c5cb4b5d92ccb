package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// served is a subject that is no process.
func served(t *testing.T, h http.Handler) *subject {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &subject{name: direct, addr: strings.TrimPrefix(server.URL, "http://")}
}

func TestProviderAnswers(t *testing.T) {
	s := served(t, new(provider))
	f := func(model string, api *format) {
		t.Helper()
		q, err := newQuestion(model, api, api)
		require.NoError(t, err)
		q.body = body(model, q.script.streams())
		if q.script.streams() {
			out, err := streams(t.Context(), s, q, 2, 3)
			require.NoError(t, err)
			require.Equal(t, 2*3*q.script.events, out.units)
			require.InDelta(t, 1.0, out.figures[0].value, 0, "each event has a flush of its own")
			return
		}
		out, err := closed(t.Context(), s, q, 2, 10, 0)
		require.NoError(t, err)
		require.EqualValues(t, 10, out.latency.TotalCount())
	}
	for _, api := range []*format{&chatFormat, &messagesFormat} {
		f("whole-200", api)
		f("whole-100000", api)
		f("stream-5-0s", api)
		f("stream-3-1ms", api)
	}
}

func TestPlainProxyAnswers(t *testing.T) {
	alone := served(t, new(provider))
	s := served(t, plainProxy(alone.addr))
	s.name = standard
	q, err := newQuestion("whole-1000", &chatFormat, &chatFormat)
	require.NoError(t, err)
	_, err = closed(t.Context(), s, q, 1, 3, 0)
	require.NoError(t, err)
}

func TestProviderChecksWhatItIsAsked(t *testing.T) {
	s := served(t, new(provider))
	f := func(path, key, model, reason string) {
		t.Helper()
		err := post(t.Context(), "http://"+s.addr+path, key, body(model, false))
		if reason == "" {
			require.NoError(t, err)
			return
		}
		require.ErrorContains(t, err, reason)
	}
	f("/v1/chat/completions", credential, "whole-200", "")
	f("/gateway/v1/chat/completions", credential, "whole-200@one", "")
	f("/v1/chat/completions", clientKey, "whole-200", "lacks the provider's credential")
	f("/gateway/v1/chat/completions", credential, "whole-200", `is asked for the model "whole-200"`)
	f("/v1/chat/completions", credential, "whole-200@one", "whole-200@one")
	f("/v1/chat/completions", credential, "gpt-4o", "gpt-4o")
}

// One wrong answer ends the run.
func TestOneWrongAnswerIsAnError(t *testing.T) {
	q, err := newQuestion("whole-1000", &chatFormat, &chatFormat)
	require.NoError(t, err)
	var asked atomic.Int64
	s := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		answer := q.answer
		if asked.Add(1) == 5 {
			answer = answer[1:]
		}
		_, _ = w.Write(answer)
	}))
	_, err = closed(t.Context(), s, q, 2, 1000, 0)
	require.ErrorContains(t, err, "is not the provider's")
	require.Less(t, asked.Load(), int64(1000))

	asked.Store(0)
	_, err = open(t.Context(), s, q, 1000, 100_000_000)
	require.ErrorContains(t, err, "is not the provider's")
}

func TestAStatusIsAnError(t *testing.T) {
	s := served(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "busy", http.StatusServiceUnavailable) }))
	q, err := newQuestion("whole-1000", &chatFormat, &chatFormat)
	require.NoError(t, err)
	_, err = closed(t.Context(), s, q, 1, 1, 0)
	require.ErrorContains(t, err, "status 503: busy")
}

func TestCanceledWorkEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	q, err := newQuestion("whole-1000", &chatFormat, &chatFormat)
	require.NoError(t, err)
	_, err = closed(ctx, served(t, new(provider)), q, 1, 1_000_000, 0)
	require.ErrorIs(t, err, context.Canceled)
}
