# racoon: build, test, demo. `make help` lists what there is.

GO       ?= go
BUILD    := build
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  := -s -w -X github.com/racoon-ike/racoon/core.Version=$(VERSION)
PLUGINS  := auth-psk auth-x509 kernel-xfrm kernel-pfkey log-syslog
PLUGDIR  := $(BUILD)/libexec/racoon/plugins
# A count: with a time, go test now and then reports its own deadline as a failure.
FUZZTIME ?= 3000x

# The host's kernel or CPUs must not decide which tests run: a skip is reported by
# testrun and is a failure in CI.
TESTRUN  := ./lab/testrun

.PHONY: help build test full soak demo vet unit race schedules schedules-full fuzz live live-rest live-all cross bench proto clean setup

help:
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' Makefile | expand -t 20

build: ## daemon, racoonctl, setkey and plugins into build/
	$(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BUILD)/sbin/ ./cmd/racoon ./cmd/racoonctl ./cmd/setkey
	@mkdir -p $(PLUGDIR)
	@for p in $(PLUGINS); do $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(PLUGDIR)/racoon-$$p ./plugins/$$p || exit 1; done
	$(GO) build -trimpath -o $(BUILD)/lab ./lab/cmd/lab
	CGO_ENABLED=0 $(GO) test -c -o $(BUILD)/xfrm.test ./plugins/kernel-xfrm/xfrm
	CGO_ENABLED=0 $(GO) test -c -o $(BUILD)/pfkey.test ./plugins/kernel-pfkey/pfkey
	CGO_ENABLED=0 $(GO) test -c -o $(BUILD)/engine.test ./core/internal/engine
	CGO_ENABLED=0 $(GO) test -c -o $(BUILD)/setkey.test ./core/internal/setkey

setup: ## install what the lab needs (apt; no service is started)
	./lab/setup

test: setup build vet race schedules fuzz live ## what a change must pass (20 minutes at most)

full: build cross schedules-full live-rest bench ## what test leaves out: the other scenarios, long schedules, every platform

soak: build ## hours: long schedules, long fuzzing, the scenarios again and again
	$(GO) test ./core/internal/ike/ -run Schedules -schedules 10000000 -timeout 0
	$(MAKE) fuzz FUZZTIME=10m
	$(BUILD)/lab run -tags soak
	$(BUILD)/lab run -kernel pfkey -j 2
	for i in $$(seq 20); do $(BUILD)/lab run -j 2 || exit 1; done

demo: setup build ## a tunnel from policy to ping, shown for a person
	$(BUILD)/lab demo

vet: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l . | grep -v '\.pb\.go$$')" || { gofmt -l .; echo 'run gofmt'; exit 1; }
	$(GO) vet ./...
	$(GO) run honnef.co/go/tools/cmd/staticcheck@v0.8.2 ./...

unit: ## the unit tests
	$(TESTRUN) ./...

race: ## the unit tests with the race detector
	$(TESTRUN) -race ./...

# The same seeds every time, so that a red run speaks of the change; soak takes new ones.
schedules: ## hostile schedules for the protocol machine
	$(GO) test -race ./core/internal/ike/ -run Schedules -schedules 2500 -from 7490710951076440313 -timeout 60m -count=1

schedules-full: ## forty times as many of them
	$(GO) test ./core/internal/ike/ -run Schedules -schedules 100000 -from 7490710951076440313 -timeout 120m -count=1

fuzz: ## every fuzz target for FUZZTIME each
	@for p in $$($(GO) list ./...); do \
	  for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
	    echo "fuzz $$p $$f"; $(GO) test $$p -run '^$$' -fuzz "^$$f\$$" -fuzztime $(FUZZTIME) -parallel 2 >$(BUILD)/fuzz.log 2>&1 || { cat $(BUILD)/fuzz.log; exit 1; }; \
	  done; done

live: ## the core of the live scenarios, in User-Mode Linux
	$(BUILD)/lab run -tags core -j 2

live-rest: ## the other live scenarios
	$(BUILD)/lab run -tags '!core' -j 2

live-all: live live-rest ## all live scenarios

# What runs only on Linux is not among it: kernel-xfrm and the lab.
CROSS := ./cmd/... ./core/sdk/... $(patsubst %,./plugins/%,$(filter-out kernel-xfrm,$(PLUGINS)))

cross: ## compile for every platform
	GOOS=linux GOARCH=arm64 $(GO) build -o /dev/null ./...
	@for os in freebsd netbsd openbsd darwin; do for arch in amd64 arm64; do \
	  echo "build $$os/$$arch"; GOOS=$$os GOARCH=$$arch $(GO) build -o /dev/null $(CROSS) || exit 1; done; done

bench: ## CPU time per tunnel, a table; loading and reloading 10,000 peers; 50,000 SAs
	$(GO) test ./core/internal/engine/ -run '^$$' -bench Tunnel -benchtime 1000x
	$(GO) test ./core/internal/config/ ./core/internal/policy/ ./core/internal/engine/ -run '^$$' -bench OfTenThousand -benchtime 5x
	$(GO) test ./core/internal/engine/ -run AKilledPluginIsCompared -v -bench KernelOf50000 -benchtime 3x

proto: ## generated code from the .proto files
	./core/sdk/proto/generate.sh

clean: ## remove build/
	rm -rf $(BUILD)
