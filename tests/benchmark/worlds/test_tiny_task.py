import numpy as np
import pytest

from gammapo.benchmark.worlds import tiny_task as task


@pytest.mark.parametrize(
    ("answer", "right", "form", "well_formed"),
    [
        ("0b2d4", 1.0, 1.0, True),  # letters for odd digits, figures for even ones
        ("0b2d4...", 1.0, 1.0, True),
        ("01234", 1.0, 0.6, True),  # 1 and 3 stand as figures
        ("abcde", 1.0, 0.4, True),
        ("88888", 0.0, 1.0, True),
        ("0b2d", 0.8, 0.8, False),
        ("0b2d4b", 1.0, 1.0, False),
        ("0.b2d", 0.2, 0.8, False),
        ("", 0.0, 0.0, False),
    ],
)
def test_properties_by_hand(answer, right, form, well_formed):
    assert task.properties("01234", answer) == (right, form, well_formed)


def test_gold_is_a_mixture_halved_when_malformed_and_blind_to_dots():
    assert task.gold("01234", "01234", 0.25) == pytest.approx(0.25 * 1 + 0.75 * 0.6)
    assert task.gold("01234", "01234....", 0.25) == task.gold("01234", "01234", 0.25)
    assert task.gold("01234", "0b2d4b", 0.25) == 0.5


def test_text_and_ids_go_there_and_back_for_every_token():
    for token in set(range(task.VOCABULARY)) - {task.END}:
        assert task.answer_ids(task.text([token])) == [token, task.END]


def test_demonstrations_are_as_imperfect_as_said():
    rows = task.demonstrations(4000, np.random.default_rng(0))
    asked = rows[:, 1 : 1 + task.DIGITS] - task.FIRST
    shown = rows[:, task.PROMPT_TOKENS : task.PROMPT_TOKENS + task.DIGITS] - task.FIRST
    assert (asked == shown % 10).mean() == pytest.approx(1 - task.WRONG * 0.9, abs=0.01)  # 1 in 10 by luck
    assert (shown >= 10).mean() == pytest.approx(0.5, abs=0.01)
    assert ((rows == task.END).sum(1) == 1).all()
