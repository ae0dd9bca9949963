import pytest
from hypothesis import given
from hypothesis import strategies as st

from gammapo.errors import InputError
from gammapo.training.batches import plan_epoch


@given(
    tokens=st.lists(st.integers(1, 300), min_size=4, max_size=60),
    pairs_per_step=st.integers(4, 20),
    budget=st.integers(50, 900),
    world=st.integers(1, 4),
    seed=st.integers(0, 5),
)
def test_every_pair_once_and_micro_batches_fit(tokens, pairs_per_step, budget, world, seed):
    plans = plan_epoch(
        tokens, pairs_per_step=pairs_per_step, tokens_per_batch=budget, world_size=world, seed=seed
    )
    seen = [index for plan in plans for index in plan.pairs]
    assert len(seen) == len(set(seen))
    assert len(tokens) - len(seen) < world  # only a rest smaller than the ranks is left out
    for plan in plans:
        assert len(plan.parts) == world
        assert len({len(rank) for rank in plan.parts}) == 1, "ranks must call forward together"
        positions = sorted(at for rank in plan.parts for micro in rank for at in micro)
        assert positions == list(range(len(plan.pairs)))
        micros = [micro for rank in plan.parts for micro in rank]
        for micro in micros:
            assert micro
            full = len(micros) + world > len(plan.pairs)  # cannot be cut finer
            assert len(micro) == 1 or full or sum(tokens[plan.pairs[at]] for at in micro) <= budget


def test_order_depends_on_seed_and_epoch_but_not_on_the_cut():
    tokens = [10 + i for i in range(40)]

    def order(**changes):
        settings = {"pairs_per_step": 8, "tokens_per_batch": 100, "seed": 0, "epoch": 0} | changes
        return [plan.pairs for plan in plan_epoch(tokens, **settings)]

    assert order() == order(tokens_per_batch=1000, world_size=2)
    assert order() != order(epoch=1)
    assert order() != order(seed=1)


def test_no_pairs():
    with pytest.raises(InputError, match="no pairs"):
        plan_epoch([], pairs_per_step=8, tokens_per_batch=100)
