# Federated name expansion for Kubernetes.
# `make` alone prints this list; README.md says what the two commands you need do.

GO     ?= go
BIN    := bin
GOBIN_ABS := $(abspath $(BIN))
# Everything the tests start is built without a version stamp of the checkout, so that builds are cached by content.
BUILD  := $(GO) build -buildvcs=false

comma := ,

# With make nothing that a test needs may be missing; a plain `go test ./...` skips what needs more than Go (test/needs).
export FEDERATION_DNS_TESTS := all

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)

.DEFAULT_GOAL := help

.PHONY: help
help: ## Print this list
	@echo "Federated name expansion for Kubernetes"; echo
	@grep -hE '^[a-z][a-z0-9-]*:.*## ' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*## "}; {printf "  make %-14s %s\n", $$1, $$2}'
	@echo; echo "  ONCE=1 make demo   the demo ends by itself, with exit status 0 or 1"

.PHONY: build
build: ## Build coredns, federation-syncer and kubectl-federation into bin/
	@echo "building coredns, federation-syncer and kubectl-federation (about 4 minutes on two cores the first time)"
	@mkdir -p $(BIN)
	$(BUILD) -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/...

.PHONY: cluster
cluster: ## Build the API servers of demo and tests (cached outside the tree; about 6 minutes on two cores the first time)
	@mkdir -p $(BIN)
	@path=$$($(GO) run -buildvcs=false ./test/kube/build) && ln -sfn "$$path" $(BIN)/testcluster && ln -sfn "$$path" $(BIN)/kubectl

.PHONY: demo
demo: demo-packages build cluster ## Run the walk-through: four clusters, one federated Service, failures (PROVIDER=rfc2136, route53, clouddns, or none: no DNS zone)
	@$(BUILD) -o $(BIN)/ ./test/demo ./test/demo-shell
	@PATH="$(GOBIN_ABS):$$PATH" $(BIN)/demo -provider $(or $(PROVIDER),rfc2136)

.PHONY: test
test: test-packages build cluster $(BIN)/helm test-go test-e2e ## Build what is needed and run every test

.PHONY: test-go
test-go: ## Run the package tests under the race detector (needs make build cluster bin/helm)
	FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -race -timeout 20m $$($(GO) list ./... | grep -vE '/test/(e2e|node|pods)$$')
	cd tools/release && $(GO) test -buildvcs=false . ./push
	cd tools/vulncheck && $(GO) test -buildvcs=false ./...

.PHONY: test-e2e
test-e2e: ## Run the whole-system tests: real API servers, real queries (needs make build cluster)
	FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 30m -count=1 -v ./test/e2e

