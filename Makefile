# Every command of this project. `make help` lists them.

GO          ?= go
JS          := GOOS=js GOARCH=wasm
WASM        := web/client/nbd.wasm
WASM_BUDGET := 2300000 # bytes of gzip
EVIDENCE    := web/client/evidence.wasm
EVIDENCE_BUDGET := 750000
INSPECT     := web/client/inspect.wasm
INSPECT_BUDGET := 1400000
ACQUIRE     := web/client/acquire.wasm
ACQUIRE_BUDGET := 1530000
FUZZTIME    ?= 30s
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Inlining makes crypto/tls larger, by 48 KB of gzip, and in WebAssembly no faster.
WASM_FLAGS  := -trimpath -ldflags="-s -w" -gcflags=crypto/tls=-l
GOROOT_WASM  = $(shell $(GO) env GOROOT)/lib/wasm

# What the demo with an emulator needs. The disks stay as a guest has left them.
VM_IMAGES := .demo/images
V86       := web/demo/vm/v86
UNPACKED  := test/.packages

# The sources of the WASM programs: tests change nothing in them.
WASM_SOURCES := $(shell find nbd wasm/client -name '*.go' -not -name '*_test.go') go.mod go.sum
EVIDENCE_SOURCES := $(shell find evidence/*.go wasm/hasher wasm/evidence -name '*.go' -not -name '*_test.go') go.mod go.sum
INSPECT_SOURCES := $(shell find disk wasm/boundary wasm/inspect -name '*.go' -not -name '*_test.go') go.mod go.sum
ACQUIRE_SOURCES := $(shell find evidence wasm/boundary wasm/hasher wasm/acquire -name '*.go' -not -name '*_test.go') go.mod go.sum

.PHONY: help build demo demo-vm vm-programs test lint fmt fuzz canary bench bench-bridge size dist clean

help: ## List these commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

build: $(WASM).gz $(WASM).zst $(EVIDENCE).gz $(EVIDENCE).zst $(INSPECT).gz $(INSPECT).zst $(ACQUIRE).gz $(ACQUIRE).zst web/client/wasm_exec.js ## Build bin/bridge with the web files in it
	$(GO) build -trimpath -o bin/bridge ./cmd/bridge

demo: build ## Start the demo: NBD server, bridge and pages in one process (ARGS="--image disk.img")
	bin/bridge demo $(ARGS)

demo-vm: $(VM_IMAGES)/linux.img $(VM_IMAGES)/grub.img $(V86)/LICENSE ## Build disks and boot them in the browser, over NBD from nbdkit (Debian, Node)
	@echo "Building bin/bridge with the emulator in it"
	@$(MAKE) --no-print-directory build
	bin/bridge demo --images $(VM_IMAGES) $(ARGS)

test: web/node_modules/.package-lock.json ## Run every test; as root on Debian it installs what they need
	@bash test/setup.sh
	-@$(MAKE) --no-print-directory $(V86)/LICENSE
	@$(MAKE) --no-print-directory build
	@bash test/run.sh

lint: web/node_modules/.package-lock.json ## Check formatting, vet, staticcheck, import rules and JavaScript types
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo "run: make fmt"; exit 1; }
	$(GO) vet ./...
	$(JS) $(GO) vet ./nbd/... ./disk/... ./evidence/... ./wasm/client ./wasm/boundary ./wasm/hasher ./wasm/evidence ./wasm/inspect ./wasm/acquire
	$(GO) run $(STATICCHECK) ./...
	cd examples/embed && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...
	$(GO) run -exec "env $(JS)" $(STATICCHECK) ./nbd/... ./disk/... ./evidence/... ./wasm/client ./wasm/boundary ./wasm/hasher ./wasm/evidence ./wasm/inspect ./wasm/acquire
	$(GO) test -count=1 ./test/imports
	cd web && npm run --silent check

fmt: ## Format the Go code
	gofmt -w .

fuzz: ## Run every fuzz target for FUZZTIME (30s)
	@GO=$(GO) bash test/fuzz.sh $(FUZZTIME)

canary: build web/node_modules/.package-lock.json ## Run the newest V86 of npm on our disks
	@bash test/setup.sh
	@bash test/canary.sh

bench: $(VM_IMAGES)/linux.img $(V86)/LICENSE ## Measure in Chromium how a disk opens, disk.read against a raw WebSocket, reads one by one, copies, hashes, and how Linux boots
	@$(MAKE) --no-print-directory build
	$(GO) run ./bench -boot $(VM_IMAGES)/linux.img

bench-bridge: build ## Measure the bridge beside websockify, HAProxy and a plain proxy into bench/RESULTS.md (ARGS=-quick to try)
	@bash test/setup.sh websockify haproxy
	PATH=$$PATH:/usr/sbin $(GO) run ./bench/bridge $(ARGS)

size: $(WASM) $(EVIDENCE) $(INSPECT) $(ACQUIRE) ## Print the sizes of the WASM programs and hold them to their budgets
	$(GO) run ./wasm/pack -budget $(WASM_BUDGET) $(WASM)
	$(GO) run ./wasm/pack -budget $(EVIDENCE_BUDGET) $(EVIDENCE)
	$(GO) run ./wasm/pack -budget $(INSPECT_BUDGET) $(INSPECT)
	$(GO) run ./wasm/pack -budget $(ACQUIRE_BUDGET) $(ACQUIRE)

dist: $(WASM) $(EVIDENCE) $(INSPECT) $(ACQUIRE) web/client/wasm_exec.js web/node_modules/.package-lock.json ## Make the npm package in web/dist
	node web/dist.js $(shell $(GO) env GOROOT)/LICENSE

clean: ## Remove what was built
	rm -rf bin web/dist .demo $(V86) $(WASM) $(WASM).gz $(WASM).zst $(EVIDENCE) $(EVIDENCE).gz $(EVIDENCE).zst $(INSPECT) $(INSPECT).gz $(INSPECT).zst $(ACQUIRE) $(ACQUIRE).gz $(ACQUIRE).zst web/client/wasm_exec.js web/test/artifacts

# Both come from one toolchain: a wasm_exec.js of another Go does not fit.
$(WASM) web/client/wasm_exec.js &: $(WASM_SOURCES)
	$(JS) $(GO) build $(WASM_FLAGS) -o $(WASM) ./wasm/client
	cp -f $(GOROOT_WASM)/wasm_exec.js web/client/wasm_exec.js

$(EVIDENCE): $(EVIDENCE_SOURCES)
	$(JS) $(GO) build $(WASM_FLAGS) -o $(EVIDENCE) ./wasm/evidence

$(INSPECT): $(INSPECT_SOURCES)
	$(JS) $(GO) build $(WASM_FLAGS) -o $(INSPECT) ./wasm/inspect

$(ACQUIRE): $(ACQUIRE_SOURCES)
	$(JS) $(GO) build $(WASM_FLAGS) -o $(ACQUIRE) ./wasm/acquire

# As root on Debian this installs what is missing; elsewhere it ends here.
vm-programs:
	@bash test/setup.sh nbdkit e2fsck sfdisk grub-mkimage cpio /usr/lib/grub/i386-pc/boot.img
	@PATH=$$PATH:/usr/sbin:/sbin; for needed in nbdkit mke2fs sfdisk grub-mkimage cpio apt-get /usr/lib/grub/i386-pc/boot.img; do \
	  command -v $$needed >/dev/null || test -e $$needed || { echo "$$needed is missing: make demo-vm needs it, on Debian"; exit 1; }; done

$(VM_IMAGES)/%.img: test/images/%.sh test/images/disk.sh $(wildcard test/images/linux/*) | vm-programs
	@echo "Building $@"
	@mkdir -p $(@D)
	@bash $< $@ $(UNPACKED)

$(V86)/LICENSE: test/images/v86.sh web/node_modules/.package-lock.json
	@echo "Copying V86 of npm and SeaBIOS of Debian into $(@D)"
	@bash $< $(@D) $(UNPACKED)
	@touch $@

%.wasm.gz %.wasm.zst &: %.wasm wasm/pack/main.go
	$(GO) run ./wasm/pack $<

web/node_modules/.package-lock.json: web/package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing: install Node 20 or newer from https://nodejs.org/"; exit 1; }
	cd web && npm ci --no-fund --no-audit
	@touch $@
