.DEFAULT_GOAL := help
.PHONY: help run test bench dev lint setup lock clean

PYTHON ?= python3
BIN := .venv/bin
# Compiled bytecode makes every command start three times faster.
unexport PYTHONDONTWRITEBYTECODE
# A company's own certificate authority is in the system's store, not in uv's.
export UV_SYSTEM_CERTS := 1

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/ready ## Run the whole pipeline once on the demo sources, then show what an agent sees
	$(BIN)/grounded run --tour

# The faults come alone: one of their tests uses both cores itself, and the rest run beside it.
# Of the others some wait for a disk or a server, so one process more than cores; tests/conftest.py
# says which begin and which go together.
TESTS := $(BIN)/pytest $(if $(FULL),-m 'not bombs')
test: lint ## Lint, type-check and test; with minutes of kills and random histories too: FULL=1
	$(TESTS) tests/faults --numprocesses=2 --dist=worksteal
	$(TESTS) --ignore=tests/faults --numprocesses=3 --dist=loadfile --no-loadscope-reorder

dev: .venv/ready ## Open the Dagster UI on the pipeline
	$(BIN)/grounded dev

lint: .venv/ready ## Ruff and mypy alone
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/ready ## Measure, in 20 minutes. One alone: ONLY=lookup, of ONLY=list; the largest sizes: FULL=1
	$(BIN)/python -m tests.benchmarks $(if $(ONLY),--only $(ONLY)) $(if $(FULL),--full)

setup: .venv/ready ## Create .venv from the lock

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.5'
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --no-deps --require-hashes --compile-bytecode -r requirements.lock
	VIRTUAL_ENV=$(CURDIR)/.venv $(BIN)/uv pip install --no-deps --no-build-isolation -e .
	@touch $@

lock: ## Resolve the lock again from pyproject.toml
	$(BIN)/uv pip compile pyproject.toml --universal --generate-hashes --upgrade --quiet \
		--extra demo --extra mysql --group model --group dev -o requirements.lock

clean: ## Remove the environment and all run-time data
	-$(BIN)/grounded demo down
	rm -rf .venv data
