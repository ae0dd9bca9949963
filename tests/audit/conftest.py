"""Pairs for the audit's tests."""

import numpy as np
import pytest

from gammapo.data import LoadedPairs, LoadReport
from gammapo.types import Message, PreferencePair


@pytest.fixture
def pair():
    def make(name, chosen="Yes, it is.", rejected="No, not so.", *, prompt="question", scores=(None, None)):
        return PreferencePair(
            id=name,
            prompt=(Message(role="user", content=prompt),),
            chosen=chosen,
            rejected=rejected,
            chosen_score=scores[0],
            rejected_score=scores[1],
            origin=f"pairs.jsonl:{name}",
        )

    return make


@pytest.fixture
def loaded():
    def wrap(*pairs):
        report = LoadReport(source="pairs.jsonl", shape="text", rows=len(pairs), pairs=len(pairs))
        return LoadedPairs(pairs=list(pairs), report=report)

    return wrap


class Run:
    """A small Bradley–Terry learner: a linear reward, trained online on pairs of known worth.

    It writes what a training run's ledger holds. Pairs are differences of features; the true label is the
    side of a hidden linear reward; `flips(rng, |true gap|)` says which labels are wrong.
    """

    def __init__(self, flips, *, pairs=1000, features=20, epochs=3, rate=0.03, seed=0):
        rng = np.random.default_rng(seed)
        worth, x = rng.normal(size=features), rng.normal(size=(pairs, features))
        true_gap = x @ worth
        self.wrong = flips(rng, np.abs(true_gap))
        label = np.sign(true_gap) * np.where(self.wrong, -1, 1)
        x, theta, step = x * label[:, None], np.zeros(features), 0
        self.ids, steps, gaps = [], [], []
        for _ in range(epochs):
            order = rng.permutation(pairs)
            for start in range(0, pairs, 16):
                batch = order[start : start + 16]
                gap = x[batch] @ theta
                self.ids += [f"p{i}" for i in batch]
                steps += [step] * len(batch)
                gaps += list(gap)
                theta += rate * x[batch].T @ (1 / (1 + np.exp(gap)))
                step += 1
        self.steps, self.gaps = np.array(steps), np.array(gaps)
        self.flipped = {f"p{i}" for i in np.flatnonzero(self.wrong)}

    def table(self):
        import pyarrow

        epochs = self.steps / (self.steps.max() + 1)
        columns = {"pair_id": self.ids, "step": self.steps, "epoch": epochs, "reward_gap": self.gaps}
        return pyarrow.table(columns)


def some(rate):
    """Flips of `rate` of the pairs, by chance."""
    return lambda rng, gap: rng.permutation(len(gap)) < rate * len(gap)


@pytest.fixture(scope="session")
def make_run():
    return Run


@pytest.fixture(scope="session", name="some")
def _some():
    return some
