# Two commands for newcomers: `make demo` and `make test`. Everything else is listed by `make help`.
SHELL := /bin/sh
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
UV_VERSION := 0.13.8
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help setup demo up test unit chaos triggers fuzz fuzz-media lint format types bench lock clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

setup: $(READY)  ## make the virtual environment and install everything (Python 3.13 and a package index needed)

$(READY): requirements-lock.txt pyproject.toml tools/find-python
	@python=$$(sh tools/find-python) && echo "Setting up $(VENV) with $$python" \
	    && { [ -x $(PY) ] || "$$python" -m venv $(VENV); }
	@[ -x $(UV) ] || $(PY) -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@UV_HTTP_TIMEOUT=300 $(UV) pip install --quiet --python $(PY) --require-hashes -r requirements-lock.txt
	@$(UV) pip install --quiet --python $(PY) --no-deps --editable .
	@touch $@

demo: $(READY)  ## do the main job on a clip made here, or on VIDEO=path
	@$(PY) -m demo.run $(if $(VIDEO),--video "$(VIDEO)")

up: $(READY)  ## start the local cloud in this terminal; Ctrl-C stops it
	@$(PY) -m localcloud up

test: $(READY) lint types  ## all checks and tests
	@$(PY) -m localcloud install || true  # once; without it tests that need it say so and are skipped
	@$(PY) -m pytest -n 2 --dist loadfile --no-loadscope-reorder

unit: $(READY)  ## the fast tests alone
	@$(PY) -m pytest -q tests/unit tests/replay tests/architecture

chaos: $(READY)  ## runs under seeded harm: KIND=kill (or stop, storage, cloud, poison, mixed, ...; all) SEEDS=0..99
	@$(PY) tests/chaos/series.py --kind $(or $(KIND),mixed) --seeds $(or $(SEEDS),0..9) \
	    $(if $(SHARDS),--shards $(SHARDS)) $(if $(INTO),--into $(INTO))

triggers: $(READY)  ## a hundred trigger files at once, each event fifty times or never: RUNS=100 COPIES=50 LOST=0.05
	@$(PY) tests/chaos/triggers.py --runs $(or $(RUNS),100) --copies $(or $(COPIES),50) --lost $(or $(LOST),0.05)

fuzz: $(READY)  ## spoiled trigger files and messages: CASES=1000000 of them, none of which may do harm
	@PYTHONPATH=. $(PY) tests/fuzz/fuzz_long.py $(or $(CASES),200000) $(or $(SEED),0)

api-checks: $(READY)  ## Schemathesis: CASES=20000 requests, right and wrong, against a local cloud
	@$(PY) tests/fuzz/api_checks.py $(or $(CASES),20000)

fuzz-media: $(READY)  ## spoiled pictures and videos: CASES=100000 of them, none of which may end its reader
	@PYTHONPATH=. $(PY) tests/fuzz/fuzz_media.py $(or $(CASES),20000) $(or $(SEED),0)

lint: $(READY)
	@$(VENV)/bin/ruff format --check . && $(VENV)/bin/ruff check .

format: $(READY)  ## put the code in its standard form
	@$(VENV)/bin/ruff format . && $(VENV)/bin/ruff check --fix .

types: $(READY)
	@$(VENV)/bin/mypy

bench: $(READY)  ## the speed tables of docs/benchmarks.md (about half an hour)
	@$(PY) -m benchmarks

lock:  ## resolve the requirements files into requirements-lock.txt
	@$(UV) pip compile --quiet --universal --python-version 3.13 --generate-hashes --no-emit-index-url --no-header \
	    --output-file requirements-lock.txt requirements-dev.txt

clean:  ## remove the local cloud's data and the caches, not the virtual environment
	@rm -rf .local .pytest_cache .mypy_cache .ruff_cache .hypothesis demo-output
