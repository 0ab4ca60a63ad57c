# `make demo` and `make test` set up what they need in $(VENV) themselves; they need Python 3.11 or newer and nothing else.
VENV ?= .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTEST_ARGS ?= -n auto
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: demo test lint docs lab wheel test-compiled clean

demo: $(VENV)/.run
	@sh .ci/demo

test: $(VENV)/.dev
	$(VENV)/bin/python -m pytest $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/ruff check
	$(VENV)/bin/mypy

# Regenerates what is generated: documentation, schema and golden files. `git diff` then shows what changed.
docs: $(VENV)/.dev
	$(VENV)/bin/python .ci/docs.py

# The simulator's claims on a real kernel, whole and broken (docs/lab.md): needs QEMU, a compiler and linux-source-6.12.
lab: $(VENV)/.dev
	$(VENV)/bin/python tests/lab/run.py

# A wheel in dist/ with the analysis compiled: needs a C compiler and the headers of Python, and three minutes.
wheel: $(VENV)/.dev
	.ci/wheel $(VENV)/bin/python dist

# The tests of the analysis, and of what it finds, on what `make wheel` has made.
test-compiled: wheel
	rm -rf $(VENV)/compiled
	$(VENV)/bin/python -m zipfile -e dist/mmlint-*.whl $(VENV)/compiled
	PYTHONPATH=$(VENV)/compiled MMLINT_COMPILED=1 $(VENV)/bin/python -m pytest $(PYTEST_ARGS) -o pythonpath=. \
		tests/facts tests/changes tests/source tests/audit tests/kernel $(wildcard tests/test_*.py)

$(VENV)/.run: pyproject.toml .ci/environment.py
	@test -n "$(PYTHON)" || { echo "mmlint needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) .ci/environment.py $(VENV)
	@touch $@

$(VENV)/.dev: pyproject.toml .ci/environment.py
	@test -n "$(PYTHON)" || { echo "mmlint needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	$(PYTHON) .ci/environment.py $(VENV) dev
	@touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV)
