# What people and CI type. Everything needs Go alone, and the tests what integration/tools.sh lists.

FUZZTIME ?= 30s
CHAOS_TIME ?= 10m
CHAOS_SEED ?=

.PHONY: all build test tools lint bench bench-recovery chaos fuzz clean
all: build

build:
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w' -o bin/tunneld ./cmd/tunneld

# Installs what is missing where it may, then vet, gofmt and every test under the race detector. What was skipped is
# listed with its reason at the end; with CI=true a skipped test is a failure. The integration tests are never taken from
# the cache: it does not know that they depend on the program.
test: tools lint
	go build -o bin/testreport ./integration/testreport
	{ go test -race -json -timeout 5m $$(go list ./... | grep -v /integration$$); \
	  go test -race -json -timeout 10m -parallel 6 -count 1 ./integration; } 2>&1 | bin/testreport

tools:
	@sh integration/tools.sh

lint:
	go vet ./...
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted"; exit 1; }

bench:
	go test -run '^$$' -bench . -benchmem ./...

# tunneld beside autossh + ssh through the same cuts: how fast each is back, and what its clients notice. Wants a quiet machine.
bench-recovery: tools
	TUNNELD_BENCH_RECOVERY=1 go test -count=1 -v -run '^TestComesBackFasterThanAutossh$$' ./integration

# Everything that happens to servers and networks, in random order, for CHAOS_TIME. CHAOS_SEED repeats a run.
chaos: tools
	CHAOS_TIME=$(CHAOS_TIME) CHAOS_SEED=$(CHAOS_SEED) go test -race -count=1 -timeout 0 -v -run '^TestChaos' ./integration

# Every fuzz target for FUZZTIME.
fuzz:
	@for package in $$(go list ./...); do \
	  for target in $$(go test -list '^Fuzz' $$package | grep '^Fuzz'); do \
	    echo "$$package $$target"; \
	    go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$package || exit 1; \
	  done; \
	done

clean:
	rm -rf bin dist
	go clean -testcache
