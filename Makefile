# make run serves the web chat; make test runs every test; make check is what must pass before a commit.
# Nothing is needed but Python 3.11, make and git.

PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: run test check bench install install-dev clean

run: install
	$(BIN)/umbrella train
	$(BIN)/umbrella serve

test: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pytest

check: test
	$(BIN)/umbrella check

bench: install-dev
	$(BIN)/python -m bench.turns

install: .venv/installed
install-dev: .venv/installed-dev

.venv/installed: requirements.lock pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

.venv/installed-dev: requirements-dev.lock .venv/installed
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements-dev.lock
	touch $@

clean:
	rm -rf .venv
