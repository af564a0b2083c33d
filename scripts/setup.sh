#!/usr/bin/env bash
# Make .venv with the project, editable, and the tools of the extras named (default: dev). Does nothing when it is current.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
extras=${1:-dev}
stamp="$venv/.witnessmark-$extras"
wanted=$(cat pyproject.toml scripts/setup.sh | cksum)

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  exit 0
fi

python=${PYTHON:-python3}
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Witnessmark needs Python 3.11 or later; set PYTHON to one (found: $("$python" --version 2>&1))." >&2
  exit 1
fi
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet --upgrade pip
"$venv/bin/python" -m pip install --quiet --editable ".[$extras]"
printf '%s' "$wanted" > "$stamp"
