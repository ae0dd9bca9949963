import importlib.util

import pytest

from gammapo.benchmark.engines import check_gpus, outcomes
from gammapo.benchmark.experiment import run
from gammapo.benchmark.grid import parse_grid
from gammapo.benchmark.specs import specs
from gammapo.errors import InputError, MissingExtraError


def double(spec):
    return {"twice": 2 * spec["number"]}


def how_it_runs(spec):
    import os

    from transformers.utils import logging

    return {"bars": logging.is_progress_bar_enabled(), "threads": os.environ["OMP_NUM_THREADS"]}


def test_a_local_run_has_one_thread_and_draws_no_bars():
    (one,) = outcomes([{}], how_it_runs, workers=1)
    assert one.row == {"bars": False, "threads": "1"}


def which_gpu(spec):
    import os
    import time

    time.sleep(0.5)  # so that no process takes two
    return {"gpu": os.environ.get("CUDA_VISIBLE_DEVICES")}


def test_local_processes_take_the_gpus_in_turns(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3, 5")
    found = list(outcomes([{}, {}], which_gpu, workers=2))
    assert sorted(one.row["gpu"] for one in found) == ["3", "5"]


def test_hidden_gpus_stay_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    (one,) = outcomes([{}], which_gpu, workers=1)
    assert one.row["gpu"] == ""


def not_finite(spec):
    return {"gold_reward": spec["gold"], "kl": float("inf"), "steps": 3}


def test_a_metric_that_is_no_number_is_none_and_a_gold_reward_that_is_none_fails():
    """Neither can be written as JSON: one such run would have ended the grid."""
    kept, lost = outcomes([{"gold": 0.5}, {"gold": float("nan")}], not_finite, workers=1)
    assert kept.row == {"gold_reward": 0.5, "kl": None, "steps": 3}
    assert lost.row is None
    assert "gold_reward is nan" in str(lost.error)


def test_local_runs_on_a_gpu_that_is_not_there_are_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(InputError, match="--gpus: got 0.5"):
        check_gpus(0.5, "local")
    check_gpus(0, "local")
    check_gpus(0.5, "ray")  # the cluster's are elsewhere


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match="local"):
        outcomes([], double, workers=1, engine="locall")


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_ray_is_named_where_it_is_missing():
    with pytest.raises(MissingExtraError, match=r"gammapo\[ray\]"):
        list(outcomes([{"number": 1}], double, workers=1, engine="ray"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_real_local_ray_cluster_gives_the_same_rows_and_isolates_a_failure(small_grid):
    import ray

    wanted = specs(parse_grid({**small_grid, "seeds": 1}))
    bad = {**wanted[0], "loss": {"name": "no_such_loss", "options": {}, "as": "bad"}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        remote = list(outcomes([*wanted, bad], run, workers=2, engine="ray"))
    finally:
        ray.shutdown()
    assert len(remote) == 3
    (failed,) = [one for one in remote if one.error]
    assert "no_such_loss" in str(failed.error)
    rows = {one.row["rate"]: one.row["gold_reward"] for one in remote if one.row}
    assert rows == {spec["noise"]["rate"]: run(spec)["gold_reward"] for spec in wanted}


def on_its_gpu(spec):
    import time

    import ray

    begun = time.monotonic()
    time.sleep(1)
    return {"gpus": ray.get_gpu_ids(), "begun": begun, "ended": time.monotonic()}


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_ray_places_as_many_runs_on_a_gpu_as_their_share_allows():
    """One GPU, as far as Ray knows, and room for two runs on it: four come in two waves."""
    import ray

    ray.init(num_cpus=4, num_gpus=1, include_dashboard=False, log_to_driver=False)
    try:
        found = list(
            outcomes([{"number": n} for n in range(4)], on_its_gpu, workers=4, engine="ray", gpus=0.5)
        )
    finally:
        ray.shutdown()
    rows = [one.row for one in found]
    assert all(row["gpus"] == [0] for row in rows)
    together = [sum(a["begun"] < b["ended"] and b["begun"] < a["ended"] for b in rows) for a in rows]
    assert max(together) == 2
