# Everything here works on a bare machine with Python 3.11+, make and a package index.
#   make demo          run the whole system with simulated devices, until Ctrl-C
#   make test          run the whole suite          PYTEST_ARGS="tests/unit -k topic" runs a part of it
#   make test-nightly  decode against 100,000 drawn inputs, a quarter of an hour
#   make test-faults   every fault at full length, which takes hours and writes tests/reports/faults.md
#   make bench         measure ingest for a minute   BENCH_ARGS="" measures everything, which takes half an hour
#   make bench-peers   measure ingest beside another program that does the same   BENCH_ARGS="" takes its time
#   make check         what CI checks besides       make fix mends what can be mended
#   make check-security  the code, the packages' known vulnerabilities, and an SBOM
# The first Python that is new enough; another one: make PYTHON=/path/to/python3 …
IS_NEW_ENOUGH = -c 'import sys; sys.exit(sys.version_info < (3, 11))'
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p $(IS_NEW_ENOUGH) 2>/dev/null && echo $$p && exit; done; echo python3)
VENV ?= .venv
BIN = $(VENV)/bin
JOBS ?= 3
PYTEST_ARGS ?=
BENCH_ARGS ?= --quick
FAULTS_ARGS ?=
# What ingest is measured beside.
PEER = mq-bridge==1.2.0

.PHONY: demo test test-nightly test-faults bench bench-peers check check-security fix lock generate setup clean

demo: setup
	@exec $(BIN)/tracefleet up --simulate 200

# By file: what a file starts, it starts once. (The marks of xdist that group tests do nothing with this pytest.) In the
# order of tests/conftest.py: the longest files first, so that nobody waits for one of them at the end.
test: setup
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST_ARGS)

test-nightly: setup
	HYPOTHESIS_PROFILE=nightly $(BIN)/python -m pytest tests/unit/test_decode_properties.py

# Every fault at full length, one after the other: some hours. FAULTS_ARGS="-k broker" runs some; each writes its row.
test-faults: setup
	$(BIN)/python -m pytest tests/faults --faults=full $(FAULTS_ARGS)

bench: setup
	$(BIN)/tracefleet bench ingest $(BENCH_ARGS)

# The other program is large and nothing else needs it, so it comes with its own lock.
bench-peers: setup
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements-peers.lock
	$(BIN)/tracefleet bench peers $(BENCH_ARGS)

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m grafana.generate --check
	$(BIN)/python -m deploy.reference --check
	$(BIN)/python -m deploy.sizing_page --check
	$(BIN)/python -m deploy.manifests --check

# Known vulnerabilities are asked of a service; --strict: what could not be asked is no pass.
check-security: setup
	$(BIN)/bandit -q -c deploy/bandit.yaml -r api deploy fleet grafana ingest store
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible --of JSON -o sbom.json requirements.lock
	$(BIN)/pip-audit --strict --progress-spinner off --requirement requirements.lock --require-hashes --disable-pip || { \
		echo "pip-audit: vulnerable packages are named above; or the service could not be asked, and nothing was checked."; \
		exit 1; }

fix: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

generate: setup
	$(BIN)/python -m grafana.generate
	$(BIN)/python -m deploy.reference
	$(BIN)/python -m deploy.sizing_page
	$(BIN)/python -m deploy.manifests

# The lock names every package with its hashes and no index: pip's own configuration says where to look.
lock: setup
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--extra bench --extra dev --extra embedded \
		--python-version 3.11 pyproject.toml --output-file requirements.lock
	echo "$(PEER)" | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 - --output-file requirements-peers.lock

setup: $(VENV)/.installed

# Made last, so an installation that was interrupted is done again; older than the lock, it is brought up to date.
$(VENV)/.installed: requirements.lock pyproject.toml
	@$(PYTHON) $(IS_NEW_ENOUGH) || { \
		echo "tracefleet needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
			"Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up $(VENV): a minute or two the first time …"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .import_linter_cache
