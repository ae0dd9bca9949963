"""A swapped pair keeps its answers and gets another pair's prompt."""

from dataclasses import replace

import pytest

from gammapo import noise
from gammapo.errors import InputError


def test_the_prompt_is_another_pairs(scored):
    done = noise.corrupt(scored, "swap_prompt", rate=0.5, seed=0)
    prompts = {pair.prompt for pair in scored}
    for new, old in zip(done.pairs, scored, strict=True):
        assert (new.chosen, new.rejected) == (old.chosen, old.rejected)
        assert new.prompt in prompts
        assert (new.prompt != old.prompt) == (new.id in done.manifest.changed)
    assert not done.manifest.flipped


def test_one_prompt_alone_cannot_be_swapped(make_pair):
    pairs = [replace(make_pair(i), prompt=make_pair(0).prompt) for i in range(4)]
    with pytest.raises(InputError, match="can change 0 of the 4 pairs"):
        noise.corrupt(pairs, "swap_prompt", rate=0.5, seed=0)
