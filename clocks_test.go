package plexus

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/stretchr/testify/require"

	"github.com/caddy-plexus/plexus/api"
)

// A target whose time runs out before the first content is followed by the next.
func TestClocksBeforeTheFirstContent(t *testing.T) {
	each(t, func(t *testing.T, client, target *dialect) {
		f := func(extra string, took time.Duration, reason string, first *script) {
			t.Helper()
			second := target.plays(target.opening, target.content, target.end)
			g := play(t, target.api, extra, "", first, second)
			alone := play(t, target.api, extra, "", first)
			synctest.Test(t, func(t *testing.T) {
				got := g.ask(t, client.path, client.body, nil)
				require.Equal(t, 200, got.status, reason)
				require.Equal(t, took, got.took, reason)
				require.Contains(t, got.heard.String(), "Hello", reason)
				require.Equal(t, "p2", got.header.Get("X-Plexus-Provider"), reason)
				require.Equal(t, 1, second.asked, reason)
				require.True(t, g.blamed(), reason)
			})
			synctest.Test(t, func(t *testing.T) {
				got := alone.ask(t, client.path, client.body, nil)
				require.Equal(t, 504, got.status)
				require.Contains(t, got.heard.String(), "p1/m1: "+reason)
			})
		}
		g := func(extra string, took time.Duration, reason string, steps ...any) {
			t.Helper()
			f(extra, took, reason, target.plays(steps...))
		}
		g("provider p9 none {\n base_url http://p9.example/v1\n failover {\n idle 5s\n }\n}", 60*time.Second, "no content after 1m", target.opening, forever)
		g("failover {\n first_content 20s\n}", 20*time.Second, "no content after 20s", forever)
		pings := []any{target.opening}
		for range 100 {
			pings = append(pings, time.Second, target.ping, target.empty)
		}
		g("", 60*time.Second, "no content after 1m", pings...)
		g("failover {\n first_content 3h\n}", time.Hour, "no end after 1h", target.opening, forever)

		slow := target.plays(target.opening, target.content, target.end)
		slow.dial = 11 * time.Second
		f("", 10*time.Second, "no connection after 10s", slow)
		slow.dial = time.Minute
		f("failover {\n connect 15s\n first_content 90s\n}", 15*time.Second, "no connection after 15s", slow)
		slow.dial = forever
		f("failover {\n connect off\n first_content 30s\n}", 30*time.Second, "no content after 30s", slow)
	})
}

// blamed tells whether the first target has been held to be at fault.
func (p *played) blamed() bool { return p.reason() != "" }

// reason is what is held against the first target.
func (p *played) reason() string {
	return p.router.names["fast"].targets[0].state.breaker.reasonOf()
}

func (b *breaker) reasonOf() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.reason
}

// After the first content a stream whose time runs out ends with the error of the
// client's API, and the provider's work with it.
func TestClocksAfterTheFirstContent(t *testing.T) {
	each(t, func(t *testing.T, client, target *dialect) {
		f := func(failover string, took time.Duration, reason string, steps ...any) {
			t.Helper()
			first, second := target.plays(steps...), target.plays(target.opening, target.content, target.end)
			g := play(t, target.api, "failover {\n"+failover+"\n}", "", first, second)
			synctest.Test(t, func(t *testing.T) {
				got := g.ask(t, client.path, client.body, nil)
				require.Equal(t, 200, got.status)
				require.Equal(t, took, got.took, got.heard.String())
				require.Contains(t, got.heard.String(), "Hello")
				require.Zero(t, second.asked, "no failover after the first content")
				if reason == "" {
					require.NotContains(t, got.heard.String(), "given up")
					require.False(t, first.left)
					require.False(t, g.blamed())
					return
				}
				client.endsWith(t, got.heard.String(), "the answer of p1/m1 was given up: "+reason)
				require.True(t, first.left, "the provider goes on")
				require.Equal(t, reason, g.reason(), "the target's name stands beside it")
			})
		}
		open := func(more ...any) []any {
			return append([]any{target.opening, 10 * time.Second, target.content}, more...)
		}
		repeat := func(n int, steps ...any) (all []any) {
			for range n {
				all = append(all, steps...)
			}
			return all
		}

		f("", 130*time.Second, "no content for 2m", open(forever)...)
		f("idle 30s", 40*time.Second, "no content for 30s", open(forever)...)
		f("", 130*time.Second, "no content for 2m", open(repeat(50, 25*time.Second, target.ping, target.empty)...)...)
		f("", 1010*time.Second, "", open(append(repeat(10, 100*time.Second, target.content), target.end)...)...)
		f("idle off", 50*time.Minute+10*time.Second, "", open(50*time.Minute, target.content, target.end)...)

		f("", time.Hour, "no end after 1h", open(repeat(100, time.Minute, target.content)...)...)
		f("total 5m", 5*time.Minute, "no end after 5m", open(repeat(100, time.Minute, target.content)...)...)
		f("total off", 100*time.Minute+10*time.Second, "", open(append(repeat(100, time.Minute, target.content), target.end)...)...)

		// Five bytes a second are more than one token in a second, and less
		// than two. They don't come in the very moments in which the rate is
		// looked at.
		const whole, apart = 110*time.Second + 300*time.Millisecond, 300 * time.Millisecond
		drops := append(repeat(100, time.Second, target.content), target.end)
		trickle := open(append([]any{apart}, drops...)...)
		f("", whole, "", trickle...)
		f("min_output_rate 1", whole, "", trickle...)
		f("min_output_rate 2", 40*time.Second, "less than 2 tokens per second", trickle...)
		flood := append([]any{apart}, repeat(100, time.Second, target.content, target.content)...)
		f("min_output_rate 2", whole, "", open(append(flood, target.end)...)...)
		// Ten bytes a second, and then five: over half a minute too few after
		// 12 seconds, which are looked at every five.
		f("min_output_rate 2", 125*time.Second, "less than 2 tokens per second", open(append(flood, drops...)...)...)
	})
}

