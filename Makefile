# Everything a developer or CI runs. `make` alone says what there is.

.DEFAULT_GOAL := help
.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The Lambda runtime's old RPC mode is left out by its tag: 9 MB less. No cgo: a static binary runs
# in any container.
GO_BUILD := CGO_ENABLED=0 go build -trimpath -tags lambda.norpc -ldflags '-s -w'
FUNCTIONS := sqs-reporter redis-reporter recorder aggregator

.PHONY: build
build: $(FUNCTIONS:%=build/%/bootstrap) build/pulse-host build/pulse-local build/adapters.wasm ## Build every program for this machine, into build/

# FORCE: go knows better than make what is out of date.
.PHONY: FORCE
build/%/bootstrap: FORCE
	$(GO_BUILD) -o $@ ./functions/$*
build/pulse-host: FORCE
	$(GO_BUILD) -o $@ ./probes/host
build/pulse-local: FORCE
	$(GO_BUILD) -o $@ ./scripts/local
build/adapters.wasm: FORCE
	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -trimpath -ldflags '-s -w' -o $@ ./probes/wasm

.PHONY: test
test: ## Run every test
	go test ./...

.PHONY: check fmt vet lint race tidy template node
check: fmt vet lint template tidy node race ## All that CI asks: format, lint, Node's and race tests, tidy modules, template

fmt:
	@files=$$(find . -name node_modules -prune -o -name '*.go' -print | xargs gofmt -l); \
	test -z "$$files" || { printf 'not gofmt-ed (gofmt -w):\n%s\n' "$$files"; exit 1; }

vet:
	go vet ./...

# A module of its own, so that programs that import ours do not inherit a linter's two hundred modules.
lint:
	go tool -modfile=internal/tools/go.mod golangci-lint run

# These look at programs and the page from outside, where the race detector finds little and costs most. So go keeps their
# results for `go test ./...`.
OUTSIDE_TESTS := ./internal/e2e ./internal/pagetest ./internal/samtest
race:
	go test -race $$(go list ./... | grep -v $(foreach test,$(OUTSIDE_TESTS),-e '$(test:.%=%)$$'))
	go test $(OUTSIDE_TESTS)

tidy:
	go mod tidy -diff
	go -C internal/tools mod tidy -diff

template:
	@if command -v cfn-lint >/dev/null; then cfn-lint --regions us-east-1 -- template.yaml; \
	elif [ "$$CI" = true ]; then echo 'template.yaml: cfn-lint is not installed (internal/servertest/requirements.txt)'; exit 1; \
	else echo 'template.yaml not checked: cfn-lint is not installed (internal/servertest/requirements.txt)'; fi

# The dashboard's script and stylesheet. esbuild is a Go program: only what it bundles comes from npm.
PAGE := internal/dashboard/page
ESBUILD := go tool -modfile=internal/tools/go.mod esbuild $(PAGE)/src/page.tsx $(PAGE)/src/page.css --bundle --minify --format=esm \
	--target=es2022 --charset=utf8 --jsx=automatic --jsx-import-source=preact --entry-names='[name]-[hash]' --log-level=warning \
	--banner:js='/* With preact, @preact/signals and uPlot: their licences are in internal/dashboard/page/LICENSES.txt */'
.PHONY: page
page: ## Build the dashboard's script and stylesheet
	rm -rf internal/dashboard/built
	$(ESBUILD) --outdir=internal/dashboard/built

.PHONY: page-fresh
page-fresh:
	@built=$$(mktemp -d); trap 'rm -rf "$$built"' EXIT; $(ESBUILD) --outdir="$$built" && diff -r "$$built" internal/dashboard/built >/dev/null || \
		{ echo 'internal/dashboard/built is not what internal/dashboard/page makes now: run make page, and commit it'; exit 1; }

.PHONY: screenshots
screenshots: build/pulse-local ## Take the README's pictures of the page anew, with Chromium
	go run ./scripts/screenshots

# The npm workspace. Files, not folders: later versions of node --test take no folder. Several at once: mostly they wait.
node: build/adapters.wasm build/aggregator/bootstrap build/redis-reporter/bootstrap ## Compile, look at and test the packages for Node
	@if [ -d node_modules ]; then node_modules/.bin/tsc -b && $(MAKE) --no-print-directory page-fresh && node scripts/packages.mjs && node --test --test-concurrency=4 protocol/typescript/test/*.test.mjs probes/node/*/test/*.test.mjs internal/dashboard/page/test/*.test.mjs; \
	elif [ "$$CI" = true ]; then echo 'Node: the npm packages are not installed (npm install --ignore-scripts)'; exit 1; \
	else echo 'Node not tested: the npm packages are not installed (npm install --ignore-scripts)'; fi

# One after another, as they are found: a new one needs no line here. Without a bound go spends most of
# the time on making interesting inputs smaller.
FUZZTIME ?= 1m
.PHONY: fuzz
fuzz: ## Run every fuzz target, each for FUZZTIME (1m)
	@set -e; for package in $$(grep -rl --include='*_test.go' --exclude-dir=node_modules '^func Fuzz' . | xargs -n1 dirname | sort -u); do \
		found=$$(go test -list '^Fuzz' $$package); \
		for target in $$(echo "$$found" | grep '^Fuzz'); do \
			echo "$$package $$target"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package; \
		done; \
	done

# The few that every test run has are marked in docs/reliability.md.
.PHONY: chaos
chaos: ## Run every fault of docs/reliability.md under every program (4 minutes)
	PULSE_CHAOS=all go test -count=1 -run '^TestFaults$$' ./internal/chaos

.PHONY: bench
bench: ## Run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: clean
clean: ## Remove what was built
	rm -rf build .aws-sam probes/node/*/dist protocol/typescript/dist

# What `sam build` runs, one target a function of template.yaml, with ARTIFACTS_DIR set.
build-SqsReporterFunction: FUNCTION := sqs-reporter
build-RedisReporterFunction: FUNCTION := redis-reporter
build-RecorderFunction: FUNCTION := recorder
build-AggregatorFunction: FUNCTION := aggregator

.PHONY: build-SqsReporterFunction build-RedisReporterFunction build-RecorderFunction build-AggregatorFunction
build-SqsReporterFunction build-RedisReporterFunction build-RecorderFunction build-AggregatorFunction:
	GOOS=linux GOARCH=arm64 $(GO_BUILD) -o "$${ARTIFACTS_DIR:?sam build sets it}/bootstrap" ./functions/$(FUNCTION)
	@if [ "$(FUNCTION)" = redis-reporter ] && [ -n "$$ADAPTERS" ]; then cp -R "$$ADAPTERS/." "$$ARTIFACTS_DIR/adapters"; fi
