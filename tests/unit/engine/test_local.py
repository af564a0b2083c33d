"""The default engine: every item answered once and in order, calls mixed, never too large, errors only to their own."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from detect.engine import LocalEngine
from detect.errors import EngineError
from detect.networks.batches import run_here


class Doubling:
    """A model that doubles numbers, keeps a record of its calls, and refuses 13."""

    def __init__(self, *, batch=4, device="cpu", seconds=0.0):
        self.batch, self.device, self.seconds = batch, device, seconds
        self.calls = []
        self.running, self.most_running = 0, 0
        self._lock = threading.Lock()

    def group(self, item):
        return type(item)

    def run(self, items):
        with self._lock:
            self.calls.append(list(items))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
        time.sleep(self.seconds)
        with self._lock:
            self.running -= 1
        if 13 in items:
            raise ValueError("13")
        return [item * 2 for item in items]


@pytest.fixture
def engine():
    with LocalEngine(cpu_lanes=3) as engine:
        yield engine


@pytest.mark.parametrize("how", ["here", "engine"])
def test_answers_come_in_the_order_given_and_groups_never_mix(engine, how):
    model = Doubling(batch=3)
    items = [1, "a", 2, "b", 3, 4, "c", 5]
    run = run_here if how == "here" else engine.run
    assert run(model, items) == [2, "aa", 4, "bb", 6, 8, "cc", 10]
    assert all(len(call) <= 3 and len({type(item) for item in call}) == 1 for call in model.calls)


def test_no_items_is_no_call(engine):
    model = Doubling()
    assert engine.run(model, []) == []
    assert model.calls == []


def test_items_of_many_callers_are_each_answered_once(engine):
    model = Doubling(batch=8)
    with ThreadPoolExecutor(16) as callers:
        answers = list(callers.map(lambda n: engine.run(model, list(range(100 * n + 20, 100 * n + 30))), range(50)))
    assert answers == [[2 * i for i in range(100 * n + 20, 100 * n + 30)] for n in range(50)]
    assert sum(len(call) for call in model.calls) == 500


def test_gpu_lanes_mix_callers_into_full_batches(engine):
    model = Doubling(batch=8, device="cuda", seconds=0.01)
    with ThreadPoolExecutor(16) as callers:
        list(callers.map(lambda n: engine.run(model, [100 + n]), range(64)))
    assert model.most_running <= 2
    assert max(len(call) for call in model.calls) == 8
    assert len(model.calls) < 32


def test_cpu_lanes_run_one_callers_items_at_the_same_time(engine):
    model = Doubling(batch=1, seconds=0.02)
    engine.run(model, list(range(20, 32)))
    assert model.most_running == 3


def test_an_error_reaches_the_caller_whose_item_it_was_and_the_lanes_live_on(engine):
    model = Doubling(batch=1)
    with ThreadPoolExecutor(2) as callers:
        bad = callers.submit(engine.run, model, [1, 13, 2])
        good = callers.submit(engine.run, model, [3, 4])
        with pytest.raises(ValueError, match="13"):
            bad.result()
        assert good.result() == [6, 8]
    assert engine.run(model, [5]) == [10]


def test_a_model_that_forgets_items_is_an_error(engine):
    model = Doubling()
    model.run = lambda items: []
    with pytest.raises(EngineError, match="0 answers to 2 items"):
        engine.run(model, [1, 2])


def test_a_backlog_of_one_model_does_not_starve_another():
    with LocalEngine(cpu_lanes=1) as engine:
        slow, quick = Doubling(batch=1, seconds=0.01), Doubling(batch=1)
        with ThreadPoolExecutor(2) as callers:
            backlog = callers.submit(engine.run, slow, list(range(20, 120)))
            while not slow.calls:
                time.sleep(0.001)
            assert callers.submit(engine.run, quick, [1, 2]).result() == [2, 4]
            assert not backlog.done()
            assert len(slow.calls) < 50


def test_a_closed_engine_refuses(engine):
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run(Doubling(), [1])


def test_patches_through_the_engine_give_the_same_bits(tiny_models, engine):
    from detect.networks.image.patch_scorer import load

    rng = np.random.default_rng(0)
    patches = [rng.integers(0, 255, (*shape, 3), dtype=np.uint8) for shape in ((128, 128), (64, 90)) * 6]
    here = load("image", folder=tiny_models)
    scorer = load("image", folder=tiny_models, schedule=engine.run)
    for expected, got in zip(here.score(patches), scorer.score(patches), strict=True):
        np.testing.assert_array_equal(got, expected)
