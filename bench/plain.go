package main

import (
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"time"
)

// plainProxy is the reverse proxy of the standard library, with connections kept
// as Caddy keeps them.
func plainProxy(upstream string) http.Handler {
	to := &url.URL{Scheme: "http", Host: upstream}
	transport := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
		MaxIdleConnsPerHost: 32,
		IdleConnTimeout:     2 * time.Minute,
		DisableCompression:  true,
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Set("Authorization", "Bearer "+credential)
		},
		// Clients that leave are a part of the load.
		ErrorLog: log.New(discard{}, "", 0),
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// serve runs one of the programs that the benchmark starts from its own file.
func serve(args []string) error {
	var handler http.Handler = new(provider)
	if args[0] == roleProxy {
		handler = plainProxy(args[2])
	}
	server := &http.Server{Addr: args[1], Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(os.Stderr, "", 0)}
	return server.ListenAndServe()
}
