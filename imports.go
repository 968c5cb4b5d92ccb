package plexus

import (
	// The provider that the quick start and the examples talk to.
	_ "github.com/caddy-plexus/plexus/mock"
)
