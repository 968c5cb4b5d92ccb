package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCaddyfiles(t *testing.T) {
	of := func(name string) string {
		s := site{caddy: caddies[name], port: 81, admin: noAdmin, upstream: "http://up:82", models: []string{"whole-200"}}
		return s.caddyfile()
	}
	require.NotContains(t, of(plexus), "\tlog\n")
	require.Contains(t, of(plexus), "target chat-one whole-200@one\n")
	require.Contains(t, of(plexusLogged), "http://:81 {\n\tlog\n\tplexus\n}\n")
	require.NotContains(t, of(baseline), "\tlog\n")
	require.NotContains(t, of(baseline), "\tplexus {\n")
	require.Contains(t, of(logged), "http://:81 {\n\tlog\n\treverse_proxy http://up:82 {\n")
}
