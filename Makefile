# Everything here works on a machine that has only python3 (3.11) and make.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
export JAX_PLATFORMS ?= cpu

.PHONY: install demo test test-long test-oracle test-peers lint clean

install: $(VENV)/.run

$(BIN)/python:
	$(or $(shell command -v $(PYTHON)),python3) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.run: requirements.txt pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --no-compile --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/.test: tests/requirements.txt $(VENV)/.run
	$(BIN)/python -m pip install --quiet --requirement tests/requirements.txt
	touch $@

demo: $(VENV)/.run  ## the whole way on a built-in sample; writes report/
	$(BIN)/python -m optical_jax.demo

test: $(VENV)/.test  ## no network, 8 fake devices
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

test-long: $(VENV)/.test  ## whole runs: every objective, other encoders, adapters, faults, plans
	$(BIN)/python -m pytest --override-ini addopts="-q --strict-markers" tests/long tests/faults
	$(BIN)/python -m pytest -m long

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Torch and the libraries that read our exports live in environments of their own.
.venv-oracle/.done: tests/oracle/requirements.txt requirements.txt
	$(or $(shell command -v $(PYTHON)),python3) -m venv .venv-oracle
	.venv-oracle/bin/python -m pip install --quiet --upgrade pip
	.venv-oracle/bin/python -m pip install --quiet --requirement tests/oracle/requirements.txt
	touch $@

test-oracle: .venv-oracle/.done  ## transformers' torch models, sentence-transformers
	.venv-oracle/bin/python -m pytest --config-file tests/oracle/pytest.ini tests/oracle

.venv-peers/.done: tests/oracle/requirements-peers.txt
	$(or $(shell command -v $(PYTHON)),python3) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --upgrade pip
	.venv-peers/bin/python -m pip install --quiet --requirement $<
	touch $@

test-peers: .venv-peers/.done $(VENV)/.run  ## PyLate 1.6 reads our folders and index (5 GB)
	rm -rf build/peers
	$(BIN)/python -m tests.oracle.cases build/peers $(OPTICAL_JAX_ORACLE_ENCODER)
	.venv-peers/bin/python -m tests.oracle.peers build/peers results/peers.json

clean:
	rm -rf $(VENV) .venv-oracle .venv-peers build report work
