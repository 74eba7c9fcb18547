# Everything one does with the program. `make help` lists it.
STACK ?= dev
PYTHON := .venv/bin/python
export PATH := $(if $(PULUMI_HOME),$(PULUMI_HOME),$(HOME)/.pulumi)/bin:$(HOME)/.local/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup up down test test-unit test-engine test-local test-cloud lint format docs dashboards bench \
	review preview-report citus-advice status psql mc logs

help: ## This list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{ printf "  make %-14s %s\n", $$1, $$2 }'

setup: ## Install what is missing: Python environment, Pulumi, and the sandbox where needed
	@ops/setup.sh

# What only looks at a stack is fast and prints nothing else: only a new machine is set up first.
$(PYTHON):
	@ops/setup.sh

up: setup ## Bring the stack up (STACK=dev)
	@$(PYTHON) -m ops.up $(STACK)

down: setup ## Destroy the stack with all its data, unless it is protected (STACK=dev)
	@$(PYTHON) -m ops.down $(STACK)

status: $(PYTHON) ## Whether all of a stack is up, on one screen (STACK=dev)
	@$(PYTHON) -m ops.status $(STACK)

psql: $(PYTHON) ## SQL in a project's database, or as superuser without one (STACK=dev PROJECT=)
	@$(PYTHON) -m ops.inside psql $(STACK) $(PROJECT)

mc: $(PYTHON) ## MinIO's client (STACK=dev CMD="admin info local")
	@$(PYTHON) -m ops.inside mc $(STACK) $(CMD)

logs: $(PYTHON) ## A container's log, and what comes (STACK=dev SERVICE=citus-coordinator)
	@$(PYTHON) -m ops.inside logs $(STACK) $(SERVICE)

review: $(PYTHON) ## The last seven days of a monitored stack, and what to change (STACK=dev)
	@$(PYTHON) -m ops.review $(STACK)

preview-report: $(PYTHON) ## What an update would do to the stack, as Markdown for reviewers (STACK=dev)
	@$(PYTHON) -m ops.preview_report $(STACK)

citus-advice: $(PYTHON) ## Which tables of a project to distribute, and by which column (STACK=dev PROJECT=shop)
	@$(PYTHON) -m ops.citus_advice $(STACK) $(PROJECT)

test: setup ## All checks and tests
	@$(PYTHON) -m ops.test

test-unit: setup ## Settings, plan, components under mocks, alerts, dashboards: seconds
	@$(PYTHON) -m pytest -q -n 2 tests/unit tests/monitoring

test-engine: setup ## Previews of every stack by the real engine
	@$(PYTHON) -m pytest -q tests/engine

test-local: setup ## The whole life of a stack on this machine's Docker
	@$(PYTHON) -m pytest -q tests/local

test-cloud: setup ## The same of stacks on servers, which are containers here
	@$(PYTHON) -m pytest -q tests/cloud

lint: setup ## Format, lint and types
	@$(PYTHON) -m ops.test lint

format: setup ## Rewrite the sources in the common format
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

docs: setup ## Render the pages of settings and alerts, in both languages
	@$(PYTHON) -m ops.docs

dashboards: setup ## Render Grafana's dashboards into docs/dashboards
	@$(PYTHON) -m dashboards

bench: setup ## Measure speed, side by side with the floor
	@$(PYTHON) -m bench
