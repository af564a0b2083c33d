"""Train the heads for splices of a speech model anew, without touching its network.

python -m detect.training.speech models/speech/recipe.toml --manifest collected.jsonl --work RUN
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import torch

from detect.networks.audio.speech_graph import load_speech_net
from detect.networks.zoo import open_folder
from detect.training.speech.clips import ClipStore, cache_clips, cap_rows, read_rows
from detect.training.speech.recipe import read_recipe
from detect.training.speech.stretches import train_stretches


def main() -> None:
    """Read the recipe, decode what is not decoded yet, train, and write into the model folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", type=Path)
    parser.add_argument("--manifest", type=Path, action="append", required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--out", type=Path, help="Model folder; default: that of the recipe.")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    recipe = read_recipe(args.recipe)
    manifests = tuple(str(path.resolve()) for path in args.manifest)
    recipe = replace(recipe, data=replace(recipe.data, manifests=manifests))
    folder = open_folder(args.out or recipe.folder)
    folder.verify()
    store = ClipStore(args.work / "clips")
    plan = recipe.stretch
    rows = cap_rows(read_rows(recipe), fake=plan.clips_a_system, real=plan.clips_a_source)
    cache_clips(recipe, store, rows)
    train_stretches(recipe, load_speech_net(folder), store, work=args.work, out=folder.path)


if __name__ == "__main__":
    main()
