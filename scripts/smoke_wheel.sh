#!/usr/bin/env bash
# Build the wheel, install it into an environment that holds nothing else of the project, and use it from another
# directory: it must find its models and templates, and judge a picture as it will for a user.
#
# The dependencies (5 GB with PyTorch) are borrowed from the development environment by a path file; only what the
# project itself brings is installed anew. The checkout is not importable there.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=$(cd "${VENV:-.venv}" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

"$venv/bin/python" -m hatchling build -t wheel -d "$work/dist" >"$work/build.log" 2>&1 || { cat "$work/build.log"; exit 1; }
"$venv/bin/python" -m venv --without-pip "$work/bare"
bare="$work/bare/bin/python"
"$venv/bin/python" -m pip --python "$bare" install --quiet --no-deps --no-index "$work"/dist/*.whl

borrowed=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
own=$("$bare" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# Lines of a path file are appended to sys.path, so what the wheel installed comes first; path files inside the
# borrowed folder (such as that of the editable install) are not read.
echo "$borrowed" >"$own/borrowed.pth"

mkdir "$work/elsewhere"
cd "$work/elsewhere"
"$bare" - "$own" <<'PY'
import sys
from pathlib import Path

import detect
from detect.networks.zoo import list_models, models_dir

own = Path(sys.argv[1]).resolve()
assert Path(detect.__file__).resolve().is_relative_to(own), f"detect comes from {detect.__file__}"
assert models_dir().resolve().is_relative_to(own), f"models come from {models_dir()}"
models = list_models()
assert models, "the wheel carries no model"
for model in models:
    model.verify()
print("installed wheel", detect.__version__, "with models:", ", ".join(model.name for model in models))
PY
"$bare" -c 'import numpy as np; from PIL import Image
Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)).save("noise.png")'
"$work/bare/bin/witnessmark" --json --quick --html page.html noise.png >reports.jsonl
"$bare" -c 'import json; report = json.loads(open("reports.jsonl").read()); assert report["error"] is None, report
assert report["verdict"] and "data:image/jpeg" in open("page.html").read(); print("verdict on noise:", report["verdict"])'
"$work/bare/bin/witnessmark" models verify
