# Every target but `help`, `lock` and `clean` sets up the environment first, and only when it is out of date.
# A fresh machine needs Python 3.11 or newer (with its venv module) and make.

PYTHON  ?= python3
VENV    ?= .venv
UV      ?= uv
WORKERS ?= logical
ARGS    ?=

BIN     := $(VENV)/bin
# What was installed is marked inside the environment, so that removing it forgets the marks too.
LOCKED  := $(VENV)/.installed-lock
PROJECT := $(VENV)/.installed-project

PYTEST  := $(BIN)/python -m pytest
SOURCES := src tests $(wildcard benchmarks) $(wildcard examples) $(wildcard tools)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
export PIP_DISABLE_PIP_VERSION_CHECK = 1
# Tests start hundreds of processes, which would each compile every module where bytecode may not be kept.
export PYTHONDONTWRITEBYTECODE =

.PHONY: help setup demo test unit lint format bench soak docs lock clean

help: ## Show this list
	@echo "imagecurator: make TARGET [PYTHON=python3.12] [WORKERS=4] [ARGS='…']"
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(PROJECT) ## Create .venv with everything except torch (skipped when up to date)

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is missing or older than 3.11; name another one: make setup PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV) || { \
	  echo "$(PYTHON) could not create $(VENV); on Debian and Ubuntu, install python3-venv" >&2; exit 1; }

$(LOCKED): requirements/dev.txt | $(BIN)/python
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip
	@echo "Installing the locked packages into $(VENV) (some minutes, in which pip says nothing) …"
	$(BIN)/python -m pip install -qq --require-hashes -r requirements/dev.txt
	@touch $@

$(PROJECT): $(LOCKED) pyproject.toml src/nemo_curator/__init__.py
	$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

demo: setup ## Build a small real data set, curate it, print the path of the report
	$(BIN)/imagecurator demo $(ARGS)

test: lint unit ## Lint, then every test but the soak tests (ARGS='-k name')

unit: setup
	$(PYTEST) -n $(WORKERS) --dist worksteal -m "not soak" $(ARGS)

lint: setup ## Style, types, the floors of the house, docstrings on tests, changelog fragments
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/interrogate --quiet tests
	$(BIN)/towncrier build --draft --version next >/dev/null

format: setup ## Rewrite the sources in the house style
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: setup ## Run all benchmarks (hours), or ARGS='limit peers', and renew their figures in docs/benchmarks.md
	$(BIN)/python -m tools.benchmark_page --run $(ARGS)

soak: setup ## The long tests: thousands of commands, killed at every boundary and at random moments (half an hour)
	$(PYTEST) -m soak $(ARGS)

docs: setup ## Build the documentation into site/, warnings are errors
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Without the extras `gcs`, `lance`, `ray`, `text` and `torch`: nothing tests the first against a server, and the others'
# 200 MB to 2 GB would be downloaded for tests that skip without them.
# One lock for every supported Python and system. Kept pins stay; `make lock ARGS=--upgrade` renews them all.
COMPILE = $(UV) pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes \
  --no-emit-index-url --no-emit-find-links --quiet --custom-compile-command "make lock" $(ARGS)

lock: ## Make requirements/*.txt from pyproject.toml again (needs uv)
	@command -v $(UV) >/dev/null || { echo "This needs uv; install it, or name it: make lock UV=path/to/uv" >&2; exit 1; }
	$(COMPILE) --extra pandas --extra jxl --extra openvino --extra faces --extra fetch --extra hub --extra profile --extra s3 --extra demo --group dev --output-file requirements/dev.txt
	$(COMPILE) --constraint requirements/dev.txt --no-annotate --output-file requirements/base.txt

clean: ## Remove .venv and everything that was built
	rm -rf $(VENV) build dist site demo htmlcov .coverage .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
