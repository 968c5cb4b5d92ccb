// Package freeport gives the servers of tests their ports.
package freeport

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
)

var given sync.Map

// Port is a TCP port on which nobody listens, of loopback or of all interfaces.
// It is given once. It lies below those that systems give by themselves (Linux
// from 32768, others from 49152), which anybody could be given before the test
// listens; Caddy, moreover, shares a port with whoever asks for that, and so two
// tests would get each other's requests. It panics when no port is free.
func Port() int {
	for range 1000 {
		port := 10_000 + rand.IntN(20_000) //nolint:gosec // no secret
		if _, again := given.LoadOrStore(port, true); again {
			continue
		}
		listener, err := net.Listen("tcp", fmt.Sprintf(":%d", port)) //nolint:noctx // it does not wait
		if err != nil {
			continue
		}
		if err := listener.Close(); err != nil {
			panic(err)
		}
		return port
	}
	panic("no port between 10000 and 30000 is free")
}

// Address is such a port of 127.0.0.1, as host:port.
func Address() string { return fmt.Sprintf("127.0.0.1:%d", Port()) }
