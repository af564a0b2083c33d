"""One network for each fold, tuned without seeing it, and one tuned on everything; side by side in processes."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from detect.errors import ConfigError
from detect.networks.face.region_net import RegionNet
from detect.networks.image.patch_net import create
from detect.networks.zoo import find_model
from detect.training.face.corpus import Corpus, sort_faces
from detect.training.face.features import FaceMeter
from detect.training.face.fit import Discriminant
from detect.training.face.recipe import FaceRecipe
from detect.training.face.sampler import Sampler
from detect.training.face.store import StoredFace
from detect.training.face.trial import Table, fit, measure
from detect.training.face.tune import tune
from detect.training.image.tinyvae import LATENT_CHANNELS, load_tiny_vae
from detect.training.pretrained import take_stages

START_RIDGE = 1.0
"""Of the fit that tuning starts from."""


@dataclass(frozen=True)
class Tuned:
    """A network without what it must not see, and what it makes of the whole corpus."""

    network: RegionNet
    table: Table


def tune_folds(
    recipe: FaceRecipe, stored: list[StoredFace], work: Path, *, processes: int
) -> tuple[list[Table], Tuned]:
    """Return the table of every fold and what was tuned on everything.

    Without tuning, all of them are the network that the recipe starts from.

    Raises:
        ConfigError: The recipe's network cannot start.
    """
    corpus = sort_faces(stored, recipe)
    if not recipe.tune.steps:
        network = start_network(recipe)
        table = measure(corpus, _meter(network, recipe, work))
        return [table] * recipe.fit.folds, Tuned(network, table)
    measure(corpus, _meter(start_network(recipe), recipe, work))  # once, before the processes would each do it
    jobs = [(recipe, stored, work, fold) for fold in (None, *range(recipe.fit.folds))]
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn")) as pool:
        whole, *parts = pool.map(_tune_fold, *zip(*jobs, strict=True))
    return [part.table for part in parts], whole


def start_network(recipe: FaceRecipe) -> RegionNet:
    """Return the network with the first stages of the model that the recipe starts from.

    Raises:
        ConfigError: Another architecture, or that model lacks them.
    """
    network = create(recipe.model.architecture, **dict(recipe.model.options))
    if not isinstance(network, RegionNet):
        raise ConfigError(
            f"recipe {recipe.path}: faces need architecture region_net, not {recipe.model.architecture!r}"
        )
    take_stages(network, find_model(recipe.model.start), member=recipe.model.member)
    return network.eval()


def set_head(network: RegionNet, fitted: Discriminant) -> None:
    """Write the fitted layer into the network."""
    with torch.no_grad():
        network.head.weight[0] = torch.from_numpy(fitted.weights)
        network.head.bias[0] = fitted.offset


def _tune_fold(recipe: FaceRecipe, stored: list[StoredFace], work: Path, fold: int | None) -> Tuned:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(1)
    corpus, network = sort_faces(stored, recipe), start_network(recipe)
    kept = corpus.keep(fold)
    start = measure(corpus, _meter(network, recipe, work))
    share = max(recipe.fit.made_shares)
    set_head(network, fit(start, kept, START_RIDGE, share))
    sampler = Sampler(corpus, kept, recipe.tune, decoders=_decoders(recipe), margin=network.margin)
    name = f"{'all' if fold is None else fold}-{_digest(recipe, corpus)}.pt"
    tune(network, sampler, recipe.tune, seed=recipe.seed, checkpoint=work / "tuned" / name)
    network = network.to(memory_format=torch.contiguous_format)
    return Tuned(network, measure(corpus, _meter(network, recipe, work)))


def _digest(recipe: FaceRecipe, corpus: Corpus) -> str:
    """Return a name for a state: another plan or other faces must not take up this one."""
    names = [pair.real.name for pair in (*corpus.filmed, *corpus.others)] + [face.name for face in corpus.singles]
    text = f"{recipe.model} {recipe.tune} {recipe.fit} {recipe.seed} {recipe.data} {names}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _meter(network: RegionNet, recipe: FaceRecipe, work: Path) -> FaceMeter:
    return FaceMeter(network, work / "features", decoders=_decoders(recipe), seed=recipe.seed)


def _decoders(recipe: FaceRecipe) -> Mapping[str, nn.Module]:
    if not recipe.data.decoders:
        return {}
    folder = recipe.path.parent / recipe.data.decoders
    return {name: load_tiny_vae(name, folder) for name in LATENT_CHANNELS if name != "taef2"}
