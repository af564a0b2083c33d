#!/usr/bin/env bash
# On a fresh machine with Python 3.11 or later: set up, then judge real photographs and one generated picture.
# The photographs come inside scikit-image and scikit-learn; the generated picture is made here, offline.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${VENV:-.venv}
echo "Setting up $venv (PyTorch is large: minutes the first time) ..."
bash scripts/setup.sh demo
out=out/demo
mkdir -p "$out"

skimage=$("$venv/bin/python" -c 'from importlib.util import find_spec; print(find_spec("skimage").submodule_search_locations[0])')
sklearn=$("$venv/bin/python" -c 'from importlib.util import find_spec; print(find_spec("sklearn").submodule_search_locations[0])')
if [ ! -f "$out/generated.png" ]; then
  echo "Making a generated picture with a neural decoder (about half a minute) ..."
  "$venv/bin/python" examples/make_generated.py "$skimage/data/chelsea.png" "$out/generated.png"
fi

"$venv/bin/witnessmark" --full --html "$out/report.html" \
  "$skimage/data/astronaut.png" "$skimage/data/coffee.png" "$skimage/data/chelsea.png" \
  "$sklearn/datasets/images/china.jpg" "$sklearn/datasets/images/flower.jpg" \
  "$out/generated.png"
echo
echo "The same with pictures and heat maps: $out/report.html"
