# Every target sets up what it needs in .venv on first use. `make demo` and `make test` are the two to know.

PYTHON ?= python3
PORT ?= 8000
BUNDLE ?= models/bundles/demo
KNEES ?= build/knees
# The environment's folder: another one for another Python.
VENV ?= .venv
# The version of OHIF that `make ohif` serves and `make viewers` tries.
OHIF ?= 3.13.2
# The version of TypeScript that checks the pages' modules.
TYPESCRIPT ?= 7.0.2
TSC := npm_config_fetch_retries=0 npx --yes --package typescript@$(TYPESCRIPT) tsc
# Test processes; each takes up to 5 GB.
JOBS ?= 2

BIN := $(VENV)/bin
# Slow files come first, so that both processes end together (tests/conftest.py).
PYTEST := $(BIN)/python -m pytest --numprocesses $(JOBS) --dist loadfile --no-loadscope-reorder
export TF_CPP_MIN_LOG_LEVEL ?= 2
# Python keeps what it has compiled: tests start many processes.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test quick serve ohif check lint types audit format docs coverage viewers viewers-orthanc bench demo-bundle evaluate-demo clean

help:                      ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.run         ## the main job on the shipped bundle: study in, prediction and heatmaps out
	$(BIN)/python -m app.demo --out demo-output

test: $(VENV)/.dev         ## format, lint, types, pages and every test
	$(MAKE) --jobs $(JOBS) --output-sync check docs
	$(PYTEST)

quick: $(VENV)/.dev        ## the tests to run all the time, about a minute
	$(PYTEST) -m "not slow" --quiet

serve: $(VENV)/.run        ## the service in the foreground, on loopback (PORT, BUNDLE)
	PORT=$(PORT) CRUCIATE_BUNDLES=$(BUNDLE) exec $(BIN)/gunicorn --config app/gunicorn.conf.py

ohif: $(VENV)/.run build/viewers/ohif-$(OHIF)/dist/index.html  ## the same with the viewer OHIF at /ohif, fetched by npm
	PORT=$(PORT) CRUCIATE_BUNDLES=$(BUNDLE) CRUCIATE_OHIF=build/viewers/ohif-$(OHIF)/dist \
		exec $(BIN)/gunicorn --config app/gunicorn.conf.py

check: lint types audit    ## format, lint, types, and known vulnerabilities of dependencies

lint: $(VENV)/.dev         ## format and lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.dev        ## types; those of the pages' modules only where npm can fetch TypeScript
	$(BIN)/mypy
	@if $(TSC) --version >/dev/null 2>&1; then $(TSC) --project app/viewer; \
	else echo "The pages' modules were NOT checked for types: that needs npm and TypeScript."; fi

audit: $(VENV)/.dev        ## are dependencies installed that have known vulnerabilities? said, if that can't be known
	$(BIN)/python -m tests.audit

format: $(VENV)/.dev       ## format every file and mend what the linter can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

docs: $(VENV)/.dev         ## the pages and the reference as a site in build/site; every warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

coverage: $(VENV)/.dev     ## which lines the tests run: build/coverage/index.html
	$(PYTEST) --cov --cov-report=html:build/coverage --cov-report=term:skip-covered

viewers: $(VENV)/.dev build/viewers/ohif-$(OHIF)/dist/index.html  ## OHIF shows our results in headless Chromium
	$(BIN)/python -m tests.viewers.ohif --ohif build/viewers/ohif-$(OHIF)/dist --out build/viewers/seen-$(OHIF)

build/viewers/ohif-$(OHIF)/dist/index.html:
	mkdir -p build/viewers/ohif-$(OHIF)
	npm pack --silent --pack-destination build/viewers @ohif/app@$(OHIF)
	tar --extract --gzip --file build/viewers/ohif-app-$(OHIF).tgz --directory build/viewers/ohif-$(OHIF) --strip-components 1
	touch $@

viewers-orthanc: $(VENV)/.dev build/viewers/orthanc/libOrthancWebViewer.so  ## the same with Orthanc's web viewer, fetched by apt
	$(BIN)/python -m tests.viewers.orthanc --plugin build/viewers/orthanc/libOrthancWebViewer.so --out build/viewers/seen-orthanc

# The package is only unpacked: installing it would add the viewer to every Orthanc of this machine.
build/viewers/orthanc/libOrthancWebViewer.so:
	mkdir -p build/viewers/orthanc
	cd build/viewers/orthanc && apt-get download orthanc-webviewer && dpkg --extract orthanc-webviewer_*.deb .
	cp build/viewers/orthanc/usr/lib/orthanc/libOrthancWebViewer.so.* $@

bench: $(VENV)/.dev build/mrnet/manifest.json  ## where the time goes, side by side in one run
	$(BIN)/python -m tests.bench.post
	$(BIN)/python -m tests.bench.stow
	$(BIN)/python -m tests.bench.queries
	$(BIN)/python -m tests.bench.worklist
	$(BIN)/python -m tests.bench.study_page
	$(BIN)/python -m tests.bench.batch
	$(BIN)/python -m tests.bench.batch --bundle build/mrnet
	$(BIN)/python -m tests.bench.decode
	$(BIN)/python -m tests.bench.epoch
	$(BIN)/python -m tests.bench.soak --minutes 5

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
	$(BIN)/python -m tests.bench.regions --exams build/unseen/exams.csv --split all

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
