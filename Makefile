# Everything starts here; `make` alone prints this list.
PYTHON ?= python3
BIN := .venv/bin
DIR ?=
ARGS ?=
.DEFAULT_GOAL := help
.PHONY: help setup run test check cover openrpc contracts vectors scenarios check-chain demo bench clean
.DELETE_ON_ERROR:

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: .venv/.dev contracts ## Install everything for work on the project

run: .venv/.run contracts ## Start a wallet server with its own chain and Redis (ARGS="--chain 421614")
	@$(BIN)/wallet-rpc dev $(ARGS)

test: setup ## Run the whole test suite (ARGS="-k name")
	@$(BIN)/pytest -n 2 --dist loadscope $(ARGS)

check: setup ## Lint, types, import contracts, openrpc drift
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/wallet-rpc openrpc | diff openrpc.yaml - || { echo "openrpc.yaml is stale: make openrpc"; exit 1; }

cover: setup ## The domain's tests must reach every line and branch of it
	@$(BIN)/pytest -p no:randomly tests/domain tests/golden/test_vectors.py --cov=wallet_rpc.domain --cov-branch --cov-report=term-missing --cov-fail-under=100

openrpc: .venv/.run ## Write openrpc.yaml from the operations
	@$(BIN)/wallet-rpc openrpc > openrpc.yaml.new && mv openrpc.yaml.new openrpc.yaml

contracts: .venv/.run ## Compile the contracts into the genesis file, when they changed
	@$(BIN)/python -m wallet_rpc.devchain.build

vectors: setup ## Check golden vectors (DIR=folder, default specs/vectors)
	@$(BIN)/python -m tests.golden.vectors $(or $(DIR),specs/vectors)

scenarios: setup ## Replay golden scenarios on the embedded chain (DIR=folder, default specs/scenarios)
	@$(BIN)/python -m tests.golden.scenarios $(or $(DIR),specs/scenarios) $(ARGS)

check-chain: setup ## Replay every scenario, on our contracts and on the production bytecode where it is present
	@$(BIN)/python -m tests.golden.scenarios specs/scenarios
	@$(BIN)/python -m tests.golden.scenarios specs/scenarios --contracts production

demo: .venv/.run contracts ## Play the whole story against a running or fresh server (ARGS="--url http://…")
	@$(BIN)/wallet-rpc demo $(ARGS)

bench: setup ## Measure createSession and whole session operations
	@$(BIN)/python -m tests.bench $(ARGS)

clean: ## Remove what was installed and built; data folders stay
	@rm -rf .venv wallet_rpc/devchain/contracts/node_modules wallet_rpc/devchain/contracts/build

# A bare Debian has Python without venv and without pip: then its own package is installed first.
.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "wallet-rpc needs Python 3.11 or newer; found $$($(PYTHON) --version) (set PYTHON=…)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Installing python3-venv"; \
		sudo=; [ "$$(id -u)" = 0 ] || sudo=sudo; \
		$$sudo apt-get update -qq && $$sudo apt-get install -y -qq python3-venv >/dev/null || \
		{ echo "Python's venv module is missing and could not be installed: install python3-venv"; exit 1; }; }
	@echo "Creating .venv"
	@rm -rf .venv && $(PYTHON) -m venv .venv && $(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

.venv/.run: pyproject.toml | .venv/bin/python
	@echo "Installing wallet-rpc and what it needs (once, about a minute)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "Installing Node.js"; $(BIN)/python -m pip install --quiet --disable-pip-version-check --group node; }
	@touch $@

.venv/.dev: .venv/.run
	@echo "Installing the development tools (once)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@
