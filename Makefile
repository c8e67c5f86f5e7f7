# A thin front for CMake and the tests; `make help` lists the targets.
SHELL := /bin/sh
JOBS ?= $(shell nproc)
PYTHON := /usr/bin/python3
SANDBOX := test/lab/sandbox
export EGRESS_BIN_DIR ?= $(CURDIR)/build/bin
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help deps build demo lab test test-programs bench fuzz soak images docs format lint clean

help: ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

deps: ## Install the Debian packages that the build needs
	@cmake/install-packages cmake/build-packages.txt

build: deps ## Release binaries in build/bin
	@cmake --preset release $(if $(wildcard build/CMakeCache.txt),,--log-level=WARNING) >build.log 2>&1 || { cat build.log; exit 1; }
	@rm -f build.log
	@cmake --build build -j $(JOBS) --target programs

demo: build ## Every mode in a lab of network namespaces, with what the external server saw
	@cmake/install-packages cmake/lab-packages.txt
	@$(SANDBOX) $(PYTHON) test/lab/demo.py

lab: build ## The same lab, kept up for exploring: make lab [SHAPE=openshift-sdn|ovn-kubernetes|calico]
	@cmake/install-packages cmake/lab-packages.txt
	@$(SANDBOX) $(PYTHON) test/lab/explore.py $(SHAPE)

test-programs: build
	@cmake/install-packages $(addprefix cmake/,$(addsuffix -packages.txt,lab test http-peer image image-builder lint))
	@cmake --preset release -DEGRESS_BUILD_TESTS=ON >/dev/null
	@cmake --build build -j $(JOBS)

test: test-programs ## All tests; ends with a line "N passed, N failed"
	@test/manifests/needs
	@$(PYTHON) test/run

bench: test-programs ## Figures, side by side with peers: linear nft rules, Squid, tinyproxy, HAProxy
	@cmake --build build -j $(JOBS) --target http_load bare_relay
	@$(SANDBOX) $(PYTHON) test/bench/redirect_bench.py
	@$(SANDBOX) $(PYTHON) test/bench/http_bench.py
	@$(SANDBOX) $(PYTHON) test/bench/dns_bench.py

fuzz: deps ## Each fuzz target for FUZZ_SECONDS (60)
	@test/fuzz/run

soak: lint test-programs ## Restarts and connections for SOAK_MINUTES (10), after all of lint
	@$(SANDBOX) $(PYTHON) test/soak/redirect_soak.py

images: $(if $(filter container,$(BUILD)),,build) ## Container images, localhost/NAME:latest; BUILD=container: with nothing of this machine
	@cmake/install-packages cmake/image-packages.txt cmake/image-builder-packages.txt
	@images/build

docs: build ## docs/reference.md, manual pages and shell completions (build/share), out of --help
	@docs/generate

format: ## Format the sources
	@clang-format -i $$(git ls-files '*.cpp' '*.hpp')

lint: test-programs ## clang-format, and clang-tidy on all that changed since it passed last
	@clang-format --dry-run --Werror $$(git ls-files '*.cpp' '*.hpp')
	@cmake/tidy

clean: ## Remove what was built
	@rm -rf build
