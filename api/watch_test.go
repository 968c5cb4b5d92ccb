package api_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// Choices of two digits are choices of their own.
func TestChoices(t *testing.T) {
	var c api.Choices
	see := func(index string, ended, open bool, endedUpToNow int) {
		t.Helper()
		c.See([]byte(index), ended)
		require.Equal(t, open, c.Open())
		require.Equal(t, endedUpToNow, c.Ended())
	}
	require.False(t, c.Open())
	see("", false, true, 0)
	see("0", true, false, 1)
	see("0", false, false, 1)
	see("10", false, true, 1)
	see("127", false, true, 1)
	see("10", true, true, 2)
	see("127", true, false, 3)
	see("99999999999999999999", true, false, 3)
	see(`"x"`, true, false, 3)
}

func TestJudge(t *testing.T) {
	var c api.Choices
	f := func(index string, ended bool, want api.Signs) {
		t.Helper()
		c.See([]byte(index), ended)
		signs := api.Signs{Finished: ended}
		c.Judge(&signs)
		require.Equal(t, want, signs)
	}
	f("0", false, api.Signs{})
	f("0", true, api.Signs{Finished: true})
	f("1", false, api.Signs{Reopened: true})
	f("1", true, api.Signs{Finished: true})
}
