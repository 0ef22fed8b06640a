# make check is the one command: what it passes, CI passes.
GO      ?= go
TOOL    := $(GO) tool -modfile=tools/go.mod
VULNDB  ?= https://vuln.go.dev
FUZZ    ?= 60s
SEEDS   ?= 1000
FROM    ?= 1
CHAOS_TIME ?= 10m
# go test begins with what it is told first: the longest packages, so that they
# do not run alone at the end.
LONGEST := ./internal/gateway ./cmd/cloudpay ./internal/store ./internal/sim ./internal/report ./internal/sandbox
# SQLite's engine and its C library, as modernc.org translates them, are not
# watched by the race detector, which takes three times as long with them and
# sees no line of ours more (docs/decisions/0062).
ENGINE_UNRACED := $(foreach p,sqlite/lib libc memory,-gcflags=modernc.org/$(p)=-race=false)
export GOFLAGS := -buildvcs=false

.PHONY: help pages build demo test optional check lint verify race vuln fmt generate fuzz bench e2e chaos sim cover ui
.DEFAULT_GOAL := help

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9]+:.*## / {printf "%-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build bin/cloudpay
	CGO_ENABLED=0 $(GO) build -trimpath -o bin/cloudpay ./cmd/cloudpay

demo: build ## gateway, sandbox and sample merchants in one process; prints the URLs
	./bin/cloudpay demo

test: optional ## all tests; what a machine lacks the programs for is left out, and named first
	$(GO) test -count=1 -timeout 20m $(LONGEST) ./...
	$(GO) test -count=1 -tags kms ./internal/secret

# go test is silent about tests that skip themselves.
optional: ## name the tests that this machine cannot run
	@[ -n "$$CLOUDPAY_TEST_PG" ] || command -v initdb >/dev/null || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || \
		echo "SKIPPED on this machine: everything on PostgreSQL (install postgresql, or set CLOUDPAY_TEST_PG)"
	@command -v openssl >/dev/null && command -v curl >/dev/null || echo "SKIPPED on this machine: docs/curl.md (install openssl and curl)"
	@for p in python3 javac php; do command -v $$p >/dev/null || echo "SKIPPED on this machine: the $$p program of docs/callbacks.md (install $$p)"; done
	@if ! command -v node >/dev/null || ! command -v npm >/dev/null; then \
		echo "SKIPPED on this machine: the npm package alipay-sdk against the sandbox (install node and npm)"; \
	elif [ "$$CLOUDPAY_REQUIRE_NPM" != 1 ] && ! ls -d "$${XDG_CACHE_HOME:-$$HOME/.cache}"/cloudpay/npm-*/node_modules/alipay-sdk >/dev/null 2>&1; then \
		echo "SKIPPED on this machine: the npm package alipay-sdk against the sandbox (CLOUDPAY_REQUIRE_NPM=1 installs it)"; fi

check: lint verify race vuln ## everything a change must pass

lint: ## static analysis, the import picture, formatting
	$(GO) vet ./...
	$(TOOL) golangci-lint run ./...

verify: ## go.mod, generated code and built pages match their sources
	$(GO) mod tidy -diff
	$(GO) mod verify
	cd internal/store && $(GO) tool -modfile=../../tools/go.mod sqlc compile -f sqlc.lint.yaml && $(GO) tool -modfile=../../tools/go.mod sqlc diff
	ui/scripts/verify

race: ## all tests under the race detector, shuffled
	$(GO) test -race $(ENGINE_UNRACED) -shuffle=on -count=1 -timeout 40m $(LONGEST) ./...

vuln: ## known vulnerabilities in what we call; VULNDB names a database
	@if curl -fsS -m 10 -o /dev/null $(VULNDB)/index/modules.json 2>/dev/null || [ -d "$(VULNDB:file://%=%)" ]; then \
		$(TOOL) govulncheck -db $(VULNDB) ./...; \
	else echo "SKIPPED vuln: the vulnerability database $(VULNDB) cannot be reached from here; set VULNDB=file:///path/to/osv"; fi

fmt: ## rewrite files into the one format
	$(TOOL) golangci-lint fmt
	$(GO) fix ./...

generate: ## generate the store's code from its SQL
	$(GO) generate ./internal/store

ui: ## build the browser pages into ui/dist; needs Node 20.19 or newer
	cd ui && npm ci --ignore-scripts && npm run check && npm test && npm run build

fuzz: ## every fuzz target for FUZZ each
	@for p in $$($(GO) list ./...); do for f in $$($(GO) test -list '^Fuzz' $$p | grep '^Fuzz'); do \
		echo "$$p $$f"; $(GO) test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ) $$p || exit 1; done; done

bench: ## the tables of speeds: disk, store and whole gateway on both engines; calls of the wallets; long days of reconciliation
	$(GO) test -run '^$$' -bench '^BenchmarkTable$$' -benchtime 1x -timeout 20m ./cmd/cloudpay
	$(GO) test -run '^$$' -bench '^BenchmarkUpstream$$' -benchtime 1x -timeout 10m ./cmd/cloudpay
	$(GO) test -run '^$$' -bench '^BenchmarkDeadEndpoint$$' -benchtime 1x -timeout 10m ./cmd/cloudpay
	$(GO) test -run '^$$' -bench '^BenchmarkReports$$' -benchtime 1x -timeout 60m ./internal/report
	$(GO) test -run '^$$' -bench '^BenchmarkRecon$$' -benchtime 1x -timeout 20m ./internal/recon

e2e: pages ## the real binary, driven as a user drives it; its pages too, if Node and Chromium are installed
	$(GO) test -count=1 -v -run '^TestScript' ./cmd/cloudpay

pages: build
	e2e/run

chaos: ## CHAOS_TIME of trouble on both engines: kills, pauses, full disk, database restarts, a fifth of the wallets' calls wrong
	CLOUDPAY_CHAOS=long CLOUDPAY_CHAOS_TIME=$(CHAOS_TIME) $(GO) test -count=1 -v -timeout 0 -run '^TestChaos$(if $(ENGINE),/^$(ENGINE)$$)' ./cmd/cloudpay

sim: ## SEEDS simulations on fake time from seed FROM (go run ./cmd/cloudpay sim), then the planted bugs, then the model with two faults
	GOGC=400 $(GO) run ./cmd/cloudpay sim --seeds $(SEEDS) --from $(FROM) --parallel 2
	CLOUDPAY_SIM_MUTANTS=1 $(GO) test -count=1 -v -timeout 30m -run '^TestPlantedBugs' ./internal/sim
	CLOUDPAY_MODEL=2 $(GO) test -count=1 -v -timeout 30m -run '^TestModel$$' ./internal/pay

cover: ## statement coverage per room
	$(GO) test -count=1 -cover ./...
