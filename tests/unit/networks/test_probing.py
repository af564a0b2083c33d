"""Batch sizes are found by trial, memory that does not suffice halves a call, buckets are few."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from detect.networks.image.patch_net import create
from detect.networks.image.probing import bucket_of, probe_batch, run_in_halves
from detect.networks.image.torch_runner import TorchRunner


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        pytest.param({8: 100, 16: 190, 32: 300, 64: 305, 128: 306}, 32, id="smallest-near-the-best"),
        pytest.param({8: 100, 16: 200}, 16, id="no-memory-for-more"),
        pytest.param({}, 8, id="nothing-fits"),
        pytest.param({8: 300, 16: 200, 32: 900}, 8, id="stops-past-the-top"),
    ],
)
def test_batch_is_the_smallest_that_is_nearly_the_fastest(rates: dict[int, float], expected: int) -> None:
    def rate_of(size: int) -> float:
        if size not in rates:
            raise MemoryError
        return rates[size]

    assert probe_batch(rate_of, no_memory=MemoryError) == expected


def test_a_call_that_does_not_fit_is_halved_and_keeps_its_order() -> None:
    calls: list[int] = []

    def run(items: object) -> list[object]:
        calls.append(len(items))  # type: ignore[arg-type]
        if len(items) > 3:  # type: ignore[arg-type]
            raise MemoryError
        return [item * 2 for item in items]  # type: ignore[attr-defined]

    assert run_in_halves(run, list(range(10)), no_memory=MemoryError) == [2 * number for number in range(10)]
    assert max(size for size in calls if size <= 3) <= 3

    def never(items: object) -> list[object]:
        raise MemoryError

    with pytest.raises(MemoryError):
        run_in_halves(never, [1, 2], no_memory=MemoryError)


def test_buckets_hold_every_count_and_are_few() -> None:
    sizes = {bucket_of(count, 64) for count in range(1, 65)}
    assert all(bucket_of(count, 64) >= count for count in range(1, 65))
    assert len(sizes) == 7


def test_a_filled_up_call_gives_the_answers_of_its_own_patches() -> None:
    """What a GPU's bucket does, on the CPU: patches beside empty ones keep their logits."""
    torch.manual_seed(0)
    runner = TorchRunner(create("residual_net", width=8))
    patches = np.random.default_rng(0).integers(0, 255, (3, 96, 96, 3), dtype=np.uint8)
    filled = np.concatenate([patches, np.zeros((5, 96, 96, 3), np.uint8)])
    np.testing.assert_allclose(runner.run(filled)[:3], runner.run(patches), atol=1e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("has_graphs", [True, False], ids=["graphs", "plain"])
def test_a_gpu_says_what_the_cpu_says(has_graphs: bool) -> None:
    torch.manual_seed(0)
    network = create("residual_net", width=8)
    patches = np.random.default_rng(0).integers(0, 255, (5, 96, 96, 3), dtype=np.uint8)
    expected = TorchRunner(network).run(patches)
    runner = TorchRunner(create("residual_net", width=8), device="cuda", batch=8, has_graphs=has_graphs)
    runner.network.load_state_dict(network.state_dict())
    for _ in range(3):
        np.testing.assert_allclose(runner.run(patches), expected, atol=0.05)
