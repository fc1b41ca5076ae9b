# make help lists the targets. Everything that a target needs and the machine lacks is installed by tools/setup.

.DEFAULT_GOAL := help
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.PHONY: help setup build demo test lint sanitize fuzz soak bench latency failover bounds reload callgrind format clean

# With --static-swift-stdlib added, the programs can be copied to a host that has no toolchain.
SWIFT_RELEASE_FLAGS ?= -c release
# Warnings in our own targets are errors (Package.swift reads this); dependencies may warn.
STRICT := APUS_WARNINGS_AS_ERRORS=1
# Tests to run: make test FILTER='ControlTests|TidyTests'
FILTER ?= .
# Tests that run under the sanitizers: those with real sockets.
SANITIZE_FILTER ?= ProxyTests|HandOverTests|DaemonTests|EventLoopTests|SyscallsTests|NodeTests
FUZZ_SECONDS ?= 60
SECONDS ?= 600
ROUNDS ?= 5

help: ## list the targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

setup: ## install what the machine lacks (Debian 12, needs a Swift toolchain)
	@tools/setup

build: setup ## build apusd, apusctl, apus-guard and apus-lab for release, into .build/release
	swift build $(SWIFT_RELEASE_FLAGS)

demo: build ## as root: hosts with pods on this machine, real traffic, what each hop saw; failover live, with times
	@[[ $$(id -u) == 0 ]] || { echo "make demo: not root: it needs network namespaces. Run: sudo make demo" >&2; exit 1; }
	.build/release/apus-lab demo

lint: ## check the format of all Swift files
	swift format lint --recursive --strict Sources Tests tools Package.swift

test: setup lint ## as root: all tests, warnings as errors; without root the node tests fail and say why
	$(STRICT) swift build --build-tests
	@$(STRICT) tools/test '$(FILTER)'

sanitize: setup ## as root: the tests with real sockets under ThreadSanitizer, then AddressSanitizer
	swift build --build-tests --sanitize thread --scratch-path .build-thread
	TSAN_OPTIONS="suppressions=$(CURDIR)/tools/sanitize/thread.supp" swift test --skip-build --disable-xctest --sanitize thread --scratch-path .build-thread --filter '$(SANITIZE_FILTER)'
	swift build --build-tests --sanitize address --scratch-path .build-address
	ASAN_OPTIONS=detect_leaks=0 swift test --skip-build --disable-xctest --sanitize address --scratch-path .build-address --filter '$(SANITIZE_FILTER)'

fuzz: setup ## fuzz every target for FUZZ_SECONDS (60) each
	@for target in tools/fuzz/*/*.swift; do tools/fuzz/run "$$(basename "$$(dirname "$$target")")" $(FUZZ_SECONDS); done

soak: build ## mixed HTTP load for SECONDS (600): no leak, no wrong byte, no 5xx without a reason
	@tools/soak --seconds $(SECONDS)

bench: build ## CPU cost beside nginx, HAProxy and Envoy, as ratios (ROUNDS=5)
	@tools/setup --bench
	@tools/bench/run tcp --rounds $(ROUNDS)
	@tools/bench/run tcp-bulk --rounds $(ROUNDS)

latency: build ## what apusd and HAProxy add to the median and p99 of a request, in one run (ROUNDS=5)
	@tools/setup --bench
	@tools/bench/latency --rounds $(ROUNDS)

failover: build ## what pods see when a proxy dies, ten times, against the times that are promised (on a quiet machine)
	@APUS_STRICT_TIMES=1 APUS_BIN_DIR=$(CURDIR)/.build/release swift test --filter NodeTests.FailoverTests

reload: build ## 100,000 endpoints replaced every second under traffic: how long workers are held up
	@tools/bench/reload
	@tools/bench/reload --clusters 1 --check-seconds 60 --balancer leastRequest
	@tools/bench/reload --file

callgrind: ## instructions, allocations and reference counting per message, connection and request
	@tools/setup --bench
	@tools/bench/callgrind

bounds: build ## as root, on a quiet machine: one pod floods, what another one feels; memory per idle connection
	@tools/bench/node fairness --rounds $(ROUNDS)
	@tools/bench/node idle

format: ## format all Swift files in place
	swift format --in-place --recursive Sources Tests tools Package.swift

clean: ## remove everything that was built
	rm -rf .build .build-thread .build-address .build-fuzz .build-bench .build-callgrind .build-manifests .build-python
