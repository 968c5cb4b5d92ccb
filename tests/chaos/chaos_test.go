// Package chaos holds a gateway against providers that misbehave by a schedule,
// and checks what it promises: docs/resilience.md. The tests of seconds that
// `go test` runs become hours with
//
//	go test ./tests/chaos -run TestChaos -timeout 0 -args -chaos.for 2h -chaos.seed 7
package chaos

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var (
	length  = flag.Duration("chaos.for", 4*time.Second, "how long the chaos lasts")
	seed    = flag.Uint64("chaos.seed", 0, "the seed of its schedule; 0 for one of the moment")
	clients = flag.Int("chaos.clients", 16, "how many clients ask at once")
)

// chaos is a run.
type chaos struct {
	t        *testing.T
	schedule schedule
	setups   []*setup
	targets  []*target
	gateway  *gateway
	asker    *asker
	ledger   *ledger
	watches  [][]watch // of each target with each credential
	draws    []*setup  // as often as their shares
	moment   atomic.Pointer[moment]
	counts   []atomic.Int64 // requests at each target
	reloads  int
	counted  func() // told of each answer, if anybody wants to know

	mu       sync.Mutex
	verdicts map[string]map[verdict]int
	wrong    []string
	slow     []time.Time // a good attempt was given up
	wasted   int         // attempts that failed by a fault
}

// moment is the present step.
type moment struct {
	phase
	began  time.Time
	spells []spell
}

func newChaos(t *testing.T, seed uint64) *chaos {
	c := &chaos{t: t, schedule: schedule{seed: seed}, ledger: &ledger{pages: map[string][]*attempt{}}, verdicts: map[string]map[verdict]int{}}
	c.setups, c.targets = newSetups()
	for _, s := range c.setups {
		c.draws = append(c.draws, slices.Repeat([]*setup{s}, max(1, s.share))...)
	}
	c.watches = make([][]watch, len(c.targets))
	c.counts = make([]atomic.Int64, len(c.targets))
	for _, target := range c.targets {
		c.watches[target.number] = make([]watch, 1+max(1, target.credentials))
		target.at = newProvider(t, target.name, c.ledger, func(r *http.Request) *fault {
			return c.faultOf(target, credentialOf(r.Header, target.name))
		})
	}
	c.enter(0, true)
	c.gateway = startGateway(t, c.config("r"))
	c.asker = newAsker(c.gateway.url, seed)
	return c
}

// config is the body of the option plexus. The alias is what reloads change.
func (c *chaos) config(alias string) string {
	var text strings.Builder
	for _, t := range c.targets {
		text.WriteString(t.block())
	}
	for _, s := range c.setups {
		text.WriteString(s.block(alias))
	}
	return text.String()
}

// enter begins a step.
func (c *chaos) enter(step int, calm bool) phase {
	s := c.schedule
	s.calm = calm
	m := &moment{phase: s.phase(step), began: time.Now(), spells: make([]spell, len(c.targets))}
	for i, t := range c.targets {
		m.spells[i] = s.spell(t, step)
	}
	c.moment.Store(m)
	return m.phase
}

// faultOf is what a request meets that comes to a target now.
func (c *chaos) faultOf(t *target, credential int) *fault {
	m, n := c.moment.Load(), c.counts[t.number].Add(1)
	sp := m.spells[t.number]
	spared := sp.fault.lane && t.credentials > 0 && credential == steadyCredential
	if spared || !c.schedule.strikes(sp, t, m.step, time.Since(m.began), n) {
		sp.fault = good()
	}
	if sp.fault.whole != fails || sp.fault.stream != fails {
		c.watches[t.number][credential].arrived(time.Now())
	}
	return sp.fault
}

// ask asks until the gateway has the question, and judges the answer.
func (c *chaos) ask(q *question, s *setup) verdict {
	for {
		a := c.asker.ask(q)
		attempts := c.ledger.take(q.trace)
		v, err := judge(a, attempts, s)
		c.note(a, attempts, s, v, err)
		if v != unheard {
			if c.counted != nil {
				c.counted()
			}
			return v
		}
		c.asker.reconnects.Add(1)
	}
}

