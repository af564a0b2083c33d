#!/usr/bin/env bash
# Set up everything and pass everything: format, lint, types, layers, the wheel in a bare environment, all tests.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$1"; }

step "setup (installs PyTorch and more: minutes the first time)"
bash scripts/setup.sh dev
bin=${VENV:-.venv}/bin

step "format, lint, spelling, types, layers"
"$bin/ruff" format --check .
"$bin/ruff" check .
"$bin/codespell"
"$bin/mypy"
"$bin/lint-imports" --no-cache

step "wheel in an empty environment, from another directory"
bash scripts/smoke_wheel.sh

step "tests"
# One thread a worker: the numeric libraries would otherwise start one a core in every worker.
OMP_NUM_THREADS=1 "$bin/python" -m pytest -n "${PYTEST_WORKERS:-2}" "$@"
