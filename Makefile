help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

build: ## build ./webhookd
	go build -trimpath -ldflags '-s -w' -o webhookd ./cmd/webhookd

demo: build ## show it all on this machine
	./webhookd demo

test: ## run the tests with the race detector
	go test -race ./...

check: ## all that has to hold before a change lands
	.ci/run

bench: ## run the benchmarks
	go test -run '^$$' -bench . -benchmem ./...

.PHONY: help build demo test check bench