// endsWith checks that a stream ends with an error of the API, and is whole
// otherwise.
func (d *dialect) endsWith(t *testing.T, heard, message string) {
	t.Helper()
	require.Contains(t, heard, message)
	switch {
	case d.array:
		var all []struct{ Error *struct{ Message string } }
		require.NoError(t, json.Unmarshal([]byte(heard), &all), heard)
		require.Equal(t, message, all[len(all)-1].Error.Message)
		return
	case d.api == api.Gemini: // whose error is repeated for Google's SDK
		heard, _, _ = strings.Cut(heard, "\n\n{\"error\"")
		heard += "\n\n"
	}
	require.True(t, strings.HasSuffix(heard, "\n\n"), heard)
	heard = strings.ReplaceAll(heard, "\r\n", "\n")
	events := strings.Split(strings.TrimSpace(heard), "\n\n")
	last := events[len(events)-1]
	_, data, _ := strings.Cut(last, "data: ")
	require.True(t, json.Valid([]byte(data)), last)
	require.Contains(t, data, message)
	require.Contains(t, data, map[api.API]string{
		api.Chat: `{"error":{"message":`, api.Messages: `{"type":"error","error":{"type":"timeout_error"`,
		api.Responses: `"message":`, api.Gemini: `"status":"DEADLINE_EXCEEDED"`,
	}[d.api])
}

// A search says what it does, which is no content and takes its time.
func TestToolsOfTheProviderAreNoStall(t *testing.T) {
	target := &dialects[2]
	const searching = "event: response.web_search_call.searching\ndata: {\"type\":\"response.web_search_call.searching\",\"item_id\":\"ws1\",\"output_index\":1}\n\n"
	const waiting = "event: response.in_progress\ndata: {\"type\":\"response.in_progress\",\"response\":{\"id\":\"r1\"}}\n\n"
	for i := range dialects {
		client := &dialects[i]
		f := func(sign string, took time.Duration) {
			t.Helper()
			steps := []any{target.opening, target.content}
			for range 5 {
				steps = append(steps, 20*time.Second, sign)
			}
			first := target.plays(append(steps, target.content, target.end)...)
			g := play(t, target.api, "failover {\n idle 30s\n min_output_rate 5\n}", "", first)
			synctest.Test(t, func(t *testing.T) {
				got := g.ask(t, client.path, client.body, nil)
				require.Equal(t, took, got.took, "%s: %s", client, got.heard.String())
			})
		}
		f(searching, 100*time.Second)
		f(waiting, 30*time.Second)
	}
}

// What a client takes its time for is nobody else's fault.
func TestSlowClientsAreNoStall(t *testing.T) {
	each(t, func(t *testing.T, client, target *dialect) {
		steps := []any{target.opening, target.content}
		for range 10 {
			steps = append(steps, target.content, target.ping)
		}
		first := target.plays(append(steps, 20*time.Second, target.end)...)
		g := play(t, target.api, "failover {\n idle 30s\n min_output_rate 5\n}", "", first)
		synctest.Test(t, func(t *testing.T) {
			texts := 0
			got := g.ask(t, client.path, client.body, func(string) error {
				if texts++; texts < 5 {
					time.Sleep(45 * time.Second)
				}
				return nil
			})
			require.Equal(t, 200*time.Second, got.took)
			require.NotContains(t, got.heard.String(), "given up")
			require.False(t, g.blamed())
		})
	})
}

