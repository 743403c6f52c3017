# gridcall. `make` alone prints the targets.
#
# The distribution's Python comes first, because it is built with profile-guided optimisation and
# others often are not (docs/decisions/0006).
PYTHON ?= $(shell for python in /usr/bin/python3 python3; do \
	$$python -c 'import sys, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && \
	echo $$python && break; done)
BIN := .venv/bin
DATA ?= ../shared/data
PORT ?= 8311
SPEED ?= 60
# Examples of each property: quick tries few, thorough tries many.
EXAMPLES ?= quick
# A test that runs make itself begins with no flag of this one.
PYTEST = env -u MAKEFLAGS -u MAKELEVEL $(BIN)/pytest -m "not long" --hypothesis-profile=$(EXAMPLES)
PRODUCTION_LOCK := deploy/image/requirements.lock
TOOL = PYTHONPATH=libs:services:. $(BIN)/python -m

.DEFAULT_GOAL := help
.PHONY: help setup run up-kafka kafka broker peers promtool kubernetes-tools
.PHONY: check fmt unit contract integration e2e mutation test test-long
.PHONY: chaos bench growth soak hostile docs golden manifests lock dist image clean

help: ## print the targets
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 13

setup: .venv/ready ## make .venv, with bin/gridcall

.venv/packages: requirements.lock
	@test -n "$(PYTHON)" || \
	  { echo "gridcall needs Python 3.11 or later with venv: apt-get install python3-venv"; exit 1; }
	@echo "Making .venv with $(PYTHON): $$(grep -c == requirements.lock) packages are downloaded," \
	  "once; that takes about a minute ..."
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock \
	  || { echo "The packages could not be installed. Is there a network, and room on the disk?" \
	  "Then run the same again."; exit 1; }
	@touch $@

.venv/ready: .venv/packages pyproject.toml
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps \
	  --no-index -e .
	@touch $@

run: setup ## start everything with a demo district (PORT=8311, SPEED=60); Ctrl-C stops it
	@GRIDCALL_HOME=$(CURDIR)/.gridcall $(BIN)/gridcall up --demo --port $(PORT) --speed $(SPEED)

kafka: ## start a Kafka broker on this machine (KAFKA_PORT=19092); it is fetched once
	@deploy/kafka/broker start
	@echo "Kafka is at 127.0.0.1:$${KAFKA_PORT:-19092}; deploy/kafka/broker stop ends it"

up-kafka: setup ## start a broker, and each service in a process and on a database of its own
	@deploy/kafka/up

# Java and Maven are installed where that is possible. Tiers that run together fetch nothing.
broker:
	@deploy/kafka/broker fetch || echo "skipped: the tests over Kafka need Java and Maven." \
	  "Run: apt-get install default-jdk-headless maven"

# The packages that only benchmarks use: peers, and the library that draws. Production has none.
.venv-peers/ready: benchmarks/peers/requirements.lock
	@$(PYTHON) -m venv --clear .venv-peers
	@.venv-peers/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

# Tools that check manifests, for tests alone. Production and development have none of them.
.venv-kubernetes/ready: tests/contract/kubernetes/requirements.lock
	@$(PYTHON) -m venv --clear .venv-kubernetes
	@.venv-kubernetes/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

kubernetes-tools:
	@$(MAKE) --no-print-directory .venv-kubernetes/ready || \
	  echo "skipped: some tests of manifests need the packages of tests/contract/kubernetes." \
	  "Is there a network? Then run: make kubernetes-tools"

# The tools of the image: compose, and what lists its contents. Production has neither.
.venv-image/ready: deploy/image/tools.lock
	@$(PYTHON) -m venv --clear .venv-image
	@.venv-image/bin/pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@touch $@

STREAMS := benchmarks/peers/streams/target/libs
$(STREAMS): benchmarks/peers/streams/pom.xml
	@cd benchmarks/peers/streams && mvn -q -B package
	@touch $@

peers:
	@$(MAKE) --no-print-directory .venv-peers/ready $(STREAMS) || \
	  echo "skipped: the tests of benchmarks need the packages of benchmarks/peers, and Maven." \
	  "Is there a network? Then run: make peers"

# It lints metrics, and tests the rules of alerts.
promtool:
	@deploy/prometheus/promtool fetch || echo "skipped: the tests of metrics need promtool." \
	  "Run: apt-get update, then make promtool"

check: setup ## ruff, mypy --strict, import contracts, language, documents that match the code
	$(BIN)/ruff check .
	$(BIN)/ruff format --check --quiet .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	@$(BIN)/python -m tools.language
	@$(TOOL) tools.event_reference | diff -u docs/events.md - || \
	  { echo "docs/events.md is old: make docs"; exit 1; }
	@$(TOOL) tools.action_reference | diff -u docs/actions.md - || \
	  { echo "docs/actions.md is old: make docs"; exit 1; }
	@$(TOOL) tools.metric_reference | diff -u docs/metrics.md - || \
	  { echo "docs/metrics.md is old: make docs"; exit 1; }
	@$(TOOL) tools.asyncapi | diff -u docs/asyncapi.json - || \
	  { echo "docs/asyncapi.json is old: make docs"; exit 1; }
	@$(TOOL) tools.production_lock | diff -u $(PRODUCTION_LOCK) - || \
	  { echo "$(PRODUCTION_LOCK) is old: make docs"; exit 1; }
	@$(TOOL) tools.manifests --check

fmt: setup ## format the code, and correct what ruff can correct
	$(BIN)/ruff check --fix --quiet .
	$(BIN)/ruff format --quiet .

# A tier is a folder of tests. A test that lacks real data, Kafka or a browser is skipped by
# name. Where CI is set, it fails.
unit: setup ## tests without database, broker or network: seconds (EXAMPLES=thorough: more)
	$(PYTEST) tests/unit

contract: setup broker kubernetes-tools ## one suite for every kind of log and each format
	$(PYTEST) tests/contract

integration: setup broker peers promtool ## parts with real servers (GRIDCALL_DATA: real data)
	$(PYTEST) tests/integration

e2e: setup broker ## the whole system as its users start it, with a real browser
	$(PYTEST) tests/e2e

mutation: setup ## remove each rule of the logs, and see that something notices
	$(PYTEST) tests/mutation

# Each tier has servers of its own. One at a time leaves a core idle. The two longest begin.
test: setup broker peers promtool kubernetes-tools ## all tiers, two at a time, many examples
	@echo "Two tiers run at a time, and the output of each comes at its end: ten minutes in all."
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target \
	  --old-file=broker --old-file=peers --old-file=promtool --old-file=kubernetes-tools \
	  EXAMPLES=thorough \
	  e2e integration contract mutation unit

test-long: setup ## the campaigns: a whole real year in every batch size
	$(BIN)/pytest -m long

chaos: setup broker ## load while processes, database and broker fail (SECONDS=300, then 600)
	$(TOOL) tests.harness.chaos.kernel --seconds $(or $(SECONDS),60)
	$(TOOL) tests.harness.chaos.one_database --seconds $(or $(SECONDS),300)
	$(TOOL) tests.harness.chaos.over_kafka --seconds $(or $(SECONDS),600)
	$(BIN)/pytest -m long -k killed

bench: setup broker .venv-peers/ready $(STREAMS) ## figures beside peers and limits, in one run
	$(TOOL) benchmarks.year $(DATA)
	$(TOOL) benchmarks.table $(DATA)
	$(TOOL) benchmarks.durable
	$(TOOL) benchmarks.intake_api
	$(TOOL) benchmarks.chain
	$(TOOL) benchmarks.quiet
	$(TOOL) benchmarks.traces
	$(TOOL) benchmarks.page
	$(TOOL) benchmarks.locate
	$(TOOL) benchmarks.replay $(DATA)
	$(TOOL) benchmarks.adoption
	$(TOOL) benchmarks.kafka
	$(TOOL) benchmarks.streams
	$(TOOL) benchmarks.services

growth: setup .venv-peers/ready ## costs as work grows, with goals and drawings (OPTIONS=--long)
	$(TOOL) benchmarks.growth $(OPTIONS) --svg docs/growth

soak: setup ## the demo for an hour (SECONDS=3600): memory, lag, exceptions, verify
	$(TOOL) benchmarks.soak $(or $(SECONDS),3600)

hostile: setup ## strangers of every kind for an hour (SECONDS=3600) beside a good client
	$(TOOL) tests.harness.chaos.hostile --seconds $(or $(SECONDS),3600)

golden: setup ## add a golden line for each event that has none
	@PYTHONPATH=libs:. $(BIN)/python -m tools.golden

docs: setup ## make events.md, actions.md, metrics.md, asyncapi.json, and the lock of production
	@$(TOOL) tools.event_reference > docs/events.md
	@$(TOOL) tools.action_reference > docs/actions.md
	@$(TOOL) tools.metric_reference > docs/metrics.md
	@$(TOOL) tools.asyncapi > docs/asyncapi.json
	@$(TOOL) tools.production_lock > $(PRODUCTION_LOCK)

dist: setup ## build the wheel and the source archive into dist
	@rm -f dist/gridcall-*
	@$(BIN)/hatchling build

manifests: setup ## make deploy/k8s/base/generated from the topology
	@$(TOOL) tools.manifests

image: ## build the image, run all services in containers, and end them (podman, root)
	@deploy/image/try

lock: ## pin the newest dependencies by hash (needs uv)
	uv lock --upgrade
	uv export --frozen --no-emit-project --all-extras --no-header -o requirements.lock
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-header deploy/image/tools.in -o deploy/image/tools.lock
	uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-header tests/contract/kubernetes/requirements.in \
	  -o tests/contract/kubernetes/requirements.lock
	@$(MAKE) --no-print-directory docs

clean: ## remove what was made here, and the demo
	rm -rf .venv .venv-peers .venv-kubernetes .venv-image .gridcall dist out $(STREAMS)
	rm -rf deploy/kafka/target deploy/kafka/run deploy/prometheus/target
	rm -rf tests/contract/asyncapi/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis
