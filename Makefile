PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint types check bench weights

demo: $(BIN)/.installed
	$(BIN)/musetalk-fast render -s builtin -i examples/portrait.png -a examples/speech.wav -o demo.mp4
	@echo "The video is $(CURDIR)/demo.mp4"

test: $(BIN)/.tested
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(BIN)/.tested
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(BIN)/.tested
	$(BIN)/mypy

check:
	$(MAKE) -j3 lint types test

bench: $(BIN)/.tested
	$(BIN)/python -m pytest benches --rows build/bench.json --bars
	@echo "The table is $(CURDIR)/build/bench.json"

weights: $(BIN)/.installed
	$(BIN)/python ci/mouth/train.py
	$(BIN)/python ci/mouth/evaluate.py

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(BIN)/.installed: $(BIN)/python pyproject.toml setup.py $(wildcard ext/*)
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

# Not on top of .installed: the kernels would be compiled twice.
$(BIN)/.tested: $(BIN)/python pyproject.toml setup.py $(wildcard ext/*)
	$(BIN)/python -m pip install --quiet -e ".[test]"
	@touch $(BIN)/.installed $@
