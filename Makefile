# The few commands a person needs; `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# A file's tests share what they set up, so they stay on one process. Three, for two cores: each waits now and then.
PYTEST := --numprocesses 3 --dist loadfile --no-loadscope-reorder --durations 25
# Touched after a complete installation, so that an interrupted one is done again.
STAMP := $(VENV)/installed.stamp
BROWSER := $(VENV)/browser
BROWSER_STAMP := $(BROWSER)/installed.stamp

# Where `make install` installs to.
PREFIX ?= /opt/edms-backup

define REQUIRE_PYTHON
@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) found; name Python 3.11 or newer: make PYTHON=/path/to/python3.11" >&2; exit 2; }
@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1), and 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 2; }
endef
# Of a folder that is not there: it is removed again if that fails.
define MAKE_ENVIRONMENT
$(PYTHON) -m venv $(1) || \
	{ echo "error: $(PYTHON) cannot make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv" >&2; rm -rf $(1); exit 2; }
endef

.DEFAULT_GOAL := help
.PHONY: help venv install demo test test-long other-pythons mayan paperless wagtail kills store-kills verb-kills dask lint format bench bench-quick bench-server pictures browser lock site card dist dist-check sbom changelog clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(STAMP) ## make .venv from the lock file

$(STAMP): requirements.lock pyproject.toml
	$(REQUIRE_PYTHON)
	@test -x $(BIN)/python || $(call MAKE_ENVIRONMENT,$(VENV))
	@# The lock file is complete, so nothing is left for pip to resolve (docs/decisions/002-lock-file.md).
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@# Without build isolation: hatchling comes from the lock file too.
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	$(BIN)/python -m pip check --quiet
	@touch $@

install: ## install the program into PREFIX=/opt/edms-backup, in the versions of the lock file, without what only tests need
	$(REQUIRE_PYTHON)
	@test -f $(PREFIX)/pyvenv.cfg || test ! -e $(PREFIX) || \
		{ echo "error: $(PREFIX) is there already, and is no environment of Python; name a new folder: make install PREFIX=/path" >&2; exit 2; }
	@test -f $(PREFIX)/pyvenv.cfg || $(call MAKE_ENVIRONMENT,$(PREFIX))
	@# As constraints: with the lock file's hashes, pip would want one for this project too.
	@sed -e 's/ *\\$$//' -e '/--hash=/d' requirements.lock > $(PREFIX)/constraints.txt
	$(PREFIX)/bin/python -m pip install --quiet --disable-pip-version-check --constraint $(PREFIX)/constraints.txt ".[s3,sftp]"
	@$(PREFIX)/bin/edms-backup --version

demo: $(STAMP) ## back up, destroy and restore the reference EDMS (SQLite, no server)
	$(BIN)/edms-backup demo

test: $(STAMP) demo ## the demo, then the test suite
	$(BIN)/python -m pytest $(PYTEST)

test-long: $(STAMP) ## what the suite leaves out: each fault at each point, on every engine; hours, or ONLY=tests/merging for a part
	$(BIN)/python -m pytest $(PYTEST) -m long $(ONLY)

other-pythons: $(STAMP) ## back up EDMSs with other Pythons and Djangos; fetches what is missing with uv
	tests/real/other_environments.sh

mayan: $(STAMP) ## Mayan EDMS from its package: filled, backed up, lost, restored, merged, compared; half an hour
	tests/real/mayan.sh

paperless: $(STAMP) ## paperless-ngx from SOURCE=folder or its public repository: the same, on both engines; half an hour
	tests/real/paperless.sh

wagtail: $(STAMP) ## a Wagtail site from its package: the same, on both engines, and one deleted page back; a quarter of an hour
	tests/real/wagtail.sh

kills: $(STAMP) ## kill backups and restores at random moments, a hundred an engine; an hour
	$(BIN)/python -m tests.real.kills sqlite --kills 100
	$(BIN)/python -m tests.real.kills postgresql --kills 100
	$(BIN)/python -m tests.real.kills postgresql --kills 50 --server

store-kills: $(STAMP) ## kill backups to a real S3 and a real SFTP server at random moments, a hundred each; half an hour
	$(BIN)/python -m tests.real.store_kills s3 --kills 100
	$(BIN)/python -m tests.real.store_kills sftp --kills 100

