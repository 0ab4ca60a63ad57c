# `make demo` and `make test` set up what they need in $(VENV) themselves; they need Python 3.11 or newer and nothing else.
VENV ?= .venv
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
PYTEST_ARGS ?= -n auto
export PATH := $(abspath $(VENV))/bin:$(PATH)

.PHONY: demo test lint docs lab clean

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
