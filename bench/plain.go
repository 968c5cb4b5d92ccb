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
	proxy := &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Set("Authorization", "Bearer "+credential)
		},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Else the server closes the request's body at the first byte of the
		// answer, and the transport, which may not have seen that it is at its
		// end, closes the provider's connection: of large answers, every few end early.
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// serve runs one of the programs that the benchmark starts from its own file.
func serve(args []string) error {
	var handler http.Handler = new(provider)
	if args[0] == roleProxy {
		handler = plainProxy(args[2])
	} else if err := serveSecured(handler, &secured{map[string]string{http1: args[2], http2: args[3]}, args[4]}); err != nil {
		return err
	}
	server := &http.Server{Addr: args[1], Handler: handler, ReadHeaderTimeout: time.Minute, ErrorLog: log.New(os.Stderr, "", 0)}
	return server.ListenAndServe()
}
