# What a person types here. Every path is relative, so the checkout may lie in a folder with spaces.

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -P -m pytest
COVARY := $(PYTHON) -P -m covary.commands.main
# Python compiles what is imported, when it is: of torch and others most never is.
INSTALL := $(PYTHON) -m pip install --quiet --no-compile --constraint constraints.txt

# Kept in .venv/stamp: the hash of all that pins what is installed, and the place it is installed for.
STAMP = $$(cat constraints.txt setup.py pyproject.toml Makefile | cksum) $$(pwd)

# Most of these start processes of their own.
LAUNCHING = tests/system tests/interop tests/nodes/supervision tests/commands tests/control $(wildcard tests/test_*.py)

.PHONY: setup install demo test test-launching test-rest test-all check bench results verify-exports

# Brings .venv up to date, in place, where it is missing, its pins changed or the checkout moved.
setup:
	@test "$$(cat .venv/stamp 2>/dev/null)" = "$(STAMP)" || $(MAKE) --no-print-directory install

install:
	@test -x $(PYTHON) || for python in python3.11 python3.12 python3; do \
	    $$python -c 'import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' \
	        2>/dev/null && { echo "setup: making .venv with $$($$python --version)"; \
	        $$python -m venv .venv; break; }; done
	@test -x $(PYTHON) || { echo "setup: needs Python 3.11 or 3.12 with its venv module"; exit 1; }
	@echo "setup: installing what constraints.txt pins (about two minutes the first time)"
	@$(INSTALL) setuptools
	@$(INSTALL) --no-build-isolation --editable '.[learn,data,view,robotics,test]'
	@# escnn declares packages that do not build on NumPy 2: docs/decisions/0006.
	@$(INSTALL) --no-deps escnn
	@$(INSTALL) --only-binary=:all: pybullet >/dev/null 2>&1 || \
	    echo "setup: no wheel of pybullet for this platform; what needs it is skipped"
	@# A folder in which the checkout is called covary, for pyright (pyproject.toml, extraPaths).
	@mkdir -p .venv/link && ln -sfn ../.. .venv/link/covary
	@printf '%s\n' "$(STAMP)" > .venv/stamp
	@echo "setup: done"

demo: setup
	@$(COVARY) launch push.yaml episodes:=10 seed:=0 realtime:=false record:=true
	@$(COVARY) view "$$(ls -dt runs/push-* | head -n 1)"

# Two pytests at once, a core for each.
test: setup
	@$(MAKE) --no-print-directory --jobs=2 --keep-going test-launching test-rest

test-launching:
	@$(PYTEST) $(LAUNCHING)

# Told when it has ended, so that the lines of the two do not mix.
test-rest:
	@$(PYTEST) $(LAUNCHING:%=--ignore=%) >.venv/rest.txt 2>&1; code=$$?; cat .venv/rest.txt; exit $$code

# The fast tests, then each file that has slow ones, in a pytest of its own (hours); a failure stops nothing, and what passed
# is not run again until the code changes. Logs and the seconds of each file: runs/test-all.
test-all: setup
	@$(PYTHON) -P tests/run_all.py

check: setup
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m pyright
	@$(MAKE) --no-print-directory test

# Speeds beside their floors and beside other people's planners, and the long figures of docs/results.md (hours):
# each part says first how long it takes; JSON, tables.md and summary.json in runs/bench and runs/results. What is finished
# is not done again but where it is named: make bench parts="planner_rates judo_rates". The others' planners are
# installed into .peers (a minute and 2 GB); without the network nothing is compared with them.
bench results: setup
	@$(PYTHON) -P benchmarks/running/parts.py $@ $(parts)

# Opens exports with the lerobot package itself, in an environment of its own that is deleted afterwards.
# Needs a few gigabytes and the network; exit code 3: it could not be installed, so nothing is verified.
verify-exports: setup
	@$(PYTHON) -P tests/exports/verify_lerobot.py
