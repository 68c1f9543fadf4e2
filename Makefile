# Needs make, Python 3.11 or newer and a C library. `make help` lists the targets.

PYTHON ?= python3
BIN := .venv/bin

# Every key and address of a real service: dropped, so that neither demo nor test can write to a real workspace.
CLEAN := env \
	-u HEX_API_TOKEN -u HEX_API_TOKEN_NEXT -u HEX_API_TOKEN_FILE -u HEX_API_TOKEN_COMMAND \
	-u HEX_TOKEN_EXCLUSIVE -u HEX_BASE_URL \
	-u OPENAI_API_KEY -u OPENAI_ADMIN_KEY -u OPENAI_BASE_URL -u OPENAI_ORG_ID -u OPENAI_PROJECT_ID \
	-u ANTHROPIC_API_KEY -u ANTHROPIC_AUTH_TOKEN -u ANTHROPIC_BASE_URL \
	-u LANGSMITH_API_KEY -u LANGCHAIN_API_KEY -u LANGSMITH_TRACING -u LANGCHAIN_TRACING_V2 \
	-u DEFINABLE_HOME -u DEFINABLE_WORKSPACE -u DEFINABLE_LOG -u DEFINABLE_OFFLINE \
	-u DEFINABLE_QUOTA_SHARE -u DEFINABLE_DATABASE -u DEFINABLE_CONCIERGE

# "Data Team Weekly", one of the projects of the sandbox.
DEMO_PROJECT := 85451515-12ab-55f4-85f5-d73048b59eae

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format typecheck docs bench kills clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: .venv/.stamp ## Make .venv with the locked dependencies

.venv/.stamp: requirements.txt pyproject.toml
	@command -v "$(PYTHON)" >/dev/null 2>&1 || \
		{ echo "make: there is no '$(PYTHON)': install Python 3.11 or newer, or name one: make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "make: '$(PYTHON)' is $$("$(PYTHON)" --version 2>&1), 3.11 or newer is needed: make PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "make: '$(PYTHON)' has no venv module: install your system's python3-venv package" >&2; exit 1; }
	@echo "Making .venv (once; a minute or two)"
	@"$(PYTHON)" -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

demo: setup ## Run a workflow in the sandbox: no keys, no network
	@rm -rf build/demo
	@$(CLEAN) DEFINABLE_HOME=build/demo $(BIN)/definable run weekly-brief -i project=$(DEMO_PROJECT) \
		--sandbox --faults docs/demo/faults.yaml
	@echo "  (here: DEFINABLE_HOME=build/demo $(BIN)/definable runs show ID)"

# Types are checked beside the tests: these leave a core idle now and then.
test: lint ## Check everything: style, types, tests
	@nice $(BIN)/mypy & types=$$!; \
	$(CLEAN) $(BIN)/python -m pytest -q -n 3 --maxschedchunk 1; tests=$$?; \
	wait $$types || { echo "make: mypy found something: make typecheck" >&2; exit 1; }; exit $$tests

lint: setup ## Check style and formatting
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

format: setup ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

typecheck: setup ## Check types, strictly
	@$(BIN)/mypy

docs: setup ## Write the tables in docs/ anew, from the code and the data
	@$(BIN)/python docs/generate.py

bench: setup ## Measure the overhead of a run and of validation
	@$(CLEAN) $(BIN)/python -m benchmarks

kills: setup ## Kill 10,000 processes, and count what is there twice or lost (a quarter of an hour)
	@$(CLEAN) $(BIN)/python -m benchmarks.kills

clean: ## Remove everything that was built
	rm -rf .venv build dist .definable .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
