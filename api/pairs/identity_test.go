package pairs_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// TestRequestsPassTheirOwnFormat mixes requests of one format at random. One that
// went through the neutral form and back is the same request: it comes out the
// same again, and every target is asked the same by it.
func TestRequestsPassTheirOwnFormat(t *testing.T) {
	const mixtures = 300
	for _, from := range formats {
		members := membersOf(t, from.name)
		random := rand.New(rand.NewPCG(7, uint64(len(from.name))))
		for range mixtures {
			body := mixture(t, random, members)
			req, err := from.codec.DecodeRequest(body)
			require.NoError(t, err, "%s", body)
			once, dropped, err := from.codec.EncodeRequest(req)
			if err != nil {
				continue
			}
			again, err := from.codec.DecodeRequest(once)
			require.NoError(t, err, "%s", once)
			twice, _, err := from.codec.EncodeRequest(again)
			require.NoError(t, err)
			require.JSONEq(t, string(once), string(twice))
			if len(dropped) == 0 && from.name != api.Gemini { // which has to merge turns
				sameForAll(t, body, req, again)
			}
		}
	}
}

func sameForAll(t *testing.T, body []byte, a, b *api.Request) {
	t.Helper()
	for _, to := range formats {
		want, _, err := to.codec.EncodeRequest(a)
		got, _, again := to.codec.EncodeRequest(b)
		require.Equal(t, err, again, "%s to %s", body, to.name)
		if err == nil {
			require.JSONEq(t, string(want), string(got), "%s to %s", body, to.name)
		}
	}
}

// membersOf are the values that the members of a format's requests have in
// testdata/request.
func membersOf(t *testing.T, from api.API) map[string][]json.RawMessage {
	t.Helper()
	out := map[string][]json.RawMessage{}
	for _, body := range fixtures(t, "request", from, ".json") {
		var request map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(body, &request))
		for name, value := range request {
			out[name] = append(out[name], value)
		}
	}
	for _, values := range out {
		slices.SortFunc(values, slices.Compare)
	}
	return out
}

// mixture is a request of some of the members, of which a few are always there.
func mixture(t *testing.T, random *rand.Rand, members map[string][]json.RawMessage) []byte {
	t.Helper()
	names := make([]string, 0, len(members))
	for name := range members {
		names = append(names, name)
	}
	slices.Sort(names)
	request := map[string]json.RawMessage{}
	for _, name := range names {
		always := slices.Contains([]string{"model", "messages", "input", "contents", "tools"}, name)
		if always || random.IntN(2) == 0 {
			request[name] = members[name][random.IntN(len(members[name]))]
		}
	}
	body, err := json.Marshal(request)
	require.NoError(t, err)
	return body
}
