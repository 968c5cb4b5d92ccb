package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// loadWork is the name of the work that loads a large configuration.
const loadWork = "load"

// loads starts a gateway of many models and keys, and gives it another
// configuration of as many other keys, so often.
func (l *lab) loads(ctx context.Context, z *sizes, progress io.Writer) ([]*sample, error) {
	var out []*sample
	for round := range z.rounds {
		_, _ = fmt.Fprintf(progress, "%s: round %d of %d\n", loadWork, round+1, z.rounds)
		s, err := l.loadOnce(ctx, z, false)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", loadWork, err)
		}
		out = append(out, s)
	}
	if l.profiles == "" {
		return out, nil
	}
	_, _ = fmt.Fprintf(progress, "%s: profile of %s\n", loadWork, plexus)
	if _, err := l.loadOnce(ctx, z, true); err != nil {
		return nil, fmt.Errorf("%s, profiled: %w", loadWork, err)
	}
	return out, nil
}

func (l *lab) loadOnce(ctx context.Context, z *sizes, profiled bool) (*sample, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	admin, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, text, _ := strings.Cut(addr, ":")
	port, _ := strconv.Atoi(text) // it is one
	path := filepath.Join(l.dir, "large.json")
	var configs [2][]byte
	for mark := range configs {
		if configs[mark], err = largeConfig(port, admin, l.provider.addr, z.models, z.keys, mark); err != nil {
			return nil, err
		}
	}
	if err := os.WriteFile(path, configs[0], 0o600); err != nil {
		return nil, err
	}
	start := time.Now()
	s, err := l.start(ctx, plexus, addr, l.caddy, "run", "--config", path)
	if err != nil {
		return nil, err
	}
	defer s.stop()
	started := time.Since(start)
	out := &sample{units: 1}
	if err := askLarge(ctx, s, z.keys, 0); err != nil {
		return nil, err
	}
	if out.cpu, err = cpuOf(s.pid()); err != nil {
		return nil, err
	}
	s.admin = admin
	fetched := l.profileReload(ctx, s, z.length, profiled)
	start = time.Now()
	if err := post(ctx, "http://"+admin+"/load", "", configs[1]); err != nil {
		return nil, err
	}
	out.add("started in", float64(started), asTime)
	out.add("reloaded in", float64(time.Since(start)), asTime)
	if err := askLarge(ctx, s, z.keys, 1); err != nil {
		return nil, err
	}
	if err := fetched(); err != nil {
		return nil, err
	}
	out.memory, err = memoryOf(s.pid())
	return out, err
}

// askLarge shows that the last of the keys is known.
func askLarge(ctx context.Context, s *subject, keys, mark int) error {
	key := fmt.Sprintf("%s-%d-%d", clientKey, mark, keys-1)
	return post(ctx, "http://"+s.addr+"/v1"+chatPath, key, body("alias-0", false))
}

func post(ctx context.Context, url, key string, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	// A reload closes the connections that nobody uses, and a POST is not sent
	// again.
	req.Close = true
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answers %d: %.500s", url, res.StatusCode, answer)
	}
	return err
}

// loadRow is the line of the table.
func loadRow(z *sizes, samples []*sample) string {
	w := &work{lanes: []*lane{{subject: plexus}}}
	title := fmt.Sprintf("configuration of %d models and %d keys", z.models, z.keys)
	return row([]string{
		title, plexus, asTime(median(each(samples, cpuPerUnit))) + " to start", "", "", "", "", "",
		asBytes(median(each(samples, resident))), more(w, [][]*sample{samples}, 0),
	})
}
