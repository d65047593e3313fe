# What people and CI type. Everything needs Go alone, and the tests what integration/tools.sh lists.

FUZZ ?= .
FUZZTIME ?= 30s
FUZZJOBS ?= 2
BENCH ?= .
BENCH_TURNS ?= 7
MASTER_RUNS ?= 100
MASTER_BYTES ?= 1073741824
CHAOS_TIME ?= 10m
CHAOS_SEED ?=
SOAK_TIME ?= 10m
SOAK_DIR ?= $(CURDIR)/bin/soak
SCREENSHOTS ?= $(CURDIR)/bin/screenshots

# For example v1.2.3; without it the version is what Go knows of the checkout.
VERSION ?=
PREFIX ?= /usr/local
DESTDIR ?=
ZSH_COMPLETIONS ?= $(PREFIX)/share/zsh/site-functions

# What Go may ask git about the checkout is decided here, and not by the GOFLAGS of whoever calls: where git answers, it is asked.
buildvcs = $(shell git rev-parse --verify -q HEAD >/dev/null 2>&1 && echo true || echo false)

.PHONY: all build install install-tunneld install-autossh uninstall package-files deb release release-snapshot release-check release-test test testbinaries ci cross tools \
  lint vet verify vuln kubernetes manual licences bench bench-recovery bench-master chaos screenshots soak fuzz fuzz-ci clean
all: build

build:
	CGO_ENABLED=0 go build -trimpath -buildvcs=$(buildvcs) -ldflags '-s -w $(if $(VERSION),-X main.version=$(VERSION))' -o bin/tunneld ./cmd/tunneld

# All there is. An autossh that is not ours stays where it is; where one in another directory is to be found first, install-tunneld alone.
install: install-tunneld
	@sh deploy/autossh/install.sh install "$(DESTDIR)$(PREFIX)" || :

