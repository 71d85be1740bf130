# Bare `make` prints the targets.
SHELL := /bin/bash
export CGO_ENABLED ?= 0
GOTEST = CGO_ENABLED=1 go test -race

.PHONY: help
help: ## print the targets
	@awk -F ':.*## ' '/^[a-z][a-z-]*:.*## /{printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: serve
serve: ## run Sodalite here with a month of made-up data
	go run ./cmd/sodalite serve --demo

.PHONY: build
build: ## build the binary bin/sodalite
	go build -trimpath -ldflags=-s -o bin/sodalite ./cmd/sodalite

.PHONY: scanner
scanner: ## build bin/scanner/sodalite, which scans databases and nothing else: half the size, two thirds of the memory
	go build -tags scanner -trimpath -ldflags=-s -o bin/scanner/sodalite ./cmd/sodalite

# Components are installed while Go compiles. All tests come last, in one command; those of the whole way, which wait for
# other programs most of the time, first among them.
.PHONY: test
test: ## everything: static checks, all tests with the race detector, against real components
	@mkdir -p .cache && { test/provide >.cache/environment & provided=$$!; \
	  $(MAKE) --no-print-directory check CGO_ENABLED=1 VET=-race && wait $$provided && source .cache/environment && \
	  $(GOTEST) -tags duckdb -run DuckDB ./internal/source/... ./internal/engine && \
	  $(GOTEST) -timeout 20m ./test/e2e ./...; }

.PHONY: quick
quick: ## tests that need nothing but Go
	go test ./...

.PHONY: check
check: ## formatting and static checks
	@unformatted=$$(gofmt -l .); [ -z "$$unformatted" ] || { echo "gofmt would change: $$unformatted"; exit 1; }
	go vet $(VET) ./...
	go vet $(VET) -tags scanner ./cmd/sodalite ./internal/wiring/sources/local
	@if go list -deps ./internal/dq ./internal/hub | grep -E 'aws-(lambda|sdk)|modernc'; then echo "a core package imports an edge"; exit 1; fi

# Apart from check: on a clean checkout it reads everything that is linked, a minute on two cores.
.PHONY: lint
lint: ## staticcheck, the version of go.mod
	go tool staticcheck ./...

.PHONY: fuzz
fuzz: ## fuzz each parser for 20 seconds
	@set -e; for f in $$(grep -rlE '^func Fuzz' --include=*_test.go . | xargs -n1 dirname | sort -u); do \
	  for name in $$(grep -hoE '^func Fuzz[A-Za-z0-9_]+' $$f/*_test.go | sed 's/func //'); do \
	    echo "$$f $$name"; go test $$f -run '^$$' -fuzz "^$$name$$" -fuzztime 20s; done; done

.PHONY: bench
bench: ## benchmarks of the hot paths, see docs/performance.md
	eval "$$(test/provide)"; go test ./bench -run '^$$' -bench . -benchmem -timeout 30m

.PHONY: bench-scan
bench-scan: ## sodalite scan beside the reference client, in one table
	eval "$$(test/provide)"; go test ./bench/scan -run '^$$' -bench . -benchtime 1x -timeout 60m

.PHONY: validate
validate: ## check the AWS template
	eval "$$(test/provide)"; SAM_CLI_TELEMETRY=0 AWS_DEFAULT_REGION=eu-west-1 "$$SODALITE_SAM" validate --lint

.PHONY: invoke
invoke: ## run one function with one event: make invoke FN=ingest EVENT=events/login.json
	go run ./test/lambdahost/invoke $(FN) $(EVENT)

.PHONY: deploy
deploy: sam-build ## build and deploy to AWS with SAM, guided; ENV=dev and ENV=prod take those settings of samconfig.toml
	sam deploy $(if $(ENV),--config-env $(ENV),--guided)

.PHONY: sam-build
sam-build: ## build the functions for AWS under .aws-sam/build
	SAM_CLI_TELEMETRY=0 sam build

# sam build calls this for each function of the template: IngestFunction is functions/ingest.
build-%Function:
	GOOS=linux GOARCH=arm64 CGO_ENABLED=0 go build -tags lambda.norpc -trimpath -ldflags=-s -o "$(ARTIFACTS_DIR)/bootstrap" ./functions/$(shell echo $* | tr A-Z a-z)

.PHONY: clean
clean: ## remove what was built
	rm -rf bin .aws-sam
