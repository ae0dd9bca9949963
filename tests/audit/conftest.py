"""Pairs for the audit's tests."""

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
