PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
MUSETALK := .venv-musetalk/bin
DOCS := .venv-docs/bin

# Tests and benches start hundreds of processes: each would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test test-musetalk lint types check bench weights wheel docs

demo: $(BIN)/.installed
	$(BIN)/musetalk-fast render -s builtin -i examples/portrait.png -a examples/speech.wav -o demo.mp4
	@echo "The video is $(CURDIR)/demo.mp4"

test: $(BIN)/.tested
	$(BIN)/python -m pytest -n auto --dist worksteal

# Some 5 GB where torch brings its CUDA packages: in an environment of its own.
test-musetalk: $(MUSETALK)/.tested
	$(MUSETALK)/python -m pytest tests/musetalk -n0

lint: $(BIN)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.tested
	$(BIN)/mypy
	$(BIN)/mypy --config-file ci/mypy.ini

check:
	$(MAKE) -j3 lint types test

bench: $(BIN)/.tested
	$(BIN)/python -m pytest benches --rows build/bench.json --bars
	@echo "The table is $(CURDIR)/build/bench.json"

# sdist and wheel in dist/, as a release has them, tested where there is no compiler.
wheel:
	ci/wheel.sh

# The site in build/site; strict.
docs: $(DOCS)/.installed
	$(DOCS)/python -m build_steps.site

weights: $(BIN)/.installed
	$(BIN)/python ci/mouth/train.py
	$(BIN)/python ci/mouth/evaluate.py

# The mark comes last: an environment that was left half made is made whole. What is in it stays.
%/bin/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is \
	needed, this is " + sys.version.split()[0] + ": make PYTHON=python3.13")'
	$(PYTHON) -m venv $*
	@$*/bin/python -m pip --version > /dev/null
	@touch $@

$(BIN)/.installed: $(BIN)/.made pyproject.toml setup.py $(wildcard ext/*)
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

# Not on top of .installed: the kernels would be compiled twice.
$(BIN)/.tested: $(BIN)/.made pyproject.toml setup.py $(wildcard ext/*)
	$(BIN)/python -m pip install --quiet -e ".[test]"
	@touch $(BIN)/.installed $@

$(MUSETALK)/.tested: $(MUSETALK)/.made pyproject.toml setup.py $(wildcard ext/*)
	$(MUSETALK)/python -m pip install --quiet -e ".[test,musetalk]"
	@touch $@

# No kernels: nothing is rendered for a page.
$(DOCS)/.installed: $(DOCS)/.made pyproject.toml
	MUSETALK_BUILD_EXTENSIONS=off $(DOCS)/python -m pip install --quiet -e ".[docs]"
	@touch $@