// note keeps the account of the run.
func (c *chaos) note(a *answer, attempts []*attempt, s *setup, v verdict, err error) {
	// Nobody waits for what has been outrun, so its failure is not known.
	watched := s.guarded && s.targets[0].turns == 0 && !s.hedged
	for _, t := range attempts {
		target := c.named(t.target)
		w := &c.watches[target.number][t.credential]
		if watched {
			w.asked(a, t)
		}
		if v != gone && t.fault.effectOn(a.q.stream) == fails && !t.fault.blameless && target.turns == 0 {
			w.failed(a)
		}
	}
	if last := len(attempts) - 1; v == served && (!s.hedged || last == 0) && attempts[last].over() {
		if target := c.named(attempts[last].target); target.most > 0 {
			target.served.add(attempts[last].at, attempts[last].spoke)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.verdicts[s.name] == nil {
		c.verdicts[s.name] = map[verdict]int{}
	}
	c.verdicts[s.name][v]++
	for _, t := range attempts {
		switch e := t.fault.effectOn(a.q.stream); {
		case e == fails:
			c.wasted++
		case s.hedged && v != excused: // cancelled, as it should be
		case v != gone && v != served && e == serves, t != attempts[len(attempts)-1] && e == serves:
			c.slow = append(c.slow, t.at)
		}
	}
	if err != nil && len(c.wrong) < 20 {
		c.wrong = append(c.wrong, c.explain(a, attempts, err))
	}
}

func (c *chaos) named(name string) *target {
	return c.targets[slices.IndexFunc(c.targets, func(t *target) bool { return t.name == name })]
}

// explain tells of a request that went wrong all that it takes to see why.
func (c *chaos) explain(a *answer, attempts []*attempt, err error) string {
	var text strings.Builder
	fmt.Fprintf(&text, "seed %d: %s: %v\n  status %d after %s, connection: %v, %v, body: %.600q\n", c.schedule.seed, a.q, err, a.status, a.took, a.err, a.header, a.body)
	for _, t := range attempts {
		fmt.Fprintf(&text, "  after %s: %s in %s: %s, given up: %t\n", t.at.Sub(a.started), t.target, t.api, t.fault.name, t.gaveUp.Load())
	}
	return text.String() + c.schedule.describe(c.targets, c.moment.Load().step)
}

// load lets clients ask until stop is closed.
func (c *chaos) load(number int, stop <-chan struct{}) *sync.WaitGroup {
	working := new(sync.WaitGroup)
	for i := range number {
		chance := rand.New(rand.NewPCG(c.schedule.seed, uint64(1<<60+i)))
		working.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				s := c.draws[chance.IntN(len(c.draws))]
				c.ask(draw(chance, s.name), s)
			}
		})
	}
	return working
}

// storm plays the schedule from a step on until it is enough, and returns the next
// step.
func (c *chaos) storm(step int, enough func() bool) int {
	for ; !enough() && !c.hopeless(); step++ {
		p := c.enter(step, false)
		if p.reload {
			c.reload(fmt.Sprintf("r%d", step))
		}
		for end := time.Now().Add(p.length); !enough() && time.Now().Before(end); {
			time.Sleep(min(100*time.Millisecond, time.Until(end)))
		}
	}
	return step
}

func (c *chaos) hopeless() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.wrong) >= 20
}

// reload loads a configuration with another alias, which is there at once.
func (c *chaos) reload(alias string) {
	c.reloads++
	if err := c.gateway.load(c.config(alias)); err != nil {
		c.mu.Lock()
		c.wrong = append(c.wrong, fmt.Sprintf("reloading: %v", err))
		c.mu.Unlock()
		return
	}
	s := c.setups[0]
	c.ask(&question{api: "chat", model: s.name + "-" + alias, keyed: true, anew: true}, s)
}

// TestChaos is a storm, with calm before and after it.
func TestChaos(t *testing.T) {
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d", *seed)
	c := newChaos(t, *seed)
	c.calm(200 * time.Millisecond)
	require.NoError(t, c.gateway.load(c.config("calm")))
	c.calm(200 * time.Millisecond)
	base := atRest(c.asker, c.targets, nil)

	stop := make(chan struct{})
	working := c.load(*clients, stop)
	end := time.Now().Add(*length)
	c.storm(1, func() bool { return time.Now().After(end) })
	c.enter(0, true)
	close(stop)
	working.Wait() // for what hangs fails only now
	c.requireIdle()
	c.recover(time.Now())

	requireNoLeak(t, base, atRest(c.asker, c.targets, &base))
	c.report()
}