.PHONY: generate
generate: $(BIN)/controller-gen ## Generate deploy/crds, the chart's copy and docs/api.md from api/
	$(BIN)/controller-gen object crd:maxDescLen=200 paths=./api/... output:crd:dir=deploy/crds
	cp deploy/crds/*.yaml charts/federation-syncer/files/crds/
	$(GO) test ./api/v1alpha1 -update

.PHONY: lint
lint: $(BIN)/golangci-lint $(BIN)/controller-gen ## gofmt, go vet, golangci-lint with the depguard arrows, go mod tidy, generated files
	@test/lint

$(BIN)/golangci-lint: tools/go.mod tools/go.sum
	@echo "building golangci-lint (about 3 minutes on two cores the first time)"
	@mkdir -p $(BIN)
	@cd tools && $(GO) build -buildvcs=false -o $(GOBIN_ABS)/golangci-lint github.com/golangci/golangci-lint/v2/cmd/golangci-lint

$(BIN)/helm: tools/helm/go.mod tools/helm/go.sum
	@echo "building helm (about 5 minutes on two cores the first time)"
	@mkdir -p $(BIN)
	@cd tools/helm && $(BUILD) -o $(GOBIN_ABS)/helm helm.sh/helm/v4/cmd/helm

$(BIN)/controller-gen: tools/controller-gen/go.mod tools/controller-gen/go.sum
	@mkdir -p $(BIN)
	@cd tools/controller-gen && $(GO) build -buildvcs=false -o $(GOBIN_ABS)/controller-gen sigs.k8s.io/controller-tools/cmd/controller-gen

.PHONY: demo-packages test-packages
demo-packages:
	@test/packages getent=libc-bin nsenter=util-linux dig=bind9-dnsutils curl=curl
test-packages:
	@test/packages getent=libc-bin nsenter=util-linux gcc=gcc,libc6-dev dig=bind9-dnsutils \
		named=bind9 dnssec-keygen=bind9-utils knotd=knot pdns_server=pdns-server,pdns-backend-sqlite3 sqlite3=sqlite3 faketime=faketime \
		unbound=unbound musl-gcc=musl-tools javac=default-jdk-headless promtool=prometheus chromium=chromium \
		/usr/lib/python3/dist-packages/botocore/data/route53=python3-botocore

.PHONY: fuzz
fuzz: ## Fuzz every fuzz target for FUZZTIME (default 10s) each
	@test/fuzz $(or $(FUZZTIME),10s)

.PHONY: compat
compat: ## Build the plugin into CoreDNS's own source, and test it with other versions of CoreDNS (about 15 minutes)
	$(GO) test -buildvcs=false -count=1 -v ./test/compat
	@test/compat/versions v1.13.2 v1.14.7 v1.15.0

.PHONY: support
support: test-packages build ## Run the whole-system tests on other versions of Kubernetes (KUBERNETES=v1.36.4; about 10 minutes each, and 6 to build one)
	@failed=; for v in $(or $(KUBERNETES),v1.35.8 v1.36.4); do echo "Kubernetes $$v"; \
		KUBERNETES_VERSION=$$v FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 60m -count=1 -v ./test/kube ./test/e2e \
			-run 'TestCluster|TestMembers|TestSystem/(the_walk|cutting)' || failed="$$failed $$v"; \
		older=$$(KUBERNETES_VERSION=$$v $(GO) run -buildvcs=false ./test/kube/build) && \
		FEDERATION_DNS_OLDER=$$older FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 60m -count=1 -v \
			./test/federatedservice -run 'TestBeside|TestFederatedService' || failed="$$failed $$v(member)"; done; \
		if [ -n "$$failed" ]; then echo "failed on Kubernetes$$failed"; exit 1; fi

.PHONY: bench
bench: ## Compare what a federated name costs with what the plain name costs, in one process (about 1 minute)
	$(GO) test -buildvcs=false -run '^$$' -bench Compare -benchtime 1x ./plugin/federation -rounds $(or $(ROUNDS),500)
	$(GO) test -buildvcs=false -run '^$$' -bench NotOurs ./plugin/federation
	$(GO) test -buildvcs=false -run '^$$' -bench Memory -benchtime 1x ./plugin/federation -memory 10000

.PHONY: bench-udp
bench-udp: build ## Compare the CPU time of a server for a query over UDP, with dnsperf (about 5 minutes)
	@test/packages dnsperf=dnsperf
	@$(BUILD) -o $(BIN)/ ./test/bench-udp
	@$(BIN)/bench-udp -rounds $(or $(ROUNDS),12)

.PHONY: figures
figures: test-packages ## Requests and octets of each provider, as in docs/providers.md (about a minute)
	@for p in "route53 -full" "clouddns -full" rfc2136/bind; do echo "$${p% -full}"; \
		$(GO) test -buildvcs=false -count=1 -v -run Figures ./federation/provider/$$p | sed -n 's/^    [a-z_]*\.go:[0-9]*: /  /p; /^--- FAIL/p; /^FAIL/p' || exit 1; done

.PHONY: bench-scale
bench-scale: ## Measure the syncer with up to 100 members and 10,000 services, and a probe of one of 1,000 members (about 8 minutes, 2 GB)
	@printf '%7s %8s %9s %9s %9s %9s %9s %8s %8s %8s %9s %9s\n' members services shards RRsets 'start s' requests 'B/shard' 'p50 ms' 'p99 ms' 'max ms' allocs bytes
	@for m in 10 30 100; do for s in 1000 3000 10000; do \
		$(GO) test -buildvcs=false -run '^$$' -bench Scale -benchtime 1x ./federation/reconcile -members $$m -services $$s | grep '^ ' || exit 1; done; done
	@$(GO) test -buildvcs=false -run '^$$' -bench Rest ./federation/reconcile -members 1000 -services 10 | grep '^Benchmark'

.PHONY: bench-members
bench-members: build cluster ## Start a syncer with a thousand MemberClusters, and count what it sends at rest (MEMBERS=1000; about 3 minutes)
	FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 30m -count=1 -v ./test/membercluster -run TestRest \
		-members=$(or $(MEMBERS),1000)

.PHONY: bench-federatedservices
bench-federatedservices: build cluster ## Create a thousand FederatedServices in four members, and count what is sent until all is in place, and at rest (SERVICES=1000; about 4 minutes)
	FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 30m -count=1 -v \
		./test/federatedservice -run TestScale -services=$(or $(SERVICES),1000) -rest=1m

.PHONY: bench-readers
bench-readers: ## Measure changes while a client reads the full status without pause, and while ten pages are open (about 10 minutes)
	@printf '%7s %8s %9s %9s %9s %9s %9s %7s %9s\n' members services 'quiet p99' 'p50 ms' 'p99 ms' 'max ms' ratio reads 'KiB/read'
	@for size in "-members 10 -services 10000" "-members 100 -services 1000"; do \
		$(GO) test -buildvcs=false -run '^$$' -bench Readers -benchtime 1x ./federation/reconcile $$size | grep '^ ' || exit 1; done
	@printf '%7s %8s %9s %9s %9s %9s %9s %7s %9s\n' members services 'quiet p99' 'p50 ms' 'p99 ms' 'max ms' ratio pages KiB
	@for size in "-members 10 -services 10000" "-members 100 -services 1000"; do \
		$(GO) test -buildvcs=false -run '^$$' -bench Pages -benchtime 1x ./federation/reconcile $$size | grep '^ ' || exit 1; done

.PHONY: bench-failover
bench-failover: build cluster ## Measure how soon traffic leaves a failed shard, here and in a third cluster (ROUNDS=100; about 15 minutes)
	@$(BUILD) -o $(BIN)/ ./test/bench-failover
	@$(BIN)/bench-failover -rounds $(or $(ROUNDS),100)

.PHONY: bench-resolvers
bench-resolvers: test-packages build cluster ## Measure how soon glibc, musl, Go and a JVM see a failover, in place, beside, and behind NodeLocal DNS (ROUNDS=10; about 5 minutes)
	@$(BUILD) -o $(BIN)/ ./test/bench-failover
	@$(BIN)/bench-failover -only resolvers -rounds $(or $(ROUNDS),10) $(if $(UPDATE),-page docs/resolvers.md)

.PHONY: bench-mirror
bench-mirror: cluster ## Lose a member with 10,000 services, and count what is written to the mirrors of 4, 30 and 100 members (about 10 minutes)
	@$(BUILD) -o $(BIN)/ ./test/bench-mirror
	@$(BIN)/bench-mirror -real -members 4 -services $(or $(SERVICES),10000)
	@for m in 30 100; do $(BIN)/bench-mirror -members $$m -services $(or $(SERVICES),10000) || exit 1; done

.PHONY: soak
soak: test-packages build cluster ## The long loops: random scripts and histories, fuzzing, 150 kills of the syncer, 100 failovers, mirrors (about 85 minutes)
	$(GO) test -buildvcs=false -timeout 60m $$(git grep -l pgregory.net/rapid -- '*_test.go' | xargs -n1 dirname | sort -u | sed 's,^,./,') -rapid.checks=20000
	$(GO) test -buildvcs=false -timeout 60m ./federation/reconcile -run TestRandom -seeds=3000
	$(GO) test -buildvcs=false -timeout 60m -count=1 ./federation/policy -run TestExplore -explore.depth=1
	test/fuzz $(or $(FUZZTIME),1m)
	FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 60m -count=1 -v ./test/e2e -run 'TestSystem/(the_walk|killing)' -kills=100
	$(GO) test -buildvcs=false -race -timeout 60m -count=1 ./cmd/coredns -run TestNeighboursSoak -soak=10m
	$(MAKE) bench-failover
	$(MAKE) bench-resolvers
	$(MAKE) bench-mirror
	$(MAKE) bench-members
	FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 60m -count=1 -v \
		./test/federatedservice -run TestKilled -kills=50
	$(MAKE) bench-federatedservices

.PHONY: chaos
chaos: chaos-build ## Let clusters, links, DNS servers and syncers fail at random, and judge every answer (SEED=1 MINUTES=10 HOSTS=bind,knot; or pdns, route53, clouddns, none)
	@$(BIN)/chaos -seed $(or $(SEED),1) -minutes $(or $(MINUTES),10) -hosts $(or $(HOSTS),bind$(comma)knot)

.PHONY: chaos-services
chaos-services: build cluster ## Let members, rights and other hands fail FederatedServices at random, and judge every change there (SEED=1 MINUTES=10)
	FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -timeout 2h -count=1 -v ./test/federatedservice \
		-run TestChaos -seed=$(or $(SEED),1) -minutes=$(or $(MINUTES),10)

.PHONY: chaos-selftest
chaos-selftest: chaos-build ## Show that chaos finds planted bugs, each within two minutes (about 30 minutes)
	$(GO) run -buildvcs=false ./test/chaos/selftest -bin $(BIN)

# The pairs of hosts that chaos is played on; one word is for both.
PAIRS := bind,knot pdns,bind route53,clouddns none

.PHONY: chaos-seeds
chaos-seeds: chaos-build ## Play ten seeds of ten minutes on each pair of hosts, and of FederatedServices, to the end (SEEDS="1 2" MINUTES=10; about 10 hours)
	@failed=; for hosts in $(PAIRS); do for seed in $(or $(SEEDS),1 2 3 4 5 6 7 8 9 10); do \
		$(BIN)/chaos -seed $$seed -minutes $(or $(MINUTES),10) -hosts $$hosts || failed="$$failed $$hosts:$$seed"; done; done; \
		for seed in $(or $(SEEDS),1 2 3 4 5 6 7 8 9 10); do $(MAKE) chaos-services SEED=$$seed || failed="$$failed services:$$seed"; done; \
		if [ -n "$$failed" ]; then echo "failed:$$failed"; exit 1; fi

.PHONY: nightly
nightly: chaos-seeds chaos-selftest mutants compat support test-release soak ## All that takes hours: chaos-seeds, chaos-selftest, mutants, compat, support, test-release, soak with 10 minutes a fuzz target

nightly: FUZZTIME := 10m

.PHONY: chaos-build
chaos-build: build cluster
	@test/packages nsenter=util-linux named=bind9 knotd=knot pdns_server=pdns-server,pdns-backend-sqlite3 sqlite3=sqlite3
	@$(BUILD) -o $(BIN)/ ./test/chaos

.PHONY: mutants
mutants: test-packages cluster ## Try small wrong changes of each clause: a test of that clause must fail (about an hour on two cores; -run CLAUSE by hand for a few)
	$(GO) run -buildvcs=false ./test/mutants

# The release is built by this Go, which has no known vulnerability that we reach (make vulncheck).
RELEASE_GO ?= go1.26.10
RELEASE     = cd tools/release && $(GO) run -buildvcs=false . -root ../.. -version '$(VERSION)' -toolchain $(RELEASE_GO)

.PHONY: images
images: ## Build the OCI images into dist/, without Docker (PROGRAMS=coredns PLATFORMS=linux/amd64; about 10 minutes the first time)
	@$(RELEASE) -out ../../dist $(if $(PROGRAMS),-programs $(PROGRAMS)) $(if $(PLATFORMS),-platforms $(PLATFORMS)) -images-only

# Root alone can run containers in a private namespace: for others the tests say so, and need nothing.
.PHONY: pods pods-packages
pods: pods-packages cluster $(BIN)/helm ## Run pods of our images, in place of the cluster's DNS and beside it: containerd, a kubelet (as root; IMAGES=dist takes those of a release; about 3 minutes)
	@$(GO) run -buildvcs=false ./test/kube/build -node >/dev/null
	@[ -n "$(IMAGES)" ] || { $(RELEASE) -out ../../$(BIN)/images -platforms linux/$$($(GO) env GOARCH) -images-only; }
	@$(BUILD) -ldflags '$(LDFLAGS)' -o $(BIN)/ ./cmd/kubectl-federation
	FEDERATION_DNS_IMAGES=$(abspath $(or $(IMAGES),$(BIN)/images)) FEDERATION_DNS_BIN=$(GOBIN_ABS) \
		$(GO) test -buildvcs=false -count=1 -p 1 -v ./test/node ./test/pods
pods-packages:
	@[ "$$(id -u)" -ne 0 ] || test/packages containerd=containerd ctr=containerd runc=runc nft=nftables \
		/usr/lib/cni/ptp=containernetworking-plugins named=bind9 gcc=gcc,libc6-dev musl-gcc=musl-tools

.PHONY: page page-packages
page: page-packages demo-packages build cluster ## Test the page of the syncer in Chromium, with the demo too (UPDATE=1 takes the pictures in docs/images anew; about 3 minutes)
	FEDERATION_DNS_BROWSER=1 $(GO) test -buildvcs=false -count=1 -v ./test/page $(if $(UPDATE),-update)
	FEDERATION_DNS_BROWSER=1 FEDERATION_DNS_BIN=$(GOBIN_ABS) $(GO) test -buildvcs=false -count=1 -v ./test/page/walk
page-packages:
	@test/packages chromium=chromium npm=npm

.PHONY: release
release: ## Make everything that a tag publishes, in dist/: images, binaries, charts, manifests, SBOMs, licences, checksums (about 10 minutes the first time)
	@$(RELEASE) -out '$(abspath $(or $(OUT),dist))'

.PHONY: test-release
test-release: test-packages pods-packages build cluster $(BIN)/helm ## Make a release twice, run its images, install its charts (OUT=dist keeps it; about 30 minutes)
	@GO='$(GO)' FEDERATION_DNS_BIN=$(GOBIN_ABS) test/release '$(VERSION)' '$(RELEASE_GO)' $(if $(OUT),'$(OUT)')
	@$(MAKE) --no-print-directory page

.PHONY: publish
publish: $(BIN)/helm ## Push the images and charts in dist/ to their registry (after docker login; REGISTRY=registry.example.com/federation)
	@cd tools/release && $(GO) run -buildvcs=false ./push -dist '$(abspath $(or $(OUT),dist))' $(if $(REGISTRY),-registry '$(REGISTRY)')
	@for chart in '$(abspath $(or $(OUT),dist))'/*-[0-9]*.tgz; do \
		$(BIN)/helm push "$$chart" oci://$(or $(REGISTRY),ghcr.io/federation-dns)/charts || exit 1; done

.PHONY: vulncheck
vulncheck: ## Look for known vulnerabilities that the released programs reach (about 1 minute; exceptions: tools/vulncheck/exceptions.txt)
	@cd tools/vulncheck && $(GO) run -buildvcs=false . -root ../.. -toolchain $(RELEASE_GO)

.PHONY: clean
clean: ## Remove bin/ and dist/ (the cached API servers stay)
	rm -rf $(BIN) dist
