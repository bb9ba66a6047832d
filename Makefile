# Every target sets itself up in .venv; nothing is installed outside it. `make` alone lists the targets.
# Another interpreter: make demo PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin
UV_VERSION := 0.13.9
PROJECTS := pyproject.toml registry/pyproject.toml $(sort $(wildcard plugins/*/pyproject.toml))
INSTALLED := .venv/.installed
RUN ?= runs/tiny
JOBS ?= 2

# glibc returns large blocks to the system after each convolution and asks for them again; keeping them saves a quarter
# of the time of convolutions. Elsewhere these variables mean nothing.
KEEP_MEMORY := MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=17179869184 MALLOC_TOP_PAD_=268435456

# Python compiles a module once, not in every process: torch and transformers are thousands of them.
unexport PYTHONDONTWRITEBYTECODE

# Test files run side by side, each process on one thread: small tensors gain nothing from a second.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

.PHONY: help setup demo test test-all lint audit bench faults docs wheels

help:
	@echo "make demo      train, evaluate and report the embedded example (a few minutes, no GPU; no model or data is downloaded)"
	@echo "make test      lint, then every test but the slow ones"
	@echo "make test-all  lint, then every test"
	@echo "make lint      ruff, mypy, import-linter"
	@echo "make audit     known faults of the pinned packages (asks the network)"
	@echo "make bench     what emosym costs beside what would be used instead, and what grows with the data"
	@echo "make faults    kill, starve and fuzz runs for a quarter of an hour, and write docs/reliability.md"
	@echo "make docs      build the documentation into site/"
	@echo "make wheels    build the wheels of all packages into dist/"

setup: $(INSTALLED)

# The lock leaves out what torch itself pins for its platform (CUDA, triton), so that it fits every platform.
$(INSTALLED): requirements.lock $(PROJECTS)
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"emosym needs Python 3.11 to 3.13, $(PYTHON) is {v[0]}.{v[1]}; try: make PYTHON=python3.12")'
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(patsubst %,-e ./%,$(patsubst %/,%,$(dir $(PROJECTS))))
	@touch $@

demo: $(INSTALLED)
	$(KEEP_MEMORY) $(BIN)/emosym run configs/tiny.yaml --out $(RUN) $(if $(wildcard $(RUN)/spec.yaml),--resume)

test: lint
	$(PYTEST) -m "not slow"

test-all: lint
	$(PYTEST)

lint: $(INSTALLED)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# Known faults of what is installed; asks the network.
audit: $(INSTALLED)
	$(BIN)/uv tool run pip-audit --requirement requirements.lock --no-deps --disable-pip

bench: $(INSTALLED)
	$(KEEP_MEMORY) $(BIN)/python -m benchmarks
	$(KEEP_MEMORY) $(BIN)/python -m benchmarks.costs
	$(KEEP_MEMORY) $(BIN)/python -m benchmarks.scale

# Hundreds of killed, starved and fuzzed runs; writes docs/reliability.md.
faults: $(INSTALLED)
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults

docs: $(INSTALLED)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html"

# A build that fails leaves dist/ as it was.
wheels: $(INSTALLED)
	@rm -rf dist.new && mkdir dist.new
	@for project in $(dir $(PROJECTS)); do \
		(cd $$project && $(CURDIR)/$(BIN)/python -m hatchling build -t wheel -d $(CURDIR)/dist.new) || exit 1; done
	@rm -rf dist && mv dist.new dist && ls dist
