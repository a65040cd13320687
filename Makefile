# The project's commands; `make` alone lists them.
PYTHON ?= python3
BIN := .venv/bin
DIR ?=
ARGS ?=
INSTALL := .requirements/install
# Runs apt-get as root, or with sudo.
APT := $$([ "$$(id -u)" = 0 ] || echo sudo) env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0
# Between the attempts of npm, whose own 10 s and 60 s pass in silence where no registry answers.
export npm_config_fetch_retry_mintimeout ?= 1000
# Each start of a server would compile every module again.
unexport PYTHONDONTWRITEBYTECODE
SHELL := bash
.SHELLFLAGS := -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup run test check style cover openrpc lock upgrade wheel try-wheel contracts clients js stack-tools stack vectors scenarios check-chain check-rules demo bench chaos mutants clean picture
.DELETE_ON_ERROR:

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' Makefile

setup: .venv/.dev contracts clients stack-tools js ## Install everything for development

run: .venv/.run contracts ## Start a wallet server with its own chain and Redis (ARGS="--chain 421614")
	@exec $(BIN)/wallet-rpc dev $(ARGS)

test: setup ## Run the whole test suite (ARGS="-k name")
	@$(BIN)/pytest -n 3 --dist loadscope $(ARGS)

check: .venv/.dev contracts ## Run linter, language measures, type checker and import contracts; compare openrpc.yaml
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@$(BIN)/python -m tests.style
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/wallet-rpc openrpc | diff openrpc.yaml - || { echo "openrpc.yaml is stale: make openrpc"; exit 1; }

style: setup ## Measure the language of names and docstrings against its targets
	@$(BIN)/python -m tests.style

cover: setup ## Check that the domain's tests cover every line and branch of it
	@$(BIN)/pytest -p no:randomly tests/domain tests/golden/test_vectors.py --cov=wallet_rpc.domain --cov-branch --cov-report=term-missing --cov-fail-under=100

openrpc: .venv/.dev ## Write openrpc.yaml and the methods of the Python client from the operations
	@$(BIN)/wallet-rpc openrpc > openrpc.yaml.new && mv openrpc.yaml.new openrpc.yaml
	@$(BIN)/python -m tests.client.generate

lock: .venv/.dev ## Pin the requirements of pyproject.toml in .requirements, changing as little as possible
	@$(BIN)/python -m tests.packages.lock

upgrade: .venv/.dev ## Raise the upper bounds and the pins of all dependencies to the newest; print what changed
	@$(BIN)/python -m tests.packages.lock --upgrade

wheel: .venv/.dev contracts ## Build the wheel and the sdist into .dist
	@rm -rf .dist && $(BIN)/python -m build --no-isolation --outdir .dist

try-wheel: setup ## Build the wheel from a fresh tree and play its demo, by the commands of specs/dependencies.md
	@$(BIN)/pytest --timeout=1200 tests/packages/fresh_tree.py $(ARGS)

contracts: .venv/.run ## Compile the contracts into the genesis file if they changed
	@$(BIN)/python -m wallet_rpc.devchain.build

clients: .venv/.dev ## Install the official clients from npm if their lock file changed
	@$(BIN)/python -m tests.clients.npm

js: .venv/.dev ## Build the JavaScript package, and install it in an empty project
	@$(BIN)/python -m tests.js.packing
	@command -v chromium >/dev/null || { echo "Installing Chromium, in which the tests run dapps"; $(APT) update && $(APT) install -y --no-install-recommends chromium >/dev/null; } || \
		echo "Chromium is missing and could not be installed: the tests of dapps will fail"

stack-tools: .venv/.dev ## Install anvil and Alto from npm if their lock file changed
	@$(BIN)/python -m tests.stack.installing

stack: .venv/.dev contracts stack-tools ## Run anvil, Alto, Redis and wallet-rpc serve until Ctrl-C (ARGS=--any-port)
	@exec $(BIN)/python -m tests.stack $(ARGS)

vectors: setup ## Check golden vectors (DIR=folder, default specs/vectors)
	@$(BIN)/python -m tests.golden.vectors $(or $(DIR),specs/vectors)

scenarios: setup ## Replay golden scenarios on the embedded chain (DIR=folder, default specs/scenarios)
	@$(BIN)/python -m tests.golden.scenarios $(or $(DIR),specs/scenarios) $(ARGS)

