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

// Providers without any limits filled the table of limits with lines of dashes.
func TestTableOfLimitsLeavesOutWhatHasNone(t *testing.T) {
	f := func(status limitStatus, want ...string) {
		t.Helper()
		status.Provider = "lab"
		var out strings.Builder
		require.NoError(t, printLimits(&out, []limitStatus{status}, time.Now()))
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")[1:]
		require.Len(t, lines, len(want), out.String())
		for i := range want {
			require.Regexp(t, "^"+want[i]+"$", lines[i])
		}
	}
	said := []learnedStatus{{Credential: 1, Of: "tokens", Left: 7}}
	f(limitStatus{})
	f(limitStatus{Models: []modelLimitStatus{{Model: "m"}}})
	f(limitStatus{Models: []modelLimitStatus{{Model: "m"}, {Model: "n", Learned: said}}}, `lab/n .* 7 tokens left \(credential 1\)`)
	f(limitStatus{Waiting: 1}, `lab +- +1 .*`)
	f(limitStatus{InFlight: new(0), MaxConcurrency: 5, Models: []modelLimitStatus{{Model: "m", InFlight: new(0)}}}, `lab +0/5 +0 .*`, `lab/m +0 .*`)
}
