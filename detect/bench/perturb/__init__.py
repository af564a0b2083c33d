"""Named, versioned, seeded changes of a file: what happens to media between maker and judge."""

from detect.bench.perturb.base import PERTURBATIONS, Perturbation, Rng, get_perturbation, list_perturbations

__all__ = ["PERTURBATIONS", "Perturbation", "Rng", "get_perturbation", "list_perturbations"]
