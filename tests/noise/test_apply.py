"""What holds for every kind: exact counts, nested sets, one change a pair, nothing else touched."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gammapo import noise
from gammapo.errors import InputError

MOST = {"length_biased": 0.5, "ties": 0.5}  # of the pairs in `scored`, the share a kind can change


@pytest.mark.parametrize("kind", noise.names())
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(low=st.floats(0, 1), high=st.floats(0, 1), seed=st.integers(0, 10**6))
def test_rate_is_exact_and_lower_rates_are_nested(scored, kind, low, high, seed):
    low, high = sorted((low * MOST.get(kind, 1), high * MOST.get(kind, 1)))
    few = noise.corrupt(scored, kind, rate=low, seed=seed)
    many = noise.corrupt(scored, kind, rate=high, seed=seed)
    assert len(few.manifest.changed) == round(low * 100)
    assert len(many.manifest.changed) == round(high * 100)
    assert set(few.manifest.changed) <= set(many.manifest.changed)
    after = {pair.id: pair for pair in many.pairs}
    for pair in few.pairs:
        if pair.id in few.manifest.changed:
            assert pair == after[pair.id]


@pytest.mark.parametrize("kind", noise.names())
def test_only_the_pairs_in_the_manifest_differ(scored, kind):
    done = noise.corrupt(scored, kind, rate=0.2, seed=3)
    assert [pair.id for pair in done.pairs] == [pair.id for pair in scored]
    differing = [new.id for new, old in zip(done.pairs, scored, strict=True) if new != old]
    assert differing == list(done.manifest.changed)
    assert all(change.why for change in done.manifest.changed.values())


@pytest.mark.parametrize("kind", noise.names())
def test_seed_decides_and_the_order_of_the_file_does_not(scored, kind):
    def changed(pairs, seed):
        return set(noise.corrupt(pairs, kind, rate=0.2, seed=seed).manifest.changed)

    assert changed(scored, 1) == changed(scored[::-1], 1)
    if kind not in {"confident", "hard_pair"}:  # these follow the gap alone
        assert changed(scored, 1) != changed(scored, 2)


def test_a_flip_moves_scores_with_their_answers(scored):
    done = noise.corrupt(scored, "symmetric", rate=1.0, seed=0)
    assert done.manifest.flipped == {pair.id for pair in scored}
    for new, old in zip(done.pairs, scored, strict=True):
        assert (new.chosen, new.rejected) == (old.rejected, old.chosen)
        assert (new.chosen_score, new.rejected_score) == (old.rejected_score, old.chosen_score)


def test_steps_compose_without_touching_a_pair_twice(scored):
    steps = [noise.Step(kind=kind, rate=0.3, seed=5) for kind in ("symmetric", "ambiguous", "truncate")]
    done = noise.compose(scored, steps)
    changes = [change.kind for change in done.manifest.changed.values()]
    assert [changes.count(step.kind) for step in steps] == [30, 30, 30]
    assert len(done.manifest.flipped) == 60
    assert done.manifest.kind == "symmetric+ambiguous+truncate"
    assert done.manifest.rate == 0.9


@pytest.mark.parametrize("kind", [name for name in noise.names() if noise.get(name).needs_scores])
def test_kinds_that_need_the_true_gap_say_so(make_pair, kind):
    assert kind in {"ambiguous", "confident", "hard_pair", "ties"}
    with pytest.raises(InputError, match=rf"{kind!r} needs the true gap .* pair p001 .* has no scores"):
        noise.corrupt([make_pair(0, gap=1.0), make_pair(1)], kind, rate=0.5, seed=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "symetric", "rate": 0.1}, "expected 'symmetric'"),
        ({"kind": "symmetric", "rate": 1.5}, r"rate: is 1.5; expected a share in \[0, 1\]"),
        ({"kind": "symmetric", "rate": float("nan")}, "rate: is nan"),
        ({"kind": "symmetric", "rate": 0.1, "seed": 0.5}, "seed: is 0.5"),
        ({"kind": "symmetric", "rate": 0.1, "slope": 2}, "no option 'slope'"),
        ({"kind": "ambiguous", "rate": 0.1, "slop": 2}, "expected 'slope'"),
        ({"kind": "ambiguous", "rate": 0.1, "slope": -1}, "slope: is -1"),
        ({"kind": "length_biased", "rate": 0.6}, "can change 50 of the 100 pairs, and rate 0.6 asks for 60"),
        ({"kind": "ties", "rate": 0.6}, "expected at most 0.5"),
        ({"kind": "truncate", "rate": 0.1, "side": "both"}, "side: is 'both'"),
        ({"kind": "annotator_mix", "rate": 0.1, "annotators": 1}, "annotators: is 1"),
    ],
)
def test_wrong_arguments_are_named(scored, arguments, message):
    with pytest.raises(InputError, match=message):
        noise.corrupt(scored, **{"seed": 0, **arguments})


def test_repeated_ids_are_refused(make_pair):
    with pytest.raises(InputError, match="1 pairs repeat an id"):
        noise.corrupt([make_pair(1), make_pair(1)], "symmetric", rate=0.5, seed=0)
