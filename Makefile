# `make demo` and `make test` are all that a fresh machine needs: Python 3.11 or newer, and make.
# Everything is installed into .venv here; the rest of the machine stays as it is.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
TESTS  ?=
PYTEST_WORKERS ?= 2

# Two threads on two busy cores are slower than one: every test process keeps to one.
test benchmark: export OMP_NUM_THREADS := 1
test benchmark: export OPENBLAS_NUM_THREADS := 1
test benchmark: export MKL_NUM_THREADS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help demo test lint format docs benchmark clean

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-10s %s\n' "$$name" "$$text"; done

demo: $(VENV)/.demo ## the main job on real bundled data, ending with the verdict and its page
	@$(BIN)/sharewise demo

test: lint ## lint, types and all tests (TESTS="-m 'not slow'" passes options to pytest)
	@$(BIN)/python -m pytest -q -n $(PYTEST_WORKERS) --dist worksteal $(TESTS)

lint: $(VENV)/.dev ## lint, format check and types
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## mend what ruff can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

docs: $(VENV)/.docs ## the manual, in docs/_build/html
	@$(BIN)/python -m sphinx -q -W --keep-going -n -b html docs docs/_build/html

benchmark: $(VENV)/.dev ## sharewise beside scikit-learn and LightGBM pipelines, on real tables
	@$(BIN)/python benchmarks/compare.py

clean: ## remove .venv and what the tools left behind
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

# Modules are compiled as they are imported: compiling all that came takes a minute, and few are used.
# One stamp an extra; a changed pyproject.toml or constraints.txt installs again.
$(VENV)/.demo $(VENV)/.dev $(VENV)/.docs: $(VENV)/.%: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing sharewise with its extra '$*' into $(VENV) (some minutes the first time) ..."
	@$(BIN)/python -m pip install -qq --no-compile --disable-pip-version-check -c constraints.txt -e ".[$*]"
	@touch $@

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "sharewise needs Python 3.11 or newer; there is no '$(PYTHON)' here. Name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "sharewise needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Name another: make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
