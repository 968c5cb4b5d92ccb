package pairs_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// checkRequest checks that a target can read what it is asked.
func checkRequest(t testing.TB, to format, req *api.Request, body []byte) {
	t.Helper()
	out, _, err := to.codec.EncodeRequest(req)
	if err != nil {
		var unsupported *api.Unsupported
		if errors.As(err, &unsupported) {
			require.NotEmpty(t, unsupported.Field)
			require.NotEmpty(t, unsupported.Why)
		}
		require.NotEmpty(t, err.Error())
		return
	}
	require.True(t, json.Valid(out), "%s", out)
	_, err = to.codec.DecodeRequest(out)
	require.NoError(t, err, "%s\nto %s\n%s", body, to.name, out)
}
