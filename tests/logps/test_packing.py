"""The packed row by hand."""

import torch

from gammapo.logps.packing import Segment, answer_sums, pack
from gammapo.types import TokenizedPair


def test_two_pairs_by_hand():
    first = TokenizedPair(id="a", prompt=(1, 2), chosen=(3, 4, 5), rejected=(6, 7))
    second = TokenizedPair(id="b", prompt=(8,), chosen=(9,), rejected=(9, 10))
    packed = pack([first, second])
    # no answer's last token is read: 1 2 | 3 4 | 6 || 8 | | 9
    assert packed.ids.tolist() == [[1, 2, 3, 4, 6, 8, 9]]
    assert packed.positions.tolist() == [[0, 1, 2, 3, 2, 0, 1]]
    # chosen 3,4,5 are predicted at 1,2,3; rejected 6,7 at 1,4; then 9 at 5; 9,10 at 5,6
    assert packed.scored.tolist() == [1, 2, 3, 1, 4, 5, 5, 6]
    assert packed.targets.tolist() == [3, 4, 5, 6, 7, 9, 9, 10]
    assert packed.segments == (
        Segment(prompt=2, chosen=2, rejected=1),
        Segment(prompt=1, chosen=0, rejected=1),
    )
    chosen, rejected = answer_sums(torch.tensor([1.0, 2, 4, 8, 16, 32, 64, 128]), packed)
    assert chosen.tolist() == [7.0, 32.0]
    assert rejected.tolist() == [24.0, 192.0]
    half, _ = answer_sums(torch.tensor([256.0, 1, 0, 0, 0, 0, 0, 0], dtype=torch.bfloat16), packed)
    assert half.tolist() == [257.0, 0.0], "in bfloat16 the sum would stay at 256"