# The program, its manual page, completion for three shells, systemd units and examples.
install-tunneld: build
	install -D -m 755 bin/tunneld $(DESTDIR)$(PREFIX)/bin/tunneld
	install -d $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/bash-completion/completions \
	  $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d $(DESTDIR)$(ZSH_COMPLETIONS) \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system $(DESTDIR)$(PREFIX)/lib/systemd/user $(DESTDIR)$(PREFIX)/share/doc/tunneld
	bin/tunneld man >$(DESTDIR)$(PREFIX)/share/man/man1/tunneld.1
	gzip -9nf $(DESTDIR)$(PREFIX)/share/man/man1/tunneld.1
	bin/tunneld completion bash >$(DESTDIR)$(PREFIX)/share/bash-completion/completions/tunneld
	bin/tunneld completion fish >$(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tunneld.fish
	bin/tunneld completion zsh >$(DESTDIR)$(ZSH_COMPLETIONS)/_tunneld
	for unit in system/tunneld@.service system/tunneld@.socket user/tunneld@.service; do \
	  sed 's|/usr/bin/tunneld|$(PREFIX)/bin/tunneld|' "deploy/systemd/$${unit#system/}" >"$(DESTDIR)$(PREFIX)/lib/systemd/$$unit" || exit 1; \
	done
	install -m 644 README.md CHANGELOG.md SECURITY.md $(DESTDIR)$(PREFIX)/share/doc/tunneld/
	install -m 644 LICENSE $(DESTDIR)$(PREFIX)/share/doc/tunneld/copyright
	printf '\n%s\n' 'docs/licences.md, beside this file, has the licences of the modules that the program is built from.' >>$(DESTDIR)$(PREFIX)/share/doc/tunneld/copyright
	install -d $(DESTDIR)$(PREFIX)/share/doc/tunneld/docs
	install -m 644 docs/*.md $(DESTDIR)$(PREFIX)/share/doc/tunneld/docs/
	cp -R deploy/grafana deploy/kubernetes deploy/kustomize deploy/prometheus $(DESTDIR)$(PREFIX)/share/doc/tunneld/

# autossh's name, the commands that Debian ships around it, and their manual pages; never in the place of another autossh.
install-autossh:
	sh deploy/autossh/install.sh install "$(DESTDIR)$(PREFIX)"

# What install has put there, and nothing else: no file that somebody has added, no autossh that is not ours, no configuration.
# Units that are enabled stay so: systemctl disable.
uninstall:
	sh deploy/autossh/install.sh uninstall "$(DESTDIR)$(PREFIX)"
	rm -f $(DESTDIR)$(PREFIX)/bin/tunneld $(DESTDIR)$(PREFIX)/share/man/man1/tunneld.1.gz \
	  $(DESTDIR)$(PREFIX)/share/bash-completion/completions/tunneld $(DESTDIR)$(PREFIX)/share/fish/vendor_completions.d/tunneld.fish \
	  $(DESTDIR)$(ZSH_COMPLETIONS)/_tunneld $(DESTDIR)$(PREFIX)/lib/systemd/system/tunneld@.service \
	  $(DESTDIR)$(PREFIX)/lib/systemd/system/tunneld@.socket $(DESTDIR)$(PREFIX)/lib/systemd/user/tunneld@.service
	@doc="$(DESTDIR)$(PREFIX)/share/doc/tunneld"; [ ! -d "$$doc" ] || { \
	  rm -f "$$doc/README.md" "$$doc/CHANGELOG.md" "$$doc/SECURITY.md" "$$doc/copyright"; \
	  (find docs -type f && cd deploy && find grafana kubernetes kustomize prometheus -type f) | while read -r file; do rm -f "$$doc/$$file"; done; \
	  find "$$doc" -depth -type d -exec rmdir {} + 2>/dev/null || :; }

# debchanges PACKAGE,ROOT: what a Debian package says of its version, and what lintian is told to let pass, with the reasons.
define debchanges
	install -d $(2)/usr/share/doc/$(1)
	sed -e 's/@PACKAGE@/$(1)/' -e 's/@VERSION@/$(debversion)/' -e "s/@DATE@/$$(date -u -R -d '$(packdate)')/" deploy/debian/changelog | gzip -9nc >$(2)/usr/share/doc/$(1)/changelog.gz
	[ ! -e deploy/debian/$(1).lintian-overrides ] || install -D -m 644 deploy/debian/$(1).lintian-overrides $(2)/usr/share/lintian/overrides/$(1)
endef

# dist/tunneld_VERSION_ARCH.deb, and dist/tunneld-autossh_VERSION_all.deb, which takes autossh's place, with dpkg-deb alone, of the same
# files as those of a release. Its version is VERSION, or the last commit's.
deb: debarch = $(shell dpkg --print-architecture)
deb: package-files
	rm -rf dist/deb dist/deb-autossh
	mkdir -p dist/deb/DEBIAN dist/deb-autossh/DEBIAN
	cp -a bin/package/usr dist/deb/
	cp -a bin/package-deb/usr dist/deb/
	install -D -m 755 bin/tunneld dist/deb/usr/bin/tunneld
	sed -e 's/@VERSION@/$(debversion)/' -e 's/@ARCH@/$(debarch)/' -e "s/@SIZE@/$$(du -sk --exclude=DEBIAN dist/deb | cut -f1)/" \
	  deploy/debian/control >dist/deb/DEBIAN/control
	install -m 755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm dist/deb/DEBIAN/
	chmod -R u=rwX,go=rX dist/deb
	dpkg-deb --root-owner-group --build dist/deb dist/tunneld_$(debversion)_$(debarch).deb
	cp -a bin/package-autossh/usr dist/deb-autossh/
	cp -a bin/package-autossh-deb/usr dist/deb-autossh/
	sed 's/@VERSION@/$(debversion)/' deploy/debian/control-autossh >dist/deb-autossh/DEBIAN/control
	chmod -R u=rwX,go=rX dist/deb-autossh
	dpkg-deb --root-owner-group --build dist/deb-autossh dist/tunneld-autossh_$(debversion)_all.deb

# What packages have beside the program, in bin/package, for .goreleaser.yaml and for deb; bin/package-deb is what only a .deb has. None
# of it depends on the platform, and all of it, down to the scripts of an .apk, has the date of the commit: a package can be made again.
deb package-files: debversion = $(subst -,~,$(or $(patsubst v%,%,$(VERSION)),0~$(or $(shell git log -1 --format=%cd.%h --date=format:%Y%m%d 2>/dev/null),0)))
deb package-files: packdate = $(or $(COMMIT_DATE),$(shell git log -1 --format=%cI 2>/dev/null),$(shell date -u +%FT%TZ))
package-files:
	rm -rf bin/package bin/package-*
	umask 022; $(MAKE) install-tunneld DESTDIR=bin/package PREFIX=/usr ZSH_COMPLETIONS=/usr/share/zsh/vendor-completions
	rm -r bin/package/usr/bin
	gzip -9nc deploy/man/tunneld.1 >bin/package/usr/share/man/man1/tunneld.1.gz
	umask 022; $(MAKE) install-autossh DESTDIR=bin/package-autossh PREFIX=/usr
	install -D -m 644 LICENSE bin/package-autossh/usr/share/doc/tunneld-autossh/copyright
	$(call debchanges,tunneld,bin/package-deb)
	$(call debchanges,tunneld-autossh,bin/package-autossh-deb)
	cp -R deploy/apk bin/package-apk
	chmod -R u=rwX,go=rX bin/package bin/package-*
	find bin/package bin/package-* -exec touch -h -d '$(packdate)' {} +

# All that a release has, for the tag that is checked out, into dist/; .github/workflows/release.yml runs it. The first run fetches and builds
# goreleaser, which is a tool of a module of its own. release-snapshot is the same for any commit, and publishes nothing.
goreleaser = go tool -modfile=integration/release.mod goreleaser
release:
	$(goreleaser) release --clean

release-snapshot:
	$(goreleaser) release --snapshot --clean

release-check:
	$(goreleaser) check

# The snapshot a second time, from a clone in another place: every file is the same, byte for byte. Then what is in the packages.
release-test: release-snapshot
	dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && git clone -q . "$$dir/elsewhere/tunneld" && \
	  $(MAKE) -C "$$dir/elsewhere/tunneld" release-snapshot && cmp "$$dir/elsewhere/tunneld/dist/checksums.txt" dist/checksums.txt
	$(MAKE) deb
	go test -count 1 -tags snapshot -run '^TestSnapshot' ./integration/release

# Installs what is missing where it may, then go vet and every test. What was skipped is listed with its reason at the end; with
# CI=true a skipped test is a failure. The unit tests, and the program that the integration tests start, are built with the race
# detector; those share binaries that are built once, and are never taken from the cache: it does not know that they depend on
# the program. The unit tests run in the gaps that the others leave, and are heard of after them.
test: tools vet testbinaries
	go build -o bin/testreport ./integration/testreport
	{ go test -race -json -timeout 15m -p 1 $$(go list ./... | grep -v /integration/) >bin/units.json 2>&1 & \
	  TUNNELD_BINARIES=$(CURDIR)/bin/test go test -json -timeout 20m -p 2 -parallel 4 -count 1 ./integration/... 2>&1; \
	  wait; cat bin/units.json; } | bin/testreport

testbinaries:
	go build -o bin/test/tunneld ./cmd/tunneld
	go build -race -o bin/test/tunneld-race ./cmd/tunneld

# What CI runs.
ci: verify build cross kubernetes test fuzz-ci lint

# Other platforms: go vet compiles all packages and their tests for each, without linking them; .github/workflows/ci.yml links the program
# for every platform that a release has. The integration tests drive sshd, signals and namespaces: they are not for Windows.
cross:
	@for platform in darwin/arm64 freebsd/amd64 windows/amd64; do \
	  echo "$$platform"; export GOOS=$${platform%/*} GOARCH=$${platform#*/} CGO_ENABLED=0; \
	  packages=./...; [ "$$GOOS" != windows ] || packages=$$(go list ./... | grep -v /integration/) || exit 1; \
	  go vet $$packages || exit 1; \
	done
	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go build -o /dev/null ./cmd/tunneld

