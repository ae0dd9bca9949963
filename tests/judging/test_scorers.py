"""Links, and users' own scorers and judges."""

import math

import numpy as np
import pytest

from gammapo.errors import InputError, RunError
from gammapo.judging import Comparison, ScorerJudge, create, create_scorer
from gammapo.judging.scorers import OwnJudge, sigmoid, sign


def test_links_by_hand():
    assert [sign(gap) for gap in (-2.0, 0.0, 0.1)] == [0.0, 0.5, 1.0]
    assert sigmoid(math.log(3)) == pytest.approx(0.75)
    assert sigmoid(-math.log(3)) == pytest.approx(0.25)
    assert (sigmoid(-1e4), sigmoid(1e4)) == (0.0, 1.0)


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_scorers_x1.py").write_text(
        "def length(prompts, answers):\n    return [len(a) for a in answers]\n"
        "def soft(prompts, answers):\n    return [float(len(a)) for a in answers]\n"
        "soft.link = 'sigmoid'\n"
        "def short(prompts, answers):\n    return [1.0]\n"
        "def broken(prompts, answers):\n    return [float('nan')] * len(answers)\n"
        "class Times:\n"
        "    def __init__(self, factor=1): self.factor = factor\n"
        "    def score(self, prompts, answers): return [self.factor * len(a) for a in answers]\n"
        "class First:\n"
        "    def judge(self, comparisons, *, progress=None):\n"
        "        return [c.judged(1.0, 'first') for c in comparisons]\n"
        "number = 3\n"
        "def fails(prompts, answers):\n    return prompts['x']\n"
        "def huge(prompts, answers):\n    return [10**400 for _ in answers]\n"
        "class Breaks:\n"
        "    link = 'sigmoid'\n"
        "    def score(self, prompts, answers): return [1 / len(a[3:]) for a in answers]\n"
        "class Unmade:\n"
        "    def __init__(self, weights): self.score = weights\n"
        "class Silent:\n"
        "    def judge(self, comparisons, *, progress=None): return []\n"
        "class Odd:\n"
        "    def judge(self, comparisons, *, progress=None): return [1.0 for _ in comparisons]\n"
        "class Lost:\n"
        "    def judge(self, comparisons): return {}['x']\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    return "own_scorers_x1"


COMPARISONS = [Comparison(instruction="x", output_1="aa", output_2=text) for text in ("aaa", "a", "bb")]


def test_own_function_class_and_judge(own):
    def preferences(spec, **options):
        return [one.preference for one in create(f"{own}:{spec}", **options).judge(COMPARISONS)]

    assert preferences("length") == [2.0, 1.0, 1.5]
    assert preferences("soft") == pytest.approx([1 + sigmoid(1), 1 + sigmoid(-1), 1.5])
    assert preferences("Times", factor=-1) == [1.0, 2.0, 1.5]
    assert preferences("First") == [1.0, 1.0, 1.0]
    assert create_scorer(f"{own}:Times", factor=2).score([()], ["aaa"]) == [6]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("short", "returned 1 scores; expected 6"),
        ("broken", "scored answer 1 as nan"),
        ("huge", "scored answer 1 as 1000"),
        ("Unmade", "Unmade' cannot be made: TypeError: .*weights"),
        ("Silent", "Silent' returned 0 judgements; expected 3, one a comparison"),
        ("Odd", "Odd' returned a float as judgement 1; expected a Judgement"),
        ("number", "is int"),
        ("absent", "cannot load"),
    ],
)
def test_what_an_own_scorer_does_wrong_is_said(own, spec, said):
    with pytest.raises(InputError, match=said):
        create(f"{own}:{spec}").judge(COMPARISONS)


class Verdicts:
    """A judge that gives each comparison the same preference and notes."""

    def __init__(self, preference, **extra):
        self.preference, self.extra = preference, extra

    def judge(self, comparisons, *, progress=None):
        return [one.judged(self.preference, "mine", **self.extra) for one in comparisons]


@pytest.mark.parametrize("given", [1.5, np.float32(1.5), 2, None])
def test_what_an_own_judge_may_prefer(given):
    found = OwnJudge(Verdicts(given, why="so"), name="mine").judge(COMPARISONS)
    assert [one.preference for one in found] == [given] * 3
    assert all(type(one.preference) in (float, type(None)) for one in found), "which JSON holds"


@pytest.mark.parametrize(
    ("verdicts", "said"),
    [
        (Verdicts(float("nan")), "gave the preference nan in judgement 1; expected a number in"),
        (Verdicts(3), "gave the preference 3 in"),
        (Verdicts(0), "gave the preference 0 in"),
        (Verdicts("2"), "gave the preference '2' in"),
        (Verdicts(True), "gave the preference True in"),
        (Verdicts(2.0, why={1}), r"gave what JSON cannot hold \(.*set.*\) in judgement 1"),
        (Verdicts(2.0, score=float("inf")), "gave what JSON cannot hold"),
    ],
)
def test_what_an_own_judge_says_is_looked_at_before_it_is_written(verdicts, said):
    with pytest.raises(InputError, match=said):
        OwnJudge(verdicts, name="mine").judge(COMPARISONS)


def test_an_own_judge_that_mixes_its_answers_up_is_told():
    class Turned(Verdicts):
        def judge(self, comparisons, *, progress=None):
            return super().judge(comparisons)[::-1]

    with pytest.raises(
        InputError, match="the judgement of another comparison as judgement 1; expected one a"
    ):
        OwnJudge(Turned(2.0), name="mine").judge(COMPARISONS)


def test_an_own_scorer_that_breaks_is_told_with_its_line(own):
    with pytest.raises(RunError, match=r"own_scorers_x1.py:18: TypeError"):
        create(f"{own}:fails").judge(COMPARISONS)
    with pytest.raises(RunError, match=r"scorer '.*Breaks' failed at .*x1.py:23: ZeroDivisionError"):
        create(f"{own}:Breaks").judge(COMPARISONS)
    with pytest.raises(RunError, match=r"judge '.*Lost' failed at .*: TypeError: .*'progress'"):
        create(f"{own}:Lost").judge(COMPARISONS)


def test_options_and_specs_are_checked(own, tmp_path):
    for spec, options, said in (
        ("rules", {}, "got 'rules'; expected rules:FILE"),
        ("nosuchmodule_x:y", {}, "cannot load 'nosuchmodule_x:y'"),
        (f"{own}:length", {"factor": 2}, "is no class"),
        ("rules:x.yaml", {"factor": 2}, "the judge 'rules' has no option 'factor'"),
        ("openai:m@http://localhost", {"concurency": 2}, "expected 'concurrency'"),
        ("rules:absent.yaml", {}, "no such file"),
    ):
        with pytest.raises(InputError, match=said):
            create(spec, **options)
    with pytest.raises(InputError, match="compares answers and scores none"):
        create_scorer("openai:m@http://localhost:1")


def test_an_unknown_link_is_refused(own):
    with pytest.raises(InputError, match="link: got 'cubic'; expected one of sign, sigmoid"):
        ScorerJudge(create_scorer(f"{own}:Times"), name="x", link="cubic")
