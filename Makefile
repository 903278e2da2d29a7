# Everything there is to do; `make help` lists it.
PYTHON  ?= python3
VENV    ?= .venv
ENGINES ?= embedded
# Four at a time for two processors: half of the time a test waits for a server or a clock. Three where they are
# traced, too: tracing computes.
WORKERS ?= 4
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
PYTEST   = $(BIN)/python -m pytest -n $(WORKERS) --dist=worksteal --engines=$(ENGINES) --junitxml=.cache/tests-$(ENGINES).xml
# A virtual environment that is active elsewhere must not leak in; and without bytecode on the disk each worker, and each
# process that a test starts, compiles everything again.
unexport VIRTUAL_ENV PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint pyright wheel-check lowest newest format bench docs soak generate clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 2; }
	@echo "Installing the pinned dependencies into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --upgrade pip uv
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt \
	  --editable '.[demo]' --group dev
	@touch $@

setup: $(STAMP) ## Create .venv with everything that constraints.txt pins

demo: $(STAMP) ## Run the feed service under a burst, before and after the gate; writes quickwins-demo/
	@$(BIN)/quickwins demo

test: $(STAMP) ## Run the tests but those marked `volume`; ENGINES=embedded|containers|external|auto
	@$(PYTEST) -m 'not volume'

test-all: WORKERS = 3
test-all: $(STAMP) ## Run all tests, those of many repetitions too, and ask for 95 % of coverage
	@$(PYTEST) --cov --cov-report=term

lint: $(STAMP) ## Check style, types, import arrows, generated files and suppressions
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports
	@$(BIN)/python docs/generate.py --check
	@$(BIN)/python deploy/grafana/generate.py --check
	@$(BIN)/quickwins suppressions check

pyright: $(STAMP) ## Check with a second type checker what callers write (tests/typing); it needs node
	@$(BIN)/pyright

wheel-check: $(STAMP) ## Build the wheel, and use it in fresh environments with one extra each
	@$(BIN)/python .ci/wheel.py

lowest: $(STAMP) ## Run the unit and adapters' tests on the oldest versions that we claim
	@.ci/lowest

newest: $(STAMP) ## Run what makes tasks on the newest Python that is here, with tasks that begin where they are made
	@.ci/newest

format: $(STAMP) ## Format the code and apply the safe fixes
	@$(BIN)/ruff check --fix --exit-zero --quiet .
	@$(BIN)/ruff format .

bench: $(STAMP) ## Run the benchmarks; exit 3 when a target is missed; QUICK=1 repeats the longest fewer times
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

docs: $(STAMP) ## Build the documentation into site/, warnings are errors
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

soak: $(STAMP) ## Run the tests with chance in them long: properties, kills, leaks (an hour or more)
	@HYPOTHESIS_PROFILE=soak $(BIN)/python -m pytest tests/unit tests/faults tests/security tests/integration/engines

generate: $(STAMP) ## Write quickwins.example.toml, the pages of settings and metrics, the dashboards, and the gRPC code
	@$(BIN)/python docs/generate.py
	@$(BIN)/python deploy/grafana/generate.py
	@$(BIN)/python -m grpc_tools.protoc --plugin=protoc-gen-mypy=$(BIN)/protoc-gen-mypy \
	  --plugin=protoc-gen-mypy_grpc=$(BIN)/protoc-gen-mypy_grpc --proto_path=src --python_out=src --grpc_python_out=src \
	  --mypy_out=quiet:src --mypy_grpc_out=quiet,only_async:src src/quickwins/demo/protocol/feed.proto

clean: ## Remove everything that was built, .venv included
	@rm -rf $(VENV) .cache site build dist quickwins-demo .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache \
	  .hypothesis .import_linter_cache src/*.egg-info
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