// The timer that wakes up while the client is being sent something does not know
// how long that takes. It must not sleep for all of idle again.
func TestATimerThatWakesDuringASendIsNotLate(t *testing.T) {
	each(t, func(t *testing.T, client, target *dialect) {
		// It wakes up at 60s, when the time for the first content is over. Not
		// every API has a word for a ping.
		first := target.plays(target.opening, 11*time.Second, target.content, 48*time.Second, target.ping, forever)
		g := play(t, target.api, "", "", first)
		synctest.Test(t, func(t *testing.T) {
			texts, want := 0, 131*time.Second
			got := g.ask(t, client.path, client.body, func(string) error {
				if texts++; texts == 2 {
					want += 2 * time.Second
					time.Sleep(2 * time.Second)
				}
				return nil
			})
			require.Contains(t, []time.Duration{131 * time.Second, want}, got.took, got.heard.String())
			client.endsWith(t, got.heard.String(), "the answer of p1/m1 was given up: no content for 2m")
		})
	})
}

// The timer may wake up in the very moment in which a slow client has taken what
// it was sent. It must not see that the sending is over without what that changed.
func TestASendThatEndsAsTheTimerWakesIsNoStall(t *testing.T) {
	f := func(limits Failover) {
		t.Helper()
		limits = limits.over()
		limits.Total = new(caddy.Duration)
		synctest.Test(t, func(t *testing.T) {
			const sends, each = 2000, 45 * time.Second
			ctx, cancel := context.WithCancelCause(t.Context())
			var c clocks
			c.start(&limits, limit{time.Minute, "no content"}, true, cancel)
			defer c.stop()
			require.Nil(t, c.commit(false))
			for range 8 { // as the timer does, and oftener
				go func() {
					for range sends {
						time.Sleep(each)
						c.wake()
					}
				}()
			}
			for range sends {
				c.heard(1000)
				c.holds()
				time.Sleep(each)
				c.released()
				require.NoError(t, context.Cause(ctx))
			}
		})
	}
	f(Failover{Idle: new(caddy.Duration(15 * time.Second))})
	f(Failover{Idle: new(caddy.Duration(0)), MinOutputRate: new(float64(2))})
}

// Content that the client is not sent by itself, such as a part of the arguments
// of a call that Gemini has in one piece, does not make a later event of another
// kind look as if the client had been slow to take it.
func TestUnsentContentDoesNotProlongIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &answer{attempt: new(attempt)}
		a.clocks.start(new((*Failover)(nil).over()), limit{time.Minute, "no content"}, true, func(error) {})
		defer a.clocks.stop()
		require.Nil(t, a.clocks.commit(false))
		a.mark(api.Signs{Content: true, Size: 5}, false)
		time.Sleep(25 * time.Second)
		a.mark(api.Signs{}, false)
		a.clocks.holds()
		a.clocks.released()
		require.Zero(t, a.clocks.content.Load())
	})
}

// A keep-alive that is on its way to the client as the timer wakes up stops idle
// for as long as it takes, not for another whole idle.
func TestIdleAfterAKeepAliveAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		limits := (&Failover{Idle: new(caddy.Duration(10 * time.Second))}).over()
		var c clocks
		c.start(&limits, limit{time.Minute, "no content"}, true, cancel)
		defer c.stop()
		require.Nil(t, c.commit(false))
		began := time.Now()
		time.Sleep(9 * time.Second)
		c.holds()
		time.Sleep(2 * time.Second)
		c.released()
		<-ctx.Done()
		require.Equal(t, 12*time.Second, time.Since(began))
		require.EqualError(t, context.Cause(ctx), "no content for 10s")
	})
}

// Some servers forget to end a stream that is over.
func TestFinishedStreamThatDoesNotEnd(t *testing.T) {
	chat := &dialects[0]
	for i := range dialects {
		client := &dialects[i]
		first := plays(chatRole, chatHello, chatStop, forever)
		g := play(t, api.Chat, "", "", first)
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, client.path, client.body, nil)
			require.Equal(t, 2*time.Minute, got.took, client)
			require.NotContains(t, got.heard.String(), "given up", client)
			require.True(t, first.left)
			require.False(t, g.blamed(), client)
			if client == chat {
				require.Equal(t, chatRole+chatHello+chatStop, got.heard.String())
			}
		})
	}
}

