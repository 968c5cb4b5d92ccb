package plexus

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"slices"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// memory keeps in Caddy's storage which targets are cooling down, so that a
// process that starts again does not send everything at those that fail. It is
// read when a configuration starts, and written every now and then and at the
// end; no request ever waits for it.
type memory struct {
	storage certmagic.Storage
	logger  *zap.Logger
	last    []byte // as it was read or written
	written bool   // by this configuration; else the one before it may have written since
}

const (
	memoryKey    = "plexus/cooldowns.json"
	saveInterval = 10 * time.Second
	// storageTimeout bounds how long a slow storage can hold up a reload.
	storageTimeout = 5 * time.Second
	maxMemory      = 8 << 20
)

// savedBreakers is the file.
type savedBreakers struct {
	Version  int            `json:"version"`
	Breakers []savedBreaker `json:"cooldowns"`
}

// savedBreaker is a breaker that is not up. Its key is a digest of the one in the
// pool, which holds a base URL and a part of a credential's digest.
type savedBreaker struct {
	Key      string    `json:"key"`
	Until    time.Time `json:"until"`
	Failures int64     `json:"failures"`
	FailedAt time.Time `json:"failed_at"`
	Fails    uint64    `json:"recent"`
	Told     bool      `json:"told,omitempty"`
	Late     bool      `json:"late,omitempty"`
	Reason   string    `json:"reason,omitempty"`
}

// load gives every breaker what was saved of it, once in its life: what has
// happened since it is there counts more.
func (m *memory) load(gateways []*Gateway, now time.Time) {
	saved := m.read()
	for _, g := range gateways {
		g.eachBreaker(func(p *Provider, b *breaker) {
			var of *savedBreaker
			if len(saved) > 0 { // there may be thousands to make digests of
				of = saved[digest(b.key)]
			}
			b.restore(of, time.Duration(p.cooldown.Max), now)
		})
	}
}

func (m *memory) read() map[string]*savedBreaker {
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	raw, err := m.storage.Load(ctx, memoryKey)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var file savedBreakers
	if err == nil && len(raw) > maxMemory {
		err = errors.New("it is too large")
	}
	if err == nil {
		err = json.Unmarshal(raw, &file)
	}
	if err == nil && file.Version != 1 {
		err = errors.New("it is of another version")
	}
	if err != nil {
		m.logger.Warn("what was remembered of failing targets cannot be read, and is ignored", zap.String("storage_key", memoryKey), zap.Error(err))
		m.last = []byte("broken") // and shall be written anew
		return nil
	}
	m.last = raw
	saved := make(map[string]*savedBreaker, len(file.Breakers))
	for i := range file.Breakers {
		saved[file.Breakers[i].Key] = &file.Breakers[i]
	}
	return saved
}

// save writes what has changed, if anything.
func (m *memory) save(gateways []*Gateway, now time.Time) {
	file := savedBreakers{Version: 1}
	for _, g := range gateways {
		g.eachBreaker(func(_ *Provider, b *breaker) {
			if s, held := b.saved(now); held {
				file.Breakers = append(file.Breakers, s)
			}
		})
	}
	ctx, cancel := context.WithTimeout(context.Background(), storageTimeout)
	defer cancel()
	var raw []byte
	var err error
	if len(file.Breakers) > 0 {
		// Two gateways may share a target.
		slices.SortFunc(file.Breakers, func(a, b savedBreaker) int { return cmp.Compare(a.Key, b.Key) })
		file.Breakers = slices.CompactFunc(file.Breakers, func(a, b savedBreaker) bool { return a.Key == b.Key })
		raw, err = json.Marshal(file)
	}
	switch {
	case err != nil || m.written && bytes.Equal(raw, m.last):
	case raw == nil:
		if err = m.storage.Delete(ctx, memoryKey); errors.Is(err, fs.ErrNotExist) {
			err = nil
		}
	default:
		err = m.storage.Store(ctx, memoryKey, raw)
	}
	if err != nil {
		m.logger.Warn("which targets fail cannot be remembered", zap.String("storage_key", memoryKey), zap.Error(err))
		return
	}
	m.last, m.written = raw, true
}

// digest is a key that tells nothing of what it stands for.
func digest(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:16])
}

// saved is what is to be remembered of a breaker, unless it is up. Its times are
// in whole seconds, lest the drift of a clock change the file every time.
func (b *breaker) saved(now time.Time) (savedBreaker, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	until := b.until.Load()
	if until == 0 {
		return savedBreaker{}, false
	}
	at := func(s int64) time.Time { return timeOf(s, now).UTC().Round(time.Second) }
	return savedBreaker{
		Key: digest(b.key), Until: at(until), Failures: b.failures, FailedAt: at(b.failedAt),
		Fails: b.fails.Load(), Told: b.told > stamp(now), Late: b.late, Reason: b.reason,
	}, true
}

// restore takes over what was saved, if it can be true: a clock may have been
// set, and a file written by hand.
func (b *breaker) restore(s *savedBreaker, longest time.Duration, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.restored {
		return
	}
	b.restored = true
	if s == nil || b.until.Load() != 0 || s.Failures < 1 || s.FailedAt.After(now.Add(time.Second)) || now.Sub(s.Until) > staleAfter {
		return
	}
	b.failures, b.late, b.reason = s.Failures, s.Late, s.Reason
	b.failedAt = min(savedStamp(s.FailedAt, now), stamp(now))
	b.fails.Store(s.Fails)
	b.until.Store(min(savedStamp(s.Until, now), stamp(now.Add(longest))))
	if s.Told {
		b.told = b.until.Load()
	}
	b.noteBlemish()
}

// savedStamp is the stamp of a time that was saved. It is taken from now by the
// clock on the wall, which may have been set since the process began.
func savedStamp(t, now time.Time) int64 { return later(stamp(now), t.Sub(now.Round(0))) }
