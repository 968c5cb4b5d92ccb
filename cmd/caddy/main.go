// Command caddy is Caddy with Plexus inside.
package main

import (
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	_ "github.com/caddyserver/caddy/v2/modules/standard"

	_ "github.com/caddy-plexus/plexus"
)

func main() {
	caddycmd.Main()
}