// An answer in one piece has its own clock and no other.
func TestClockOfWholeAnswers(t *testing.T) {
	f := func(failover string, status int, took time.Duration, steps ...any) {
		t.Helper()
		first := plays(steps...)
		first.kind = "application/json"
		g := play(t, api.Chat, "failover {\n"+failover+"\n}", "", first)
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, "/v1/chat/completions", askFast, nil)
			require.Equal(t, status, got.status, got.heard.String())
			require.Equal(t, took, got.took)
		})
	}
	f("total 1m\nidle 1m\nfirst_content 1s", 200, 9*time.Minute, 5*time.Minute, chatAnswer[:9], 4*time.Minute, chatAnswer[9:])
	f("", 504, 10*time.Minute, forever, chatAnswer)
	f("answer 1m", 504, time.Minute, forever, chatAnswer)
}

// Audio has no events: an answer that falls silent breaks.
func TestClockOfBytes(t *testing.T) {
	f := func(broken bool, took time.Duration, steps ...any) {
		t.Helper()
		first := plays(steps...)
		first.kind = "audio/mpeg"
		g := play(t, api.Audio, "failover {\n total 1m\n}", "", first)
		synctest.Test(t, func(t *testing.T) {
			got := g.ask(t, "/v1/audio/speech", `{"model":"fast","input":"hi"}`, nil)
			require.Equal(t, broken, got.broken)
			require.Equal(t, took, got.took)
			require.Equal(t, broken, g.blamed())
		})
	}
	f(false, 3*time.Minute, 90*time.Second, "a", 90*time.Second, "b")
	f(true, 210*time.Second, 90*time.Second, "a", forever, "b")
}

// The clocks are the model's, else the provider's, else the gateway's, each for
// itself.
func TestWhoseClocks(t *testing.T) {
	g := newGateway(t, `
		failover {
			connect 1s
			first_content 1s
			answer 1s
			idle 1s
			total 1s
			min_output_rate 1
			on_status 401
		}
		provider own none {
			base_url http://own.example/v1
			models listed
			failover {
				first_content 2s
				idle 2s
				min_output_rate off
				on_status 402
			}
		}
		provider plain none {
			base_url http://plain.example/v1
		}
		model both {
			target own listed
			target plain m
			failover {
				attempts 7
				idle 3s
				total off
			}
		}
		model neither {
			target own listed
			target plain m
		}
	`)
	f := func(name string, i int, want string) {
		t.Helper()
		route, err := g.router.Resolve(name)
		require.NoError(t, err)
		got, err := json.Marshal(route.Targets[i].failover)
		require.NoError(t, err)
		require.JSONEq(t, want, strings.ReplaceAll(string(got), "000000000", ""))
	}
	f("both", 0, `{"attempts":7,"connect":1,"first_content":2,"answer":1,"idle":3,"total":0,"min_output_rate":0,"on_status":[402]}`)
	f("both", 1, `{"attempts":7,"connect":1,"first_content":1,"answer":1,"idle":3,"total":0,"min_output_rate":1,"on_status":[401]}`)
	f("neither", 0, `{"attempts":3,"connect":1,"first_content":2,"answer":1,"idle":2,"total":1,"min_output_rate":0,"on_status":[402]}`)
	f("own/listed", 0, `{"attempts":3,"connect":1,"first_content":2,"answer":1,"idle":2,"total":1,"min_output_rate":0,"on_status":[402]}`)
	f("plain/any", 0, `{"attempts":3,"connect":1,"first_content":1,"answer":1,"idle":1,"total":1,"min_output_rate":1,"on_status":[401]}`)

	g = newGateway(t, "provider p none {\n base_url http://p.example/v1\n models m\n}")
	f("p/m", 0, `{"attempts":3,"connect":10,"first_content":60,"answer":600,"idle":120,"total":3600,"min_output_rate":0}`)
}

