# Every target sets up what it needs in .venv on first use. `make demo` and `make test` are the two to know.

PYTHON ?= python3
PORT ?= 8000
BUNDLE ?= models/bundles/demo
KNEES ?= build/knees
# The environment's folder: another one for another Python.
VENV ?= .venv
# Test processes; each takes up to 5 GB.
JOBS ?= 2

BIN := $(VENV)/bin
# Slow files come first, so that both processes end together (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
export TF_CPP_MIN_LOG_LEVEL ?= 2
# Python keeps what it has compiled: tests start many processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test quick serve check format docs coverage bench demo-bundle evaluate-demo clean

help:                      ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.run         ## the main job on the shipped bundle: study in, prediction and heatmaps out
	$(BIN)/python -m app.demo --out demo-output

test: check docs           ## format, lint, types, pages and every test
	$(PYTEST)

quick: $(VENV)/.dev        ## the tests to run all the time, under a minute
	$(PYTEST) -m "not slow" --quiet

serve: $(VENV)/.run        ## the service in the foreground, on loopback (PORT, BUNDLE)
	PORT=$(PORT) CRUCIATE_BUNDLES=$(BUNDLE) $(BIN)/gunicorn --config app/gunicorn.conf.py

check: $(VENV)/.dev        ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy app/gunicorn.conf.py

format: $(VENV)/.dev       ## format every file and mend what the linter can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(VENV)/.dev         ## the pages and the reference as a site in build/site; every warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

coverage: $(VENV)/.dev     ## which lines the tests run: build/coverage/index.html
	$(PYTEST) --cov --cov-report=html:build/coverage --cov-report=term:skip-covered

bench: $(VENV)/.dev build/mrnet/manifest.json  ## where the time goes, side by side in one run
	$(BIN)/python -m tests.bench.post
	$(BIN)/python -m tests.bench.stow
	$(BIN)/python -m tests.bench.batch
	$(BIN)/python -m tests.bench.batch --bundle build/mrnet
	$(BIN)/python -m tests.bench.decode
	$(BIN)/python -m tests.bench.epoch

# The published network at its full size, for its speed alone: it has hardly learnt.
build/mrnet/manifest.json: $(VENV)/.run
	$(BIN)/python -m data_prep.phantom --out build/few-knees --exams 40 --seed 3
	$(BIN)/python -m training.train mrnet --exams build/few-knees/exams.csv --out build/mrnet --force \
		--set 'trunk.weights="random"' --set fit.epochs=1 --set fit.restarts=0

demo-bundle: $(VENV)/.run  ## make models/bundles/demo again, from nothing
	$(BIN)/python -m data_prep.phantom --out $(KNEES) --exams 1000 --seed 1
	$(BIN)/python -m training.train demo --exams $(KNEES)/exams.csv --out models/bundles/demo --force

evaluate-demo: $(VENV)/.run  ## the demo bundle on 200 synthetic exams that nothing was ever chosen on
	$(BIN)/python -m data_prep.phantom --out build/unseen --exams 200 --seed 20261121
	$(BIN)/python -m training.evaluate models/bundles/demo --exams build/unseen/exams.csv --split all

clean:                     ## delete what the targets made
	rm -rf $(VENV) build demo-output

# The environment: one stamp for running, one that adds the development tools.
$(VENV)/.run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Cruciate needs Python 3.11 to 3.13; set PYTHON=python3.12 or the like")'
	@echo "Setting up $(VENV); the first time takes some minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@