func (c *chaos) calm(length time.Duration) {
	stop := make(chan struct{})
	working := c.load(*clients, stop)
	time.Sleep(length)
	close(stop)
	working.Wait()
}

// requireIdle sees to it that what is over is over: no provider works for a client
// that has left, and no request holds the place of a probe, which the next one
// would never get.
func (c *chaos) requireIdle() {
	for _, a := range c.ledger.close() {
		c.t.Errorf("seed %d: %s is still busy with a request that nobody waits for: %s", c.schedule.seed, a.target, a.fault.name)
	}
	for name, state := range c.gateway.states(c.t) {
		if state == "probing" {
			c.t.Errorf("seed %d: %s is being probed by nobody", c.schedule.seed, name)
		}
	}
}

// requireFree sees to it that no slot is kept and nobody waits for one, and that
// there never were too many.
func (c *chaos) requireFree() {
	underWay, waiting, err := c.gateway.limits()
	require.NoError(c.t, err)
	require.Zero(c.t, underWay, "slots are kept")
	require.Zero(c.t, waiting, "requests wait for slots")
	for _, t := range c.targets {
		if t.most > 0 {
			require.LessOrEqual(c.t, t.served.most(), t.most, "requests at a time at %s", t.name)
		}
	}
}

// recover sees to it that every target is back when its pause is over: that it
// serves, and that nothing is held against it. Each is asked by its own name, for
// some selectors would leave it alone for as long as another is faster.
func (c *chaos) recover(since time.Time) {
	const patience = longestPause + 10*time.Second
	for _, t := range c.targets {
		s := &setup{name: "recovery", targets: []*target{t}}
		for c.ask(&question{api: apis[t.number%len(apis)], model: t.name + "/" + t.model(), keyed: true}, s) != served {
			if time.Since(since) > patience {
				c.t.Errorf("seed %d: %s is not back after %s", c.schedule.seed, t.name, time.Since(since))
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		for t.credentials > 0 && c.gateway.states(c.t)[t.name] != "up" && time.Since(since) <= patience {
			c.ask(&question{api: "chat", model: t.name + "/" + t.model(), keyed: true}, s)
		}
	}
	back := time.Since(since)
	c.t.Logf("all targets were back within %s; the longest pause is %s", back.Round(time.Millisecond), longestPause)
}

// report tells what happened, and fails the test for what should not have.
func (c *chaos) report() {
	for _, name := range slices.Sorted(maps.Keys(c.verdicts)) {
		c.t.Logf("%-13s %v", name, c.verdicts[name])
	}
	c.t.Logf("%d attempts failed, %d connections broke before the gateway had the request, %d good attempts were given up",
		c.wasted, c.asker.reconnects.Load(), len(c.slow))
	for i := range c.watches {
		for j := range c.watches[i] {
			for _, text := range c.watches[i][j].settled(c.slow) {
				c.wrong = append(c.wrong, fmt.Sprintf("seed %d: %s", c.schedule.seed, text))
			}
		}
	}
	for _, text := range c.wrong[:min(len(c.wrong), 20)] {
		c.t.Error(text)
	}
	inFlight, err := c.gateway.inFlight()
	require.NoError(c.t, err)
	require.Zero(c.t, inFlight, "requests in flight")
	c.requireFree()
	for name, state := range c.gateway.states(c.t) {
		if state != "up" {
			c.t.Errorf("seed %d: %s is %s at the end", c.schedule.seed, name, state)
		}
	}
	// Each client has a connection to lose by a reload, and one in the making.
	require.LessOrEqual(c.t, int(c.asker.reconnects.Load()), 2**clients*(c.reloads+1), "connections broke before the gateway had the request")
	total, slow := 0, len(c.slow)
	for _, verdicts := range c.verdicts {
		for _, n := range verdicts {
			total += n
		}
	}
	require.LessOrEqual(c.t, slow, 3+total/1000, "the machine is too slow for this to tell anything")
	require.Positive(c.t, c.verdicts["relayed"][served], errors.New("nothing was served"))
}
