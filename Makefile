# Every target first makes sure that .venv exists and holds what pyproject.toml asks for.
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready

.PHONY: demo test servers lint format types bench soak docs check clean

demo: $(READY)
	$(BIN)/okex-ws demo

# The long tests run in .ci/run and in `make soak`.
test: $(READY) servers
	$(BIN)/pytest -rs -n auto --dist worksteal -m "not long"

# What cannot be installed is said, and the tests that need it are skipped, by name.
servers:
	-@scripts/install_servers.sh

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports --no-cache

format: $(READY)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

types: $(READY)
	$(BIN)/mypy

bench: $(READY)
	$(BIN)/python bench/stream.py
	$(BIN)/python bench/orders.py
	$(BIN)/python bench/record.py
	$(BIN)/python bench/query.py

soak: $(READY) servers
	$(BIN)/python -m tests.soak.run 1 1000
	$(BIN)/python -m tests.soak.backfill 0 1000
	$(BIN)/python -m tests.soak.engine 1 1000000
	$(BIN)/python -m tests.soak.orders steps 100000
	$(BIN)/python -m tests.soak.orders 1 100000
	OKEX_WS_KILL_LOOPS=1000 $(BIN)/pytest --timeout=7200 -m "long or loops"

docs: $(READY)
	$(BIN)/python scripts/make_cli_docs.py

check: lint types test

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; try: make PYTHON=python3.12 demo")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -qq --disable-pip-version-check --editable '.[dev]'
	@touch $(READY)

clean:
	rm -rf .venv .cache .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist
