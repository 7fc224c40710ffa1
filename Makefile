PYTHON ?= python3
BIN := .venv/bin
# What `make test-wheel` installs as torch. On Linux a plain `torch` is the CUDA build of several GB.
TORCH ?= torch==2.13.0
export PIP_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-slow parity test-browser test-wheel lint format bench clean

# Set up, then run the main job: draw puppets, train TSN and TSM, test, predict, annotate.
demo: .venv.ok
	$(BIN)/kinesics demo --out demo

# Set up, then lint, types and tests.
test: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2

test-slow: .venv.ok
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m slow -n 2

# Compares every module with loops written from the published definitions, and loads the names of published weights.
parity: .venv.ok
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m parity tests/parity

# Drives a Chromium that is installed (Debian: apt-get install chromium); skips where there is none.
test-browser: .venv.ok
	$(BIN)/python -m pip install -q -e '.[browser]'
	$(BIN)/python -m pytest -m browser -rs

# Builds the wheel, installs it into an empty environment without pinned versions and uses it from outside.
test-wheel:
	PYTHON='$(PYTHON)' TORCH='$(TORCH)' .ci/wheel

lint: .venv.ok
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: .venv.ok
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: .venv.ok
	$(BIN)/python benchmarks/run.py

.venv.ok: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit("kinesics needs Python 3.11 or newer, this is " + sys.version.split()[0] + "; call make PYTHON=python3.11" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q torch
	$(BIN)/python -m pip install -q -e '.[lite0,dev]'
	touch .venv.ok

clean:
	rm -rf .venv .venv.ok demo