tools:
	@sh integration/tools.sh

# The linters are tools of a module of their own. The first run builds them, which takes a few minutes.
lint: vet
	go tool -modfile=integration/tools.mod golangci-lint run ./...
	go tool -modfile=integration/check.mod actionlint

# The modules in the cache are those that go.sum names.
verify:
	go mod verify

# What Go's database of vulnerabilities knows of the functions that are called. It is asked over the network.
vuln:
	go tool -modfile=integration/check.mod govulncheck ./...

# The manual page and the list of licences, which stand in the source as they are made. Tests say when they are to be made anew.
manual:
	@mkdir -p bin
	go run ./cmd/tunneld man --source >bin/tunneld.1 && mv bin/tunneld.1 deploy/man/tunneld.1

licences:
	@mkdir -p bin
	go run ./integration/materials licences >bin/licences.md && mv bin/licences.md docs/licences.md

# The manifests against the types of Kubernetes' own API, which are in a module of their own.
kubernetes:
	cd integration/kubernetes && go test ./...

vet:
	go vet ./...
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "not gofmt'ed: $$unformatted"; exit 1; }

# tunneld beside ssh and autossh: each row of integration/BENCHMARKS.md is measured BENCH_TURNS times, and then the hot paths by
# themselves. BENCH, a regular expression, picks some; then the file is left alone. Wants a quiet machine, and takes half an hour.
bench: tools
	$(if $(filter .,$(BENCH)),TUNNELD_BENCH=$(CURDIR)/integration/BENCHMARKS.md) \
	  go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCH_TURNS)x -timeout 0 -count 1 ./integration/bench
	go test -run '^$$' -bench '$(BENCH)' -benchmem ./tunnel/... ./monitor/... ./config/...

