# The verbs of this project. `make help` prints them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help up anvil test fuzz drill lint bench package cost screenshots deploy destroy backup restore setup audit lock reset clean

# Any Python 3.11+ that runs; only the bootstrap needs it.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo $$p && break; done)
BOOTSTRAP = $(or $(PYTHON),python3) -m infra.local.bootstrap
RUN = .venv/bin/python -m
UV = .watchkeeper/uv/bin/uv
COMPILE = $(UV) pip compile --universal --generate-hashes --no-header --python-version 3.11 --quiet

# Settings of `make up`; also taken from the environment.
export API_PORT DB_PORT AWS_PORT ANVIL_PORT DASHBOARD_PORT TARGETS ADMIN_EMAIL
unexport PYTHONPATH

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  settings of make up: TARGETS=my.yaml ADMIN_EMAIL= API_PORT=54321 DB_PORT=54322 AWS_PORT=4566 ANVIL_PORT=8545 DASHBOARD_PORT=8090"

up: ## start everything on this machine and watch; Ctrl-C stops it
	@$(BOOTSTRAP)
	@exec $(RUN) infra.local.up

anvil: ## start the demo's chain node again after you killed it
	@$(BOOTSTRAP)
	@exec $(RUN) infra.local.anvil

test: ## run all tests; one of them: make test T=tests/infra
	@$(BOOTSTRAP) tests
	@exec $(RUN) tests $(T)

fuzz: ## play random histories for 10 minutes, or till one fails; longer: make fuzz MINUTES=60
	@$(BOOTSTRAP) tests
	@end=$$((SECONDS + 60 * $(or $(MINUTES),10))); while (( SECONDS < end )); do \
		$(RUN) pytest -q -m hypothesis --hypothesis-profile=random $(or $(T),tests); done

drill: ## kill workers 1,000 times and count what arrived; fewer: make drill KILLS=100
	@$(BOOTSTRAP) tests
	@exec $(RUN) tests.drill $(if $(KILLS),--kills $(KILLS)) $(if $(SEED),--seed $(SEED))

lint: ## style, types, import rules, migrations, template
	@$(BOOTSTRAP)
	@exec $(RUN) infra.local.lint

bench: ## measure; prints figures, asserts nothing
	@$(BOOTSTRAP) tests
	@for script in tests/bench/*.py; do [ -e "$$script" ] || continue; .venv/bin/python "$$script"; done

cost: ## what a month costs on AWS; make cost TARGETS_N=100 INTERVAL=30 CHECKS=4
	@$(BOOTSTRAP)
	@$(RUN) infra.cost --targets $(or $(TARGETS_N),100) --interval-s $(or $(INTERVAL),30) --checks $(or $(CHECKS),1) --seconds $(or $(SECONDS_N),30)

package: ## the zip of all functions, for arm64 or ARCH=x86_64, as dist/functions.zip
	@$(BOOTSTRAP)
	@$(RUN) infra.local.build $(or $(ARCH),arm64)

deploy: ## bring a stage to Supabase and AWS: make deploy STAGE=prod; DRY_RUN=1 only says what it would do
	@$(BOOTSTRAP) tests
	@exec $(RUN) infra.deploy deploy $(or $(STAGE),$(error name the stage: make deploy STAGE=prod)) $(if $(DRY_RUN),--dry-run)

destroy: ## take a stage away from AWS; asks first, and keeps the database: make destroy STAGE=prod
	@$(BOOTSTRAP) tests
	@exec $(RUN) infra.deploy destroy $(or $(STAGE),$(error name the stage: make destroy STAGE=prod))

backup: ## write a stage's data into a file: make backup STAGE=prod FILE=prod.sql.gz
	@$(BOOTSTRAP) tests
	@exec $(RUN) infra.deploy backup $(or $(STAGE),$(error name the stage: make backup STAGE=prod)) $(if $(FILE),--file $(FILE))

restore: ## read it into the database of a stage that is new, and verify it: make restore STAGE=new FILE=prod.sql.gz
	@$(BOOTSTRAP) tests
	@exec $(RUN) infra.deploy restore $(or $(STAGE),$(error name the stage: make restore STAGE=new)) $(if $(FILE),--file $(FILE))

screenshots: ## take a picture of every view of the page, with data, into .watchkeeper/screenshots
	@$(BOOTSTRAP) tests
	@exec $(RUN) tests.dashboard.screenshots

setup: ## install what the others need, and nothing more
	@$(BOOTSTRAP)

# --strict: of a package that could not be looked up nobody knows, and that is not "no known vulnerabilities".
audit: ## known holes in the locked packages, and what checkov says of the templates; asks the internet
	@$(BOOTSTRAP)
	@status=0; \
	for lock in functions/requirements.txt infra/local/requirements.txt infra/local/requirements-sam.txt; do \
		$(UV) tool run pip-audit@2.10.1 --strict --disable-pip --require-hashes --progress-spinner off -r $$lock || status=1; done; \
	for folder in $(dir $(wildcard *package-lock.json */package-lock.json */*/package-lock.json)); do \
		(cd $$folder && npm audit --package-lock-only --audit-level=high) || status=1; done; \
	$(UV) tool run checkov@3.3.30 --file template.yaml --file infra/github-deploy-role.yaml || status=1; exit $$status

lock: ## resolve the dependencies anew
	@$(BOOTSTRAP)
	$(COMPILE) --upgrade pyproject.toml -o functions/requirements.txt
	$(COMPILE) --upgrade pyproject.toml --group dev -c functions/requirements.txt -o infra/local/requirements.txt
	$(COMPILE) --upgrade --group sam -o infra/local/requirements-sam.txt
	cd infra/local && npm update --package-lock-only --ignore-scripts
	cd dashboard && npm update --package-lock-only --ignore-scripts
	cd tests && npm update --package-lock-only --ignore-scripts

reset: ## forget the local data; the next make up starts empty
	@$(or $(PYTHON),python3) -m infra.local.clean --data

clean: ## remove what was installed and the local data
	@$(or $(PYTHON),python3) -m infra.local.clean
