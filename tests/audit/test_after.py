"""The audit of a run: ranking, rate and truth on a learner whose wrong labels are known."""

import numpy as np
import pytest

from gammapo.audit import audit_run, evidence
from gammapo.errors import InputError


def audited(run, pair, **options):
    pairs = [pair(f"p{i}", f"a{i}", f"b{i}") for i in range(len(run.wrong))]
    found = evidence(run.ids, run.steps, run.gaps)
    return audit_run("runs/x", found, pairs, flipped=run.flipped, resamples=30, **options)


@pytest.mark.parametrize("rate", [0.1, 0.2, 0.3])
def test_symmetric_flips_are_ranked_and_counted(make_run, some, pair, rate):
    found = audited(make_run(some(rate)), pair)
    assert found.truth is not None
    assert found.truth.auroc is not None
    assert found.truth.auroc > 0.85
    assert abs(found.rate - rate) < 0.05
    assert found.rate_ci95[0] <= found.rate <= found.rate_ci95[1]
    probabilities = [one.probability for one in found.suspects]
    assert probabilities == sorted(probabilities, reverse=True)
    assert found.truth.calibration_error < 0.1
    assert np.mean([bool(one.flipped) for one in found.suspects[:50]]) > 0.9


def test_clean_labels_are_left_in_peace(make_run, some, pair):
    found = audited(make_run(some(0.0)), pair)
    assert found.rate < 0.02
    assert found.truth is not None
    assert found.truth.auroc is None
    assert sum(one.probability > 0.5 for one in found.suspects) < 10


def test_confident_flips_fool_it_as_the_page_says(make_run, pair):
    """Wrong labels on the clearest 40 % of pairs are what the model learns: the ranking turns round."""
    found = audited(make_run(lambda rng, gap: gap > np.quantile(gap, 0.6)), pair)
    assert found.truth is not None
    assert found.truth.auroc is not None
    assert found.truth.auroc < 0.5


def test_a_foreign_pair_file_is_refused(make_run, some, pair):
    run = make_run(some(0.2), pairs=100)
    found = evidence(run.ids, run.steps, run.gaps)
    with pytest.raises(InputError, match="5 of the ledger's 100 pairs are in the pair file"):
        audit_run("runs/x", found, [pair(f"p{i}") for i in range(5)])
    partly = audit_run("runs/x", found, [pair(f"p{i}") for i in range(60)], resamples=2)
    assert (len(partly.suspects), partly.missing, partly.truth) == (60, 40, None)