func TestClocksThatCannotBe(t *testing.T) {
	f := func(config, want string) {
		t.Helper()
		g := new(Gateway)
		require.NoError(t, json.Unmarshal([]byte(config), g))
		require.ErrorContains(t, provision(t, g), want)
	}
	f(`{"failover":{"idle":-1}}`, "failover: idle: expected a positive duration, or 0 to switch it off")
	f(`{"failover":{"connect":-1}}`, "failover: connect: ")
	f(`{"failover":{"total":-1}}`, "failover: total: ")
	f(`{"failover":{"answer":-1}}`, "failover: answer: expected a positive duration")
	f(`{"failover":{"min_output_rate":-1}}`, "failover: min_output_rate: expected tokens per second, at most 1000000, or 0 for no such limit, got -1")
	f(`{"keep_alive":-1}`, "keep_alive: expected a positive duration, or 0 to switch it off")
	f(`{"providers":[{"name":"openai","failover":{"attempts":2}}]}`, `provider "openai": failover: attempts: a provider cannot say how many targets are tried`)
	f(`{"providers":[{"name":"openai"}],"models":[{"alias":"m","keep_alive":-1,"targets":[{"provider":"openai","model":"x"}]}]}`, `model "m": keep_alive: `)
}

func TestSpokenDurations(t *testing.T) {
	f := func(d time.Duration, want string) {
		t.Helper()
		require.Equal(t, want, spoken(d))
	}
	f(10*time.Second, "10s")
	f(time.Minute, "1m")
	f(90*time.Second, "1m30s")
	f(time.Hour, "1h")
	f(time.Hour+time.Second, "1h0m1s")
	f(100*time.Minute, "1h40m")
	f(300*time.Millisecond, "300ms")
}

// A stored response that is queued has as long as an answer in one piece; once it
// flows, it may not fall silent.
func TestClocksOfStoredStreams(t *testing.T) {
	d := &dialects[2]
	f := func(took time.Duration, reason string, steps ...any) {
		t.Helper()
		first := d.plays(steps...)
		g := play(t, d.api, "", "", first)
		id := g.Providers[0].sealResponseID(g.Providers[0].credentials[0], nil, "r1")
		synctest.Test(t, func(t *testing.T) {
			got := g.send(t, "GET", "/v1/responses/"+id+"?stream=true", "", nil)
			require.Equal(t, 200, got.status, got.heard.String())
			require.Equal(t, took, got.took)
			d.endsWith(t, got.heard.String(), "the answer of p1 was given up: "+reason)
			require.True(t, first.left)
		})
	}
	f(10*time.Minute, "no answer after 10m", d.opening, forever)
	f(11*time.Minute, "no content for 2m", d.opening, 9*time.Minute, d.content, forever)
}

// Where no connection has to be made, nobody sets the clocks again before the first
// content.
func TestTotalOnAnIdleConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		limits := (&Failover{Connect: new(caddy.Duration), Total: new(caddy.Duration(30 * time.Second))}).over()
		ctx, cancel := context.WithCancelCause(t.Context())
		var c clocks
		c.start(&limits, limit{time.Minute, "no content"}, true, cancel)
		defer c.stop()
		c.connected()
		time.Sleep(30*time.Second + 1)
		synctest.Wait()
		require.EqualError(t, context.Cause(ctx), "no end after 30s")
	})
}

// A comment behind content that the client is not sent does not make that look as
// if the client had been slow to take it.
func TestACommentBehindUnsentContentDoesNotProlongIdle(t *testing.T) {
	const comment = ": still here\n\n"
	thought := map[api.API]string{
		api.Chat:      `data: {"choices":[{"index":0,"delta":{"reasoning_content":"hmm"}}]}` + "\n\n",
		api.Messages:  "event: content_block_delta\n" + `data: {"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"hmm"}}` + "\n\n",
		api.Responses: "event: response.reasoning_text.delta\n" + `data: {"type":"response.reasoning_text.delta","item_id":"i0","output_index":0,"content_index":0,"delta":"hmm"}` + "\n\n",
		api.Gemini:    `data: {"candidates":[{"content":{"parts":[{"text":"hmm","thought":true}]}}]}` + "\r\n\r\n",
	}
	completions := dialect{path: "/v1/completions", body: `{"model":"fast","stream":true,"prompt":"hi"}`}
	for _, client := range append([]dialect{completions}, dialects[:3]...) {
		for i := range dialects[:4] {
			target := &dialects[i]
			takes := func(steps ...any) (took time.Duration) {
				g := play(t, target.api, "failover {\n idle 30s\n}", "", target.plays(append([]any{target.opening, target.content, 10 * time.Second, thought[target.api]}, steps...)...))
				synctest.Test(t, func(t *testing.T) { took = g.ask(t, client.path, client.body, nil).took })
				return took
			}
			require.Equal(t, takes(forever), takes(25*time.Second, comment, forever), "%s from %s", client.path, target)
		}
	}
}
