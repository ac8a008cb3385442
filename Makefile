# Every target sets up what it needs in .venv on first use. `make demo` and `make test` are the two to know.

PYTHON ?= python3
PORT ?= 8000
BUNDLE ?= models/bundles/demo
KNEES ?= build/knees
# Test processes; each takes up to 5 GB.
JOBS ?= 2

BIN := .venv/bin
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: demo test serve check bench demo-bundle evaluate-demo clean

demo: .venv/.run           ## the main job on the shipped bundle: study in, prediction and heatmaps out
	$(BIN)/python -m app.demo --out demo-output

test: check                ## format, lint, types and every test
	$(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile

serve: .venv/.run          ## the service in the foreground, on loopback
	PORT=$(PORT) CRUCIATE_BUNDLES=$(BUNDLE) $(BIN)/gunicorn --config app/gunicorn.conf.py

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: .venv/.dev build/mrnet/manifest.json  ## where the time goes, side by side in one run
	$(BIN)/python -m tests.bench.post
	$(BIN)/python -m tests.bench.stow
	$(BIN)/python -m tests.bench.batch
	$(BIN)/python -m tests.bench.batch --bundle build/mrnet
	$(BIN)/python -m tests.bench.decode
	$(BIN)/python -m tests.bench.epoch

# The published network at its full size, for its speed alone: it has hardly learnt.
build/mrnet/manifest.json: .venv/.run
	$(BIN)/python -m data_prep.phantom --out build/few-knees --exams 40 --seed 3
	$(BIN)/python -m training.train mrnet --exams build/few-knees/exams.csv --out build/mrnet --force \
		--set 'trunk.weights="random"' --set fit.epochs=1 --set fit.restarts=0

demo-bundle: .venv/.run    ## make models/bundles/demo again, from nothing
	$(BIN)/python -m data_prep.phantom --out $(KNEES) --exams 1000 --seed 1
	$(BIN)/python -m training.train demo --exams $(KNEES)/exams.csv --out models/bundles/demo --force

evaluate-demo: .venv/.run  ## the demo bundle on 200 synthetic exams that nothing was ever chosen on
	$(BIN)/python -m data_prep.phantom --out build/unseen --exams 200 --seed 20261121
	$(BIN)/python -m training.evaluate models/bundles/demo --exams build/unseen/exams.csv --split all

clean:
	rm -rf .venv build demo-output

# The environment: one stamp for running, one that adds the development tools.
.venv/.run: requirements.txt
	$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14) and "Cruciate needs Python 3.11 to 3.13; set PYTHON=python3.12 or the like")'
	@echo "Setting up .venv; the first time takes some minutes."
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	touch $@

.venv/.dev: .venv/.run requirements-dev.txt
	$(BIN)/python -m pip install --quiet --requirement requirements-dev.txt
	touch $@