# tunneld beside autossh + ssh through the same cuts: how fast each is back, and what its clients notice. Wants a quiet machine.
bench-recovery: tools
	TUNNELD_BENCH_RECOVERY=1 go test -count=1 -v -run '^TestComesBackFasterThanAutossh$$' ./integration/recovery

# tunneld beside ssh's own ControlMaster, with a file of MASTER_BYTES: ratios of runs that follow one another, and their spread.
# The same amount goes both ways through one session, with checksums.
bench-master: tools
	TUNNELD_BENCH_MASTER=$(MASTER_RUNS) TUNNELD_MASTER_BYTES=$(MASTER_BYTES) go test -count=1 -timeout 0 -v \
	  -run '^(TestFastAsSSHsMaster|TestMuchBothWays)$$' ./integration/master

# Everything that happens to servers and networks, in random order, for CHAOS_TIME. CHAOS_SEED repeats a run.
chaos: tools
	CHAOS_TIME=$(CHAOS_TIME) CHAOS_SEED=$(CHAOS_SEED) go test -race -count=1 -timeout 0 -parallel 4 -v -run '^TestChaos' ./integration/chaos

# The status page over made-up tunnels at three widths, in the light and in the dark: pictures in SCREENSHOTS, for people to look at.
screenshots: tools
	mkdir -p $(SCREENSHOTS)
	TUNNELD_SCREENSHOTS=$(abspath $(SCREENSHOTS)) go test -count=1 -v -run '^TestPageFits$$' ./monitor

# Several tunnels under steady load with a cut a minute, for SOAK_TIME: memory, goroutines and descriptors as a table and an
# SVG in SOAK_DIR, and whether any of them grows.
soak: tools
	SOAK_TIME=$(SOAK_TIME) SOAK_DIR=$(SOAK_DIR) go test -count=1 -timeout 0 -v -run '^TestSoak$$' ./integration/service

# Every fuzz target whose name matches FUZZ, each for FUZZTIME, FUZZJOBS at a time on a core each.
fuzz:
	@integration/fuzz.sh $(FUZZTIME) $(FUZZJOBS) '$(FUZZ)'

# The short form for CI.
fuzz-ci:
	@$(MAKE) --no-print-directory fuzz FUZZTIME=10s FUZZJOBS=8

clean:
	rm -rf bin dist
	go clean -testcache
