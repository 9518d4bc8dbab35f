# Two commands do everything: `make reproduce` and `make test`. Each sets up .venv first, once.
PYTHON ?= python3
EXPERIMENT ?= fashion
CORES ?= all
PORT ?= 5000
VENV := .venv
BIN := $(VENV)/bin
# A name, or the path of a file.
CONFIG := $(or $(wildcard $(filter %.yaml,$(EXPERIMENT))),config/$(patsubst config/%,%,$(EXPERIMENT:.yaml=)).yaml)

.PHONY: help reproduce plan status test test-cluster test-nightly benchmark lint format docs sbom ui lock clean
.DEFAULT_GOAL := help

help: ## show this list
	@echo "make TARGET [EXPERIMENT=fashion] [CORES=all] [PROFILE=slurm]"
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14
	@echo "experiments: $$(ls config | sed -n 's/\.yaml$$//p' | tr '\n' ' ')"

reproduce: $(VENV)/.ready ## run EXPERIMENT from data to results/<experiment>/report.pdf
	@$(BIN)/augmix reproduce --config "$(CONFIG)" --cores $(CORES) $(if $(PROFILE),--profile $(PROFILE))

plan: $(VENV)/.ready ## say what EXPERIMENT takes: jobs, images, disk, hours [DEVICES=4] [THROUGHPUT=wideresnet=1500]
	@$(BIN)/augmix plan --config "$(CONFIG)" $(if $(filter-out all,$(CORES)),--cores $(CORES)) \
		$(if $(DEVICES),--devices $(DEVICES)) $(addprefix --throughput ,$(THROUGHPUT))

status: $(VENV)/.ready ## show which runs are done, running, failed or pending
	@$(BIN)/augmix status --config "$(CONFIG)"

test: $(VENV)/.ready ## run the tests
	$(BIN)/python -m pytest $(TESTS)

test-cluster: $(VENV)/.ready ## run the tests that start servers: SLURM (as root), PostgreSQL
	AUGMIX_TEST_CLUSTER=1 $(BIN)/python -m pytest -n 2 --dist loadfile tests/cluster

# What is tried, how often and what it cost goes into the table of tests/README.md.
test-nightly: export AUGMIX_TEST_TALLY := $(CURDIR)/.faults.jsonl
test-nightly: $(VENV)/.ready ## run every test, those of faults ten times as long, and write the table of faults
	@rm -f $(AUGMIX_TEST_TALLY)
	AUGMIX_TEST_NIGHTLY=1 AUGMIX_TEST_CLUSTER=1 $(BIN)/python -m pytest --timeout 3600 $(TESTS)
	$(BIN)/python -m tests.faults.tally $(AUGMIX_TEST_TALLY) tests/README.md
	.ci/anywhere tests/augmix tests/baselines tests/ablations tests/reports tests/workflow tests/test_*.py

benchmark: $(VENV)/.ready ## measure speed beside Pillow, torchvision and timm into results/benchmarks
	for name in augmix_transform epochs start_up; do $(BIN)/python -m benchmarks.$$name || exit 1; done

lint: $(VENV)/.ready ## check style, types and the workflow
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/snakefmt --check Snakefile workflow
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake --lint
	$(BIN)/python .ci/audit

format: $(VENV)/.ready ## bring the sources into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: $(VENV)/.ready ## build the documentation into site/, and check its links
	$(BIN)/python -m docs.generated
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build # with --quiet no warning would count

sbom: $(VENV)/.ready ## write the installed packages with their licences to sbom.json (CycloneDX)
	folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
		$(BIN)/python -m pip install --quiet --target "$$folder" cyclonedx-bom==7.5.0 && \
		PYTHONPATH="$$folder" $(BIN)/python -m cyclonedx_py environment --pyproject pyproject.toml -o sbom.json $(BIN)/python

ui: $(VENV)/.ready ## open MLflow's page on this machine, PORT=5000
	@$(BIN)/augmix track ui --config "$(CONFIG)" --port $(PORT)

lock: ## pin the newest versions that pyproject.toml admits, with hashes (needs uv)
	uv pip compile -q --upgrade --universal --python-version 3.11 --no-annotate --no-header --generate-hashes \
		--extra suite --extra development --extra docs pyproject.toml -o requirements.lock
	printf '%s\n' imagecorruptions-imaug==1.1.5 timm==1.0.31 | \
		uv pip compile -q --no-deps --no-annotate --no-header --generate-hashes - >> requirements.lock
	sed -i "s/sha256 [0-9a-f]*/sha256 $$(sha256sum requirements.lock | cut -d' ' -f1)/" environment.yml

clean: ## remove .venv and every cache; data/ and results/ stay
	rm -rf $(VENV) .snakemake .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# What a user tells pip for other environments: installed there, nothing would be here.
$(VENV)/.ready: export PIP_USER := 0
unexport PIP_TARGET PIP_PREFIX PIP_ROOT

# --no-deps: the lock is complete, imagecorruptions-imaug asks for a second OpenCV that needs libGL, and of timm only
# the augmentations are used. pip would compile on one core.
$(VENV)/.ready: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "augmix needs Python 3.11 or newer; name one with PYTHON=python3.11" >&2; exit 2; }
	@test -d $(VENV) || $(PYTHON) -c 'import shutil, sys; sys.exit(shutil.disk_usage(".").free < 8e9)' || \
		{ echo "$(VENV) takes 7 GB, and $(CURDIR) has less than 8 GB free" >&2; exit 2; }
	@echo "Setting up $(VENV): about 3 minutes and 7 GB, once."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-compile -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -qq -j 0 $(VENV)/lib || true
	@touch $@
