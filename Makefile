# Every command of this project. Plain `make` lists them. Works with GNU make 3.81 (macOS).
.DEFAULT_GOAL := help
.PHONY: help setup run test check fix test-faults bench starter-model lock docs clean
MAKEFLAGS += --no-print-directory
# Bytecode is kept even where it is off elsewhere: what starts often (servers, the command line) then
# compiles nothing, as where people use it.
unexport PYTHONDONTWRITEBYTECODE

# LMX_HOME and PYTHON pass through by themselves, from the environment or the command line.
# A PORT in the environment belongs to something else: only `make run PORT=...` moves the server.
ifneq ($(origin PORT),command line)
PORT :=
endif
# cpu or cuda13; empty: cuda13 where there is an NVIDIA GPU with a new enough driver, else cpu.
EXTRA ?=

BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# Two processes; the tests of a file that share a server stay together (tests/conftest.py).
PARALLEL := -n 2

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' Makefile
	@echo "  make run PORT=1235 EXTRA=cpu|cuda13 LMX_HOME=/path  choose port, build of MLX, state directory"

setup: ## make .venv from the locks, with everything the tests need
	@tools/bootstrap dev >/dev/null

run: ## install what serving needs, then serve on 127.0.0.1:1234
	@venv=$$(tools/bootstrap $(if $(EXTRA),$(EXTRA),auto)) && exec "$$venv/bin/lmx" serve $(if $(PORT),--port $(PORT))

test: setup ## every check and every test but the long fault runs; what CI runs
	@$(PYTEST) $(PARALLEL) -m "not faults"

check: setup ## fast: every check, and the unit tests
	@$(BIN)/python -m tools.checks
	@$(PYTEST) $(PARALLEL) -m "not faults and not slow" tests/unit

fix: setup ## format, and mend what the linter can mend by itself
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix .

test-faults: setup ## the long runs: kill -9, full disk, hung workers, hostile input
	@$(PYTEST) -m faults

bench: setup ## run the benchmarks, print the table, write JSON
	@$(BIN)/python -m bench

starter-model: ## retrain the starter model (PyTorch, in an environment of its own)
	@venv=$$(tools/bootstrap starter) && exec "$$venv/bin/python" -m starter build

lock: ## regenerate requirements/*.txt from pyproject.toml (UPGRADE=1: newest versions)
	@tools/lock

docs: setup ## regenerate the pages that are made from code, build the site into build/site
	@$(BIN)/python -m tools.docs
	@$(BIN)/python -m tools.site

clean: ## delete environments and caches; nothing that is not rebuilt, and never LMX_HOME
	@rm -rf build .venv .venv-cuda13 .venv-starter .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	@find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +
