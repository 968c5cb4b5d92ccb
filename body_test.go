package plexus

import (
	"bufio"
	"fmt"
	"math"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// bodies ask for a stream, in words of any length.
var bodies = map[string]string{
	"/v1/chat/completions": `{"model":"fast","stream":true,"messages":[{"role":"user","content":"%s"}]}`,
	"/v1/messages": `{"model":"fast","stream":true,"max_tokens":9,"messages":[{"role":"user","content":"%s"}],` +
		`"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral"}}],"tools":[{"name":"f","input_schema":{"type":"object"}}]}`,
	"/v1/responses": `{"model":"fast","stream":true,"instructions":"Be brief.","input":"%s"}`,
}

// An open stream holds neither the request's body nor what flowed through it.
func TestOpenStreamsHoldNoBodies(t *testing.T) {
	held := func(path string, size, streamsOpen int, opening string, most int64) (held int64) {
		t.Helper()
		p := newProvider(t, func(w http.ResponseWriter, r *http.Request) {
			streams(opening, chatHello)(w, r)
			<-r.Context().Done()
		})
		g := newGateway(t, oneAPI(api.Chat, p.URL)+"model fast {\n target chat m1\n}\n")
		url := serveGateway(t, g).URL
		body := fmt.Sprintf(bodies[path], strings.Repeat("x", size))
		before := heap()
		for range streamsOpen {
			res, err := http.Post(url+path, "application/json", strings.NewReader(body))
			require.NoError(t, err)
			defer res.Body.Close()
			_, err = bufio.NewReaderSize(res.Body, 16).ReadString('\n')
			require.NoError(t, err)
		}
		p.mu.Lock()
		p.requests = nil // the test's own copies
		p.mu.Unlock()
		// The provider may answer before the goroutine that has written a body
		// gets to let go of it.
		for range 100 {
			g.buffers.tidy() // what is free is spare,
			g.buffers.tidy() // and then gone
			if held = heap() - before; held < most {
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		return held
	}
	f := func(size, streamsOpen int, opening string) {
		t.Helper()
		flowed := int64(streamsOpen) * int64(size+len(opening))
		for path := range bodies {
			most := held(path, 10, streamsOpen, "", math.MaxInt64) + flowed/4
			require.Less(t, held(path, size, streamsOpen, opening, most), most, path)
		}
	}
	f(4<<20, 8, "")
	f(copied-1024, 200, "")
	f(10, 20, `data: {"choices":[],"padding":"`+strings.Repeat("x", maxHeld-1024)+`"}`+"\n\n")
}

// heap is what is in use, once nothing else can be freed.
func heap() int64 {
	var m runtime.MemStats
	for range 3 {
		runtime.GC()
	}
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
