import importlib.util

import pytest

from gammapo.benchmark.engines import outcomes
from gammapo.errors import InputError, MissingExtraError


def double(spec):
    return {"twice": 2 * spec["number"]}


def test_an_unknown_engine_is_refused():
    with pytest.raises(InputError, match="local"):
        outcomes([], double, workers=1, engine="locall")


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_ray_is_named_where_it_is_missing():
    with pytest.raises(MissingExtraError, match=r"gammapo\[ray\]"):
        list(outcomes([{"number": 1}], double, workers=1, engine="ray"))


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed")
def test_a_real_local_ray_cluster_gives_the_same_outcomes():
    import math

    specs = [{"number": number} for number in range(4)]
    work = math.prod  # an importable function that fails on a mapping's text keys
    assert all(one.error for one in outcomes(specs, work, workers=1, engine="ray"))
