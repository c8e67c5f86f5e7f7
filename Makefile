# A thin front for CMake and the tests; `make help` lists the targets.
SHELL := /bin/sh
JOBS ?= $(shell nproc)
PYTHON := /usr/bin/python3
SANDBOX := test/lab/sandbox
export EGRESS_BIN_DIR ?= $(CURDIR)/build/bin
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help deps build demo lab test bench fuzz soak images docs format lint clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

deps: ## Install the Debian packages that are missing
	@cmake/install-packages cmake/debian-packages.txt

build: deps ## Release binaries in build/bin
	@cmake --preset release $(if $(wildcard build/CMakeCache.txt),,--log-level=WARNING) >build.log 2>&1 || { cat build.log; exit 1; }
	@rm -f build.log
	@cmake --build build -j $(JOBS) --target programs

demo: build ## The reference scenario in a lab of namespaces, with what the outside saw
	@$(SANDBOX) $(PYTHON) test/lab/demo.py

lab: build ## The same lab, kept up for exploring: make lab [SHAPE=openshift-sdn|ovn-kubernetes|calico]
	@$(SANDBOX) $(PYTHON) test/lab/explore.py $(SHAPE)

test: build ## All tests; ends with a line "N passed, N failed"
	@cmake/install-packages cmake/http-peer-packages.txt cmake/image-packages.txt cmake/image-builder-packages.txt cmake/lint-packages.txt
	@test/manifests/needs
	@cmake --build build -j $(JOBS)
	@$(PYTHON) test/run

bench: build ## Figures, side by side with peers: linear nft rules, Squid, tinyproxy, HAProxy
	@cmake/install-packages cmake/http-peer-packages.txt
	@cmake --build build -j $(JOBS) --target http_load bare_relay
	@$(SANDBOX) $(PYTHON) test/bench/redirect_bench.py
	@$(SANDBOX) $(PYTHON) test/bench/http_bench.py
	@$(SANDBOX) $(PYTHON) test/bench/dns_bench.py

fuzz: deps ## Each fuzz target for FUZZ_SECONDS (60)
	@test/fuzz/run

soak: lint ## Restarts and connections for SOAK_MINUTES (10), after all of lint
	@$(SANDBOX) $(PYTHON) test/soak/redirect_soak.py

images: $(if $(filter container,$(BUILD)),,build) ## Container images, localhost/NAME:latest; BUILD=container: with nothing of this machine
	@cmake/install-packages cmake/image-packages.txt cmake/image-builder-packages.txt
	@images/build

docs: build ## docs/reference.md, manual pages and shell completions (build/share), out of --help
	@docs/generate

format: ## Format the sources
	@clang-format -i $$(git ls-files '*.cpp' '*.hpp')

lint: build ## clang-format, and clang-tidy on all that changed since it passed last
	@cmake/install-packages cmake/lint-packages.txt
	@clang-format --dry-run --Werror $$(git ls-files '*.cpp' '*.hpp')
	@cmake/tidy

clean: ## Remove what was built
	@rm -rf build
