# Every target makes its own .venv from the hash-pinned lock when it is missing or stale.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
TESTS ?= tests
RETAIL ?= ../shared/data/tau2-retail
INJECTION ?= ../shared/data/agentdojo
SOAK ?= tests/rules tests/store tests/checkpoint tests/queue
ROUNDS ?= 5
# Tests wait for disks and other processes about a third of their time.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) * 3 / 2)))
SEED ?= 7
SHOTS ?= screenshots
DATA := $(or $(AGENT_RUNTIME_DATA),data)

.PHONY: demo test cover check format bench serve redteam screenshots soak clean lock
.DEFAULT_GOAL := demo

$(READY): requirements.lock pyproject.toml
	@echo "Making $(VENV) from requirements.lock ..."
	@$(PYTHON) -c 'import sys; sys.exit("Python 3.11 to 3.13 is needed; this is %d.%d. Name another: make PYTHON=python3.12" % sys.version_info[:2]) if not (3, 11) <= sys.version_info[:2] <= (3, 13) else None'
	@$(PYTHON) -m venv --clear $(VENV)
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet --require-hashes -r requirements.lock
	@PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(READY) ## the main job, start to end, on a fresh data folder
	@$(BIN)/agent-runtime demo

# Every process of theirs would compile all that it imports again.
test cover: export PYTHONDONTWRITEBYTECODE =

test: $(READY) ## all tests
	@$(BIN)/pytest -n $(WORKERS) $(TESTS)

check: $(READY) ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(READY) ## speed beside the stock saver and over HTTP, then the real tasks of the retail benchmark (needs its data)
	@$(BIN)/python -m benchmarks.engine
	@$(BIN)/python -m benchmarks.api
	@$(BIN)/python -m benchmarks.scale
	@$(BIN)/python -m benchmarks.retrieval
	@$(BIN)/python -m benchmarks.console
	@$(BIN)/python -m benchmarks.models
	@$(BIN)/python -m benchmarks.telemetry
	@test -d $(RETAIL) || { echo "No benchmark data in $(RETAIL); name its folder: make bench RETAIL=DIR"; exit 2; }
	@$(BIN)/python -m benchmarks.retail --data $(RETAIL) --tasks $(RETAIL)/tasks_train.json
	@$(BIN)/python -m benchmarks.retail --data $(RETAIL) --tasks $(RETAIL)/tasks_train.json --approver deny
	@$(BIN)/python -m benchmarks.retail --data $(RETAIL) --tasks $(RETAIL)/tasks_train.json --adversarial $(RETAIL)/proposals_adversarial.json
	@for suite in $(INJECTION)/*.json; do $(BIN)/python -m benchmarks.injection --suite $$suite || exit 1; done

cover: $(READY) ## all tests, with the lines and branches that they reach
	@$(BIN)/pytest -n $(WORKERS) --cov --cov-report=term $(TESTS)

serve: $(READY) ## the console and the HTTP API on the demo's data, without tokens, on this machine only
	@test -f $(DATA)/runtime.db || $(BIN)/agent-runtime demo --leave-open
	@$(BIN)/agent-runtime serve --dev

screenshots: $(READY) ## every screen of the console, light and dark, wide and narrow (needs Chromium)
	@$(BIN)/python -m tests.console.screens $(SHOTS)

redteam: $(READY) ## bad proposals and stolen rights, tried on a copy of the demo's runs
	@test -f $(DATA)/runtime.db || $(BIN)/agent-runtime demo
	@$(BIN)/agent-runtime redteam

soak: $(READY) ## kills, races and stopped workers at length, then the tests about them again and again
	@$(BIN)/python -m benchmarks.crash --long --seed $(SEED)
	@$(BIN)/python -m benchmarks.scale --finished 100000
	@$(BIN)/python -m tests.powerloss --seed $(SEED)
	@for round in $$(seq $(ROUNDS)); do echo "round $$round of $(ROUNDS)"; $(BIN)/pytest -x $(SOAK) || exit 1; done

format: $(READY)
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage htmlcov build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

lock: ## resolve the newest versions within pyproject's ranges; needs uv
	uv pip compile pyproject.toml --extra dev --generate-hashes --universal --python-version 3.11 --no-header --no-emit-index-url --upgrade -o requirements.lock
