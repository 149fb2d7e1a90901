# The two that matter: `make serve` runs Packshot, `make test` passes its tests.
# Each does all of its own set-up; the only things needed beforehand are python3 (3.11 or newer, with venv) and make.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
NODE := tests/clients/node
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check
ARGS ?=

.PHONY: serve test test-long check format setup dev packages node bench lock clean

serve: setup
	@$(BIN)/packshot serve $(ARGS)

# Tests of these folders run a second time, with their stores in PostgreSQL and a bucket; others, named in ARGS, do not.
SHARED := $(addprefix tests/,storage services protocols contract delivery)
NAMED = $(filter tests/%,$(ARGS))

test: check node
	$(BIN)/pytest --numprocesses=auto $(ARGS)
	$(if $(filter-out $(SHARED:=%),$(NAMED)),,$(BIN)/pytest --numprocesses=auto --store=postgresql $(if $(NAMED),,$(SHARED)) $(ARGS) || [ $$? -eq 5 ])

test-long: dev packages node
	$(BIN)/pytest -m long --timeout=3600 -s $(ARGS)

# Everything that looks at the code without running it.
check: dev packages
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell --skip="*/node_modules/*,*/package-lock.json" src tests docs benchmarks README.md CONTRIBUTING.md CHANGELOG.md

format: dev
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

setup: $(VENV)/.run-is-installed
dev: $(VENV)/.dev-is-installed

$(VENV)/.run-is-installed: requirements/run.txt requirements/build.txt pyproject.toml
	@echo "Setting up $(VENV) (once; a minute or so) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Packshot needs Python 3.11 or newer; name one with PYTHON=..."; exit 2; }
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) --require-hashes -r requirements/run.txt -r requirements/build.txt
	@$(PIP) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev-is-installed: $(VENV)/.run-is-installed requirements/dev.txt
	@echo "Adding what the tests need ..."
	@$(PIP) --require-hashes -r requirements/dev.txt
	@touch $@

# Programs from Debian that some tests run: installed when that is allowed, named otherwise.
packages:
	@sh tests/debian-packages.sh

node: $(NODE)/node_modules/.installed

# The vendor's JavaScript SDK, for the tests that drive it; without npm those are left out.
$(NODE)/node_modules/.installed: $(NODE)/package-lock.json | packages
	@! command -v npm >/dev/null || { \
	  echo "Adding the JavaScript SDK that tests drive ..."; \
	  cd $(NODE) && npm ci --omit=dev --ignore-scripts --no-audit --no-fund --silent && touch node_modules/.installed; }

bench: setup
	@$(PIP) --require-hashes -r requirements/bench.txt
	@$(BIN)/python -m benchmarks $(ARGS)

# After a change of the dependencies: hashes for every platform, and no address of any registry.
lock: dev
	sh requirements/lock.sh $(BIN)/uv

clean:
	rm -rf $(VENV) $(NODE)/node_modules .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis .coverage
