# What a developer does here, in the words of the other Makefiles of Caddy's
# plugins. .ci/run does all of it.
export GOFLAGS := -tags=nobadger,nomysql,nopgx

.PHONY: build run test race lint fuzz sdk chaos bench micro xcaddy

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-w -s' -o caddy ./cmd/caddy

run:
	go run ./cmd/caddy run --config examples/quickstart.Caddyfile

test:
	go test ./...

race:
	go test -race ./...

lint:
	go tool -modfile=tools/lint/go.mod golangci-lint run ./...

# Thirty seconds for each fuzz target.
fuzz:
	go list ./... | while read -r package; do \
		go test -list '^Fuzz' "$$package" | grep '^Fuzz' | while read -r target; do \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime 30s "$$package" || exit 1; \
		done || exit 1; \
	done

# The official SDKs for Go and Node as clients.
sdk:
	tests/sdk/run

# Providers that misbehave by a schedule, for ten minutes.
chaos:
	go test -v -run TestChaos -timeout 0 ./tests/chaos -args -chaos.for 10m

# Plexus beside reverse_proxy and httputil. It takes some minutes and a machine
# that does nothing else.
bench:
	go -C bench run .

# The micro-benchmarks. Two such files are compared by
# go tool -modfile=tools/go.mod benchstat before.txt after.txt
micro:
	go test -run '^$$' -bench . -benchmem -count 6 ./... >micro.txt

# As users build it. The explicit version in --with is what lets a checkout
# stand for a module that is not published.
xcaddy:
	go tool -modfile=tools/go.mod xcaddy build v2.11.9 --with github.com/caddy-plexus/plexus@v0.0.0=. --output ./caddy
