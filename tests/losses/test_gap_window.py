"""The window of recent gaps."""

import torch

from gammapo.losses import gap_window


def test_it_does_not_depend_on_how_a_stream_is_cut_into_steps():
    stream = torch.arange(10.0)
    whole, cut = gap_window.empty(), gap_window.empty()
    whole = gap_window.appended(whole, stream, 4)
    for part in (stream[:3], stream[3:9], stream[9:]):
        cut = gap_window.appended(cut, part, 4)
    assert cut.tolist() == whole.tolist() == [6, 7, 8, 9]


def test_a_step_is_joined_whole_and_last():
    window, step = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([8.0, 9.0], dtype=torch.float64)
    assert gap_window.joined(window, step, 4).tolist() == [2, 3, 8, 9]
    assert gap_window.joined(window, step, 1).tolist() == [8, 9]
    assert gap_window.joined(window, step, 0).tolist() == [8, 9]
    assert gap_window.joined(window, step, 9).dtype == torch.float64
