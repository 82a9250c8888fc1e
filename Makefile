# The project's commands. Each installs what it needs into .venv by itself, with nothing there but make and Python.

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

BIN := .venv/bin
MODEL := smollm2-135m
ENGINE := $(or $(shell command -v podman),$(shell command -v docker))
IMAGES := query-generator probability-extractor structured-extractor
ARGS :=

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

.PHONY: pilot
pilot: .venv/.local model ## Take a small study from question to report, with a small real model
	@$(BIN)/python scripts/pilot.py

.PHONY: demo
demo: .venv/.local ## See a full report at once: recorded answers of two models, nothing is asked
	@$(BIN)/python scripts/demo.py

.PHONY: test
test: .venv/.dev model ## Run the tests on all cores; ARGS="-k ledger" chooses some
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

.PHONY: torture
torture: .venv/.dev ## Kill what writes 1,000 times, damage files 20,000 times, race for a lock: some hours of a night
	@GRACE_KILLS=1000 GRACE_TORTURE=840 $(BIN)/python -m pytest -s --timeout 0 tests/faults/test_killed.py tests/faults/test_read_back.py \
	    tests/faults/test_contenders.py $(ARGS)

.PHONY: lint
lint: .venv/.dev ## Check style, types and layers
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

.PHONY: check
check: lint test ## All that a change must pass: lint, then test

.PHONY: bench
bench: .venv/.dev .venv-bench/.installed ## Measure speed and memory; ARGS="latency" chooses some
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: wheel
wheel: .venv/.made ## Build a wheel in dist/, to install Grace elsewhere
	@$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

.PHONY: images
images: VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"$$/\1/p' src/grace/version.py)
images: REVISION := $(or $(shell git rev-parse HEAD 2>/dev/null),unknown)
images: ## Build the container images with podman or docker; ENGINE=docker chooses
	@[ -n "$(ENGINE)" ] || { echo "neither podman nor docker found; install one, or name it: make images ENGINE=..." >&2; exit 1; }
	@$(ENGINE) build $(ARGS) --build-arg VERSION=$(VERSION) --build-arg REVISION=$(REVISION) \
	    --file docker/base/Dockerfile --tag grace/base:$(VERSION) .
	@for image in $(IMAGES); do \
	    $(ENGINE) build $(ARGS) --build-arg BASE=grace/base:$(VERSION) --tag grace/$$image:$(VERSION) docker/$$image || exit; \
	done
	@$(ENGINE) images --filter "reference=grace/*:$(VERSION)"

.PHONY: clean
clean: ## Remove environments, caches and build products, never outputs/
	@rm -rf .venv .venv-* build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find src tests benchmarks scripts examples -type d \( -name __pycache__ -o -name '*.egg-info' \) \
	    -prune -exec rm -rf {} + 2>/dev/null || true

.PHONY: model
model: # the pilot's model, fetched once into the user's cache folder
	@$(BIN)/grace models pull $(MODEL)

# Environments. A stamp file is as old as the last installation; it is done again when a file with versions is newer.

PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.venv/.local: .venv/.made pyproject.toml constraints.txt
	@echo "installing Grace into .venv ..."
	@$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt --editable '.[local,parquet,analysis]'
	@touch $@

.venv/.dev: .venv/.made pyproject.toml constraints.txt
	@echo "installing Grace, its tests and its checks into .venv ..."
	@$(BIN)/python $(PIP_INSTALL) --constraint constraints.txt --editable '.[local,parquet,excel,cluster,s3,analysis,archive,dev]'
	@touch .venv/.local $@

.venv-bench/.installed: .venv-bench/.made benchmarks/requirements.txt
	@echo "installing what Grace is compared with into .venv-bench ..."
	@.venv-bench/bin/python $(PIP_INSTALL) --requirement benchmarks/requirements.txt
	@touch $@

# The first interpreter that is new enough; PYTHON=... comes before all others.
%/.made:
	@for python in $(PYTHON) python3 python3.13 python3.12 python3.11; do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    "$$python" -c 'import ensurepip, venv' 2>/dev/null || { \
	        echo "$$python cannot make environments; install its venv module (Debian, Ubuntu: apt install python3-venv)" >&2; \
	        exit 1; }; \
	    "$$python" -m venv --clear $* && touch $@ && exit; \
	    exit 1; \
	done; \
	echo "no Python 3.11 or newer found; install one, or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	exit 1