verb-kills: $(STAMP) ## kill each verb that writes to a repository at a hundred random moments; hours
	nice -n 10 $(BIN)/python -m tests.real.repository_kills --each 100

dask: $(STAMP) ## workers of a real Dask cluster: killed, too old, without the scratch folder; S3 and PostgreSQL; needs root
	$(BIN)/python -m pytest -n0 -m "long or not long" tests/workers

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## let ruff fix what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP) ## measure against pg_dump, dumpdata and tar: a million rows, 100,000 files
	$(BIN)/python -m benchmarks.run

bench-quick: $(STAMP) ## the same with 100,000 rows and 10,000 files, in under five minutes
	$(BIN)/python -m benchmarks.run --rows 100000 --files 10000 --slow-rows 3000 --pairs 1

bench-server: $(STAMP) ## what a Prefect server adds to a backup: seconds, processor, requests
	$(BIN)/python -m benchmarks.orchestrator

pictures: $(BROWSER_STAMP) ## the documentation's pictures anew; needs Chromium
	$(BIN)/python -m benchmarks.flame
	$(BROWSER)/bin/python -m tests.real.run_graph docs/pictures
	$(BROWSER)/bin/python -m tests.real.report_picture docs/pictures
	$(BROWSER)/bin/python -m tests.real.dashboard_picture docs/pictures
	$(BROWSER)/bin/python -m tests.real.pages_in_browser docs/pictures

browser: $(BROWSER_STAMP) ## every page in a real browser: errors, requests, widths, print, accessibility, approval; needs Chromium
	AXE="$$($(BROWSER)/bin/python -c 'import axe_playwright_python as a; print(a.__path__[0])')/axe.min.js" \
		$(BROWSER)/bin/python -m pytest -n0 -m long tests/dashboard/test_in_browser.py
	$(BROWSER)/bin/python -m tests.real.pages_in_browser

# An environment on top of .venv: nothing else needs the browser's driver.
$(BROWSER_STAMP): $(STAMP)
	@command -v chromium >/dev/null || { echo "error: no chromium found; on Debian and Ubuntu: apt-get install chromium" >&2; exit 2; }
	$(BIN)/python -m venv $(BROWSER)
	$(BIN)/python -c 'import sysconfig; print("import site; site.addsitedir(%r)" % sysconfig.get_path("purelib"))' > "$$($(BROWSER)/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/project.pth"
	$(BROWSER)/bin/python -m pip install --quiet --disable-pip-version-check 'playwright>=1.50' 'axe-playwright-python>=0.1.5'
	@touch $@

# uv resolves for all Python versions and platforms at once, which pip cannot. It is needed here only.
lock: ## renew requirements.lock within the bounds of pyproject.toml (needs uv); UPGRADE=1 takes the newest
	@command -v uv >/dev/null || { echo "error: no uv found; only this target needs it: pip install uv" >&2; exit 2; }
	uv pip compile pyproject.toml --extra dev --extra docs --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--quiet $(if $(UPGRADE),--upgrade) --custom-compile-command "make lock" --output-file requirements.lock

site: $(STAMP) ## the documentation as a site that works offline: build/site/index.html
	$(BIN)/python -m sphinx -q -W --keep-going -b html -c docs/site -d build/site-tree . build/site

card: $(STAMP) ## the emergency card for the wall, one page of A4: build/emergency-card.pdf
	mkdir -p build
	$(BIN)/python -m release.card build/emergency-card.pdf

dist: $(STAMP) ## build the wheel and the source distribution into dist/
	rm -rf dist
	$(BIN)/python -m hatchling build -d dist

dist-check: $(STAMP) ## install the wheel with its extras from a package index into a new environment, and use it from there
	tests/real/installed.sh

sbom: $(STAMP) ## dist/sbom.cdx.json: every library of an installation, with version, licence and hashes (CycloneDX)
	mkdir -p dist
	$(BIN)/python -m release.sbom dist/sbom.cdx.json

changelog: $(STAMP) ## CHANGELOG.md anew; VERSION=1.0.0 DATE=2026-12-01 moves what is unreleased into that release
	$(BIN)/python -m release.changelog $(VERSION) $(DATE)

clean: ## remove what the tools made, .venv included
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
