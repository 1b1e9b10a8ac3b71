# make demo  shows the main job; make test  checks everything. Both do all their own set-up.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PY := .venv/bin/python
STAMP := .venv/.installed
DISPLAYED := scripts/with-display.sh
# processes that share out the tests, file by file; a crash in one ends the run, it would hang
WORKERS ?= 2

.PHONY: help setup system test lint pytest demo docs-pictures clean

help: ## say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(STAMP) ## install the system libraries (when allowed) and the environment in .venv

system:
	@scripts/system-packages.sh

.venv/pyvenv.cfg: | system
	@python=$$(scripts/find-python.sh); echo "Making .venv with $$python"; "$$python" -m venv .venv

$(STAMP): pyproject.toml constraints.txt | system .venv/pyvenv.cfg
	@echo "Installing the package and its tools into .venv (minutes the first time)"
	@$(PY) -m pip install --quiet --upgrade pip
	@$(PY) -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $@

test: lint pytest ## lint, types, import layers, manifest and tests

lint: $(STAMP) ## ruff, mypy, import layers, napari manifest
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	.venv/bin/lint-imports
	.venv/bin/npe2 validate napari-stdiff --imports

pytest: $(STAMP) ## the tests alone; say ARGS="-k name" to choose
	$(DISPLAYED) $(PY) -m pytest -n $(WORKERS) --max-worker-restart 0 $(ARGS)

demo: $(STAMP) ## cut a virtual section through the simulated tissue and look at it
	$(DISPLAYED) $(PY) scripts/demo.py

docs-pictures: $(STAMP) ## make docs/images again
	$(DISPLAYED) --offscreen $(PY) docs/pictures.py

clean: ## remove what was built, the environment included
	rm -rf .venv demo build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -not -path './.git/*' -exec rm -rf {} +
