# What a developer does here. `make help` lists the targets.

VENV := .venv
BIN := $(VENV)/bin
PEERS := .venv-peers
# A passive wait policy keeps several processes from stalling each other on shared cores.
TEST_ENV := OMP_WAIT_POLICY=PASSIVE OMP_NUM_THREADS=1

.DEFAULT_GOAL := help
.PHONY: help setup demo train test test-slow test-peers lint bench

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "make %-10s %s\n", $$1, $$2}'

setup: $(VENV)/.stamp ## create .venv with the package and everything for development

# pybullet has wheels up to Python 3.11 and compiles for minutes on newer ones, hence the order.
$(VENV)/.stamp: pyproject.toml constraints.txt
	@if [ ! -x $(BIN)/python ]; then \
		for python in python3.11 python3.10 python3.12 python3; do \
			if $$python -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then \
				$$python -m venv $(VENV); break; \
			fi; \
		done; \
	fi
	@[ -x $(BIN)/python ] || { echo "Python 3.10 or newer is needed and was not found" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]' -c constraints.txt
	@touch $@

demo: setup ## watch a policy carry out an instruction, then ask about an image
	bash scripts/demo.sh

train: setup ## train a checkpoint from nothing, in two hours or more; goes on where it was interrupted
	bash scripts/train_default.sh

test: setup ## run the fast tests on two processes
	$(TEST_ENV) $(BIN)/python -m pytest -n 2

test-slow: setup ## run the tests that take minutes
	$(TEST_ENV) $(BIN)/python -m pytest -n 2 -m slow

test-peers: setup $(PEERS)/.stamp ## run the tests against the real lerobot, in an environment of its own
	$(TEST_ENV) $(BIN)/python -m pytest -m peers

# Its pins clash with ours, and 0.4 is the last that runs on Python 3.11.
$(PEERS)/.stamp:
	python3.11 -m venv $(PEERS)
	$(PEERS)/bin/python -m pip install --quiet 'lerobot==0.4.4'
	@touch $@

lint: setup ## check style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy vla sim

bench: setup ## print speeds beside their baselines
	$(BIN)/vla bench
