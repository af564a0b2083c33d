# The words of daily work; CI uses the same. Every target sets up what it needs.
.PHONY: setup check fix test serve docs bench figures demo schema smoke

VENV ?= .venv
PYTHON := $(VENV)/bin/python

setup:  ## Virtual environment with the project, editable, and all tools.
	bash scripts/setup.sh

check: setup  ## Format, lint, spelling, types, layers; changes nothing.
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/ruff check .
	$(VENV)/bin/codespell
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports

fix: setup  ## Format and mend what can be mended by itself.
	$(VENV)/bin/ruff format .
	$(VENV)/bin/ruff check --fix .

test:  ## Set up everything, check everything, pass the tests: what CI runs.
	bash scripts/test.sh

demo:  ## Set up and judge real photographs and a generated picture.
	bash scripts/try.sh

schema: setup  ## Write docs/report.schema.json from the dataclasses.
	$(VENV)/bin/witnessmark schema > docs/report.schema.json

smoke: setup  ## Build the wheel, install it bare, use it from another directory.
	bash scripts/smoke_wheel.sh

bench: setup  ## Measure the picture model on the developers' val files.
	$(VENV)/bin/witnessmark bench image --manifest ../shared/data/manifest.jsonl --split val --out runs/bench-image

serve: setup  ## Run the HTTP API and the page on this machine.
	$(VENV)/bin/witnessmark serve

docs: schema  ## Build the documentation into out/site; every warning is an error.
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/python -m mkdocs build --quiet
	@echo "out/site/index.html; search works behind: $(PYTHON) -m http.server -d out/site"

figures: setup  ## Measure the models on the developers' val files; write every figure that a document quotes.
	bash scripts/figures.sh
