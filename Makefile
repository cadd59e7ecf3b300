# Twinline: `make` alone lists the targets. Needs only make and python3 >= 3.11; `make setup` does the rest.
# Where packages come from is pip's own affair (pip.conf, PIP_*): nothing here names an index.

# python3; where it is known to lack profile-guided optimisation, without which a call takes up to two fifths longer, and
# the system has another one, that one. To choose: make setup PYTHON=...
FITS := import sys; from sysconfig import get_config_var as said; sys.exit(not (3, 11) <= sys.version_info < (3, 15) \
	or bool(said("PGO_PROF_USE_FLAG")) and "--enable-optimizations" not in said("CONFIG_ARGS"))
PYTHON ?= $(or $(shell for one in python3 /usr/bin/python3; do \
	$$one -c '$(FITS)' 2>/dev/null && echo $$one && break; done),python3)
PYTEST_ARGS ?= --numprocesses=auto --dist=loadscope
LOCK_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check

# One thread each for BLAS and OpenMP: the tests run side by side, and sums come out in the same order everywhere.
export OMP_NUM_THREADS ?= 1

.DEFAULT_GOAL := help
.PHONY: help setup browser deep demo test soak fuzz lint format bench compare lock clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) browser ## create .venv from the hash-locked list, with Twinline in it, editable

# A failed install leaves no stamp, and so is tried again. An environment without pip is a half-made one; where a Python
# has none to put there, as Debian's, pip comes from where packages come from, or else the environment is python3's.
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(None if (3, 11) <= sys.version_info < (3, 15) else \
		"The locked packages are for Python 3.11 to 3.14: make setup PYTHON=python3.14")'
	@rm -f $@
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || \
		{ $(PYTHON) -m venv --clear --without-pip $(VENV) && python3 -m pip --python $(BIN)/python install -qq pip; } || \
		python3 -m venv --clear $(VENV) || \
		{ echo 'No environment could be made; on Debian, "apt-get install python3-venv" brings what is missing.'; exit 1; }
	@echo 'Installing the locked packages into $(VENV) for $(PYTHON), which takes a minute or two the first time ...'
	@$(PIP_INSTALL) --only-binary :all: --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-index --no-deps --no-build-isolation -e .
	@touch $@

# Browser tests drive the system's Chromium. Without one they skip, and say why; nothing else depends on it.
browser: $(STAMP)
	@for name in chromium chromium-browser google-chrome; do command -v $$name >/dev/null && exit 0; done; \
	test -e $(VENV)/.no-chromium && exit 0; \
	if [ "$$(id -u)" = 0 ]; then root=; elif sudo -n true 2>/dev/null; then root='sudo -n'; else root=none; fi; \
	if [ "$$root" = none ] || ! command -v apt-get >/dev/null; then \
		why='and this user cannot install one with apt-get'; \
	elif echo 'Installing Chromium for the browser tests ...'; \
		{ $$root apt-get update -qq && $$root env DEBIAN_FRONTEND=noninteractive \
		  apt-get install -y -qq --no-install-recommends chromium; } >$(VENV)/chromium.log 2>&1; then \
		exit 0; \
	else why='and apt-get could not install one ($(VENV)/chromium.log)'; fi; \
	touch $(VENV)/.no-chromium; \
	echo "No Chromium on PATH $$why: the browser tests will be skipped."

deep: setup ## add torch, with which the networks of imputation are trained
	$(PIP_INSTALL) --only-binary :all: "$$($(BIN)/python -c "import tomllib, pathlib; \
		print(*tomllib.loads(pathlib.Path('pyproject.toml').read_text())['project']['optional-dependencies']['deep'])")"

demo: setup ## show Twinline at work, beside a small EHR, on this machine
	$(BIN)/twinline demo

test: setup ## run every test
	$(BIN)/pytest $(PYTEST_ARGS)

soak: setup ## run the tests that take minutes, and half an hour of load
	TWINLINE_TEST_SOAK=1 $(BIN)/pytest -m soak
	$(BIN)/twinline bench soak

# FUZZ_CASES calls to each route, five times as many mutated records, ten times as many hostile texts; every property
# that `make test` shows on the same examples each time, on new ones.
FUZZ_CASES ?= 2000
fuzz: setup ## send the service what nobody should send, for some minutes
	TWINLINE_TEST_FUZZ=$(FUZZ_CASES) $(BIN)/pytest -m 'fuzz or hypothesis'

lint: setup ## rules, format, types and who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict cds_app tests
	$(BIN)/lint-imports

format: setup ## rewrite the code in the one format
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

bench: setup ## measure the speed of what a clinician waits for
	for what in service parts drugs sources bulk; do $(BIN)/twinline bench $$what || exit 1; done

COMPARE := .venv-compare
compare: setup ## the same job on HealthChain, in an environment of its own, and here, in one run
	@test -x $(COMPARE)/bin/pip || $(PYTHON) -m venv --clear $(COMPARE)
	@$(COMPARE)/bin/python -m pip install -qq --disable-pip-version-check --only-binary :all: \
		--require-hashes -r deploy/compare/requirements.lock
	$(BIN)/python deploy/compare/compare.py $(COMPARE)/bin/python

# torch stays out of every lock: see the extra `deep`.
# uv resolves for every supported Python and platform at once. Pins stay unless asked: make lock LOCK_ARGS=--upgrade
LOCK := $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-build --no-emit-index-url --custom-compile-command 'make lock'
lock: setup ## rewrite requirements.lock, and what the image installs, from pyproject.toml
	$(LOCK) --extra learn --extra image --extra dev $(LOCK_ARGS) --output-file requirements.lock
	$(LOCK) --extra image --constraint requirements.lock --output-file deploy/requirements.lock
	$(subst pyproject.toml,deploy/compare/requirements.in,$(LOCK)) --output-file deploy/compare/requirements.lock
	$(subst pyproject.toml,tests/interop/requirements.in,$(LOCK)) --output-file tests/interop/requirements.lock

clean: ## remove everything that the other targets made
	rm -rf $(VENV) $(COMPARE) build dist htmlcov .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache \
		.import_linter_cache .hypothesis
	find cds_app tests -name __pycache__ -type d -prune -exec rm -rf {} +