check-chain: setup ## Replay every scenario on wallet-rpc's contracts and, where present, on the production bytecode
	@$(BIN)/python -m tests.golden.scenarios specs/scenarios
	@$(BIN)/python -m tests.golden.scenarios specs/scenarios --contracts production

check-rules: setup ## Compare decisions on sessions with the EVM, and reservations with a model, 10,000 each (ARGS="--seed 1")
	@$(BIN)/python -m tests.explain $(ARGS)
	@$(BIN)/python -m tests.explain --contracts production $(ARGS)
	@$(BIN)/python -m tests.rules $(ARGS)

demo: .venv/.run contracts ## Show account, grant, allowed and denied calls on a running or new server (ARGS="--url http://…")
	@exec $(BIN)/wallet-rpc demo $(ARGS)

bench: setup ## Compare with what else a user would install; write specs/performance.md (ARGS=quick: a minute)
	@$(BIN)/python -m tests.bench $(ARGS)

picture: setup ## Draw specs/metrics.svg from scrapes of a server under load (two minutes)
	@$(BIN)/python -m tests.bench.metrics_picture

chaos: setup ## Kill, freeze, cut, slow and lie; print kills, calls, lost, twice, wrong (ARGS="--quick", an hour)
	@$(BIN)/python -m tests.chaos $(ARGS)

mutants: setup ## Run mutation tests of the code that decides about authority (ARGS="MODULE.py ...", an hour)
	@$(INSTALL) mutation.txt
	@nice -n 15 $(BIN)/python -m tests.mutation $(ARGS)

clean: ## Remove installed and built files; keep data folders
	@rm -rf .venv .chaos .dist wallet_rpc/devchain/contracts/node_modules wallet_rpc/devchain/contracts/build tests/bench/node_modules tests/stack/node_modules tests/clients/node_modules tests/clients/build tests/clients/pages wallet_rpc/js/node_modules wallet_rpc/js/build tests/js/build

# Each installation removes `.made` until it is done, so an interrupted one starts again from nothing.
# A bare Debian has Python without venv and pip: then its python3-venv package is installed first.
.venv/.made:
	@command -v "$(PYTHON)" >/dev/null || { echo "$(or $(PYTHON),PYTHON is empty): command not found; install Python 3.11 or newer, or name yours: make PYTHON=…"; exit 1; }
	@[ "$$($(PYTHON) -c 'import sys; print(sys.version_info >= (3, 11))' 2>/dev/null)" = True ] || { found=$$($(PYTHON) -c "import platform; print(platform.python_version())" 2>/dev/null); echo "wallet-rpc needs Python 3.11 or newer; $(PYTHON) is $${found:-no working Python} (set PYTHON=…)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "Installing python3-venv"; $(APT) update && $(APT) install -y python3-venv >/dev/null; } || \
		{ echo "Python's venv module is missing and could not be installed: install python3-venv"; exit 1; }
	@echo "Creating .venv"
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@touch $@

.venv/.run: pyproject.toml wallet_rpc/__init__.py $(addprefix .requirements/, pip.txt build.txt run.txt node.txt) .venv/.made
	@echo "Installing wallet-rpc and its dependencies (once, about a minute)"
	@rm -f .venv/.made
	@$(INSTALL) pip.txt && $(INSTALL) run.txt && HATCH_BUILD_NO_HOOKS=true $(INSTALL) --no-deps --editable . # `contracts` compiles
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "Installing Node.js, for the Solidity compiler"; $(INSTALL) node.txt; }
	@touch .venv/.made $@

.venv/.dev: .requirements/dev.txt .venv/.run
	@echo "Installing the development tools (once)"
	@rm -f .venv/.made
	@$(INSTALL) dev.txt
	@command -v curl >/dev/null || { echo "Installing curl, which the README's commands use"; $(APT) update && $(APT) install -y curl >/dev/null; } || \
		echo "curl is missing and could not be installed: the test of the README's commands will fail"
	@PATH=$$PATH:.venv/prometheus/usr/bin type promtool prometheus >/dev/null 2>&1 || { echo "Unpacking Prometheus, with which the tests check metrics and alerts"; rm -rf .venv/prometheus && mkdir .venv/prometheus && $(APT) update && (cd .venv/prometheus && apt-get -qq download prometheus 2>/dev/null && dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin && rm prometheus_*.deb); } || \
		echo "Prometheus is missing and could not be unpacked from its Debian package: the tests of metrics will fail"
	@touch .venv/.made .venv/.run $@
