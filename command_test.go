package plexus

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A target was listed as up, and nothing said that one of its two credentials was
// refused.
func TestTableOfTargetsTellsOfCredentials(t *testing.T) {
	f := func(status targetStatus, want string) {
		t.Helper()
		status.Provider, status.Model = "lab", "m"
		var out strings.Builder
		require.NoError(t, printTargets(&out, []targetStatus{status}, time.Now()))
		require.Regexp(t, `(?m)^lab/m +`+want+`$`, out.String())
	}
	up, refused := credentialStatus{Number: 1, State: stateUp}, credentialStatus{Number: 2, State: stateCooling, Reason: "401"}
	busy := credentialStatus{Number: 1, State: stateHalfOpen, Reason: "429"}
	f(targetStatus{State: stateUp}, `up +- +0 +- +- +-`)
	f(targetStatus{State: stateUp, Credentials: []credentialStatus{up, up}}, `up +- +0 +- +- +-`)
	f(targetStatus{State: stateUp, Credentials: []credentialStatus{up, refused}}, `up +- +0 +- +- +credential 2 cooling: 401`)
	f(targetStatus{State: stateUp, Credentials: []credentialStatus{busy, refused}}, `up .* credential 1 half_open: 429, credential 2 cooling: 401`)
	f(targetStatus{State: stateCooling, Reason: "500", Credentials: []credentialStatus{up, refused}}, `cooling .* 500`)
}
