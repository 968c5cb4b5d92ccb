package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The subjects, by the names they have in tables.
const (
	plexus       = "Plexus"
	plexusLogged = "Plexus, log"
	baseline     = "reverse_proxy"
	logged       = "reverse_proxy, log"
	standard     = "httputil"
	direct       = "provider alone"

	plexusHTTP1 = "Plexus, HTTP/1.1"
	plexusHTTP2 = "Plexus, HTTP/2"
	baseHTTP1   = "reverse_proxy, HTTP/1.1"
	baseHTTP2   = "reverse_proxy, HTTP/2"
)

// The programs that the benchmark runs from its own file, by its first argument.
const (
	roleProvider = "serve-provider"
	roleProxy    = "serve-proxy"
)

// subject is something that answers, and the process that does it.
type subject struct {
	name string
	addr string
	// admin is where Caddy's profiles are had, if they are.
	admin string
	cmd   *exec.Cmd
	said  *os.File // what it has to say
}

// pid is 0 for the provider alone, whose CPU is nobody's concern.
func (s *subject) pid() int {
	if s.name == direct {
		return 0
	}
	return s.cmd.Process.Pid
}

// key is what a request has to show. The provider alone gets what the subjects
// show it.
func (s *subject) key() string {
	if s.name == direct {
		return credential
	}
	return clientKey
}

// lab is where the subjects live: the programs, and a folder that goes away.
type lab struct {
	dir      string
	caddy    string
	provider *subject
	secured  *secured
	// profiles is the folder for them, if they are wanted.
	profiles string
}

// newLab builds Caddy from the checkout and starts the provider.
func newLab(ctx context.Context, profiles string) (*lab, error) {
	root, err := checkout()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "plexus-bench")
	if err != nil {
		return nil, err
	}
	l := &lab{dir: dir, caddy: filepath.Join(dir, "caddy"), profiles: profiles}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-tags", "nobadger,nomysql,nopgx", "-ldflags", "-w -s", "-o", l.caddy, "./cmd/caddy") //nolint:gosec // nothing of it comes from outside
	build.Dir, build.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		l.close()
		return nil, fmt.Errorf("building ./cmd/caddy: %w\n%s", err, out)
	}
	if err := l.startProvider(ctx); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

// startProvider waits for the address without TLS, at which it listens last.
func (l *lab) startProvider(ctx context.Context) error {
	addr, err := freeAddress()
	if err != nil {
		return err
	}
	if l.secured, err = newSecured(filepath.Join(l.dir, "certificate.pem")); err != nil {
		return err
	}
	self, err := os.Executable()
	if err == nil {
		l.provider, err = l.start(ctx, direct, addr, self, roleProvider, addr, l.secured.addrs[http1], l.secured.addrs[http2], l.secured.certificate)
	}
	return err
}

func (l *lab) close() {
	if l.provider != nil {
		l.provider.stop()
	}
	_ = os.RemoveAll(l.dir) // it is among the temporary files
}

// checkout finds the folder of the gateway's module above this one.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "cmd", "caddy", "main.go")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("there is no checkout of Plexus here: run it as `go -C bench run .` in one")
		}
	}
}

// launch starts a subject for works that ask for these models.
func (l *lab) launch(ctx context.Context, name string, models []string) (*subject, error) {
	addr, err := freeAddress()
	if err != nil {
		return nil, err
	}
	_, text, _ := strings.Cut(addr, ":")
	port, _ := strconv.Atoi(text) // it is one
	switch name {
	case direct:
		return l.provider, nil
	case standard:
		self, err := os.Executable()
		if err != nil {
			return nil, err
		}
		return l.start(ctx, name, addr, self, roleProxy, addr, l.provider.addr)
	}
	admin, err := l.adminAddress()
	if err != nil {
		return nil, err
	}
	s, err := l.startCaddy(ctx, name, addr, l.site(name, port, admin, models).caddyfile())
	if err == nil && admin != noAdmin {
		s.admin = admin
	}
	return s, err
}

func (l *lab) site(name string, port int, admin string, models []string) *site {
	s := &site{caddy: caddies[name], port: port, admin: admin, upstream: "http://" + l.provider.addr, models: models}
	if s.version != "" {
		s.upstream, s.certificate = "https://"+l.secured.addrs[s.version], l.secured.certificate
	}
	return s
}

// adminAddress is where a subject tells its profiles: only if they are wanted,
// so that what is measured without them has nothing on that it needs not.
func (l *lab) adminAddress() (string, error) {
	if l.profiles == "" {
		return noAdmin, nil
	}
	return freeAddress()
}

func (l *lab) startCaddy(ctx context.Context, name, addr, caddyfile string) (*subject, error) {
	path := filepath.Join(l.dir, "Caddyfile")
	if err := os.WriteFile(path, []byte(caddyfile), 0o600); err != nil {
		return nil, err
	}
	return l.start(ctx, name, addr, l.caddy, "run", "--adapter", "caddyfile", "--config", path)
}

// start runs a program until it listens.
func (l *lab) start(ctx context.Context, name, addr, program string, args ...string) (*subject, error) {
	said, err := os.CreateTemp(l.dir, "said")
	if err != nil {
		return nil, err
	}
	s := &subject{name: name, addr: addr, said: said, cmd: exec.CommandContext(ctx, program, args...)} //nolint:gosec // the programs are those built here
	s.cmd.Stderr = said
	// Caddy keeps files of its own among the user's.
	s.cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+l.dir, "XDG_CONFIG_HOME="+l.dir)
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", name, err)
	}
	if err := s.wait(ctx); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// wait is over when the subject listens.
func (s *subject) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(5 * time.Millisecond):
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen: %w\n%s", s.name, err, s.lastWords())
		}
	}
}

func (s *subject) stop() {
	_ = s.cmd.Process.Kill() // it may be gone
	_ = s.cmd.Wait()
	_ = s.said.Close()
	_ = os.Remove(s.said.Name()) // an access log makes it large
}

// lastWords are the end of what the process said.
func (s *subject) lastWords() string {
	text, _ := os.ReadFile(s.said.Name()) // it goes into an error already
	return string(text[max(len(text)-2000, 0):])
}

func freeAddress() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it does not wait
	if err != nil {
		return "", err
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String(), nil
}
