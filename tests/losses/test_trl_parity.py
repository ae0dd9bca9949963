"""Parity with TRL 1.16, by running TRL's own methods on a model that answers with given log-probs.

Where they differ on purpose: TRL's `bco_pair` leaves out the running mean (so `shift=False` here); its CPO
and ORPO average the cloning term over all tokens of the batch (so only the preference terms are compared);
its WPO weights need the whole distribution at each token (so it is not compared).
"""

from collections import defaultdict
from types import SimpleNamespace

import pytest
import torch

from gammapo import losses
from gammapo.types import PairLogps

trl = pytest.importorskip("trl")
CPU = torch.device("cpu")
LENGTHS_W, LENGTHS_L = [3, 5, 2, 6], [4, 2, 6, 3]


@pytest.fixture
def tokens():
    """Per-token log-probs of 8 answers, padded to 6 tokens: policy, reference, mask; winners first."""
    draw = torch.Generator().manual_seed(0)
    mask = torch.zeros(8, 6, dtype=torch.int64)
    for row, length in enumerate(LENGTHS_W + LENGTHS_L):
        mask[row, :length] = 1
    policy, reference = (-3 * torch.rand(8, 6, generator=draw) * mask for _ in range(2))
    return policy, reference, mask


@pytest.fixture
def logps(tokens):
    policy, reference, mask = tokens
    sums, reference_sums, lengths = policy.sum(1), reference.sum(1), mask.sum(1).float()
    return PairLogps(
        chosen=sums[:4],
        rejected=sums[4:],
        chosen_length=lengths[:4],
        rejected_length=lengths[4:],
        reference_chosen=reference_sums[:4],
        reference_rejected=reference_sums[4:],
    )


def dpo_trainer_loss(tokens, logps, loss_type, beta, label_smoothing):
    """What TRL's DPOTrainer computes for this batch."""
    policy, _, mask = tokens
    prompt = torch.zeros(8, 1, dtype=torch.int64)
    accelerator = SimpleNamespace(device=CPU, gather=lambda x: x, gather_for_metrics=lambda x: x)
    trainer = SimpleNamespace(
        model=SimpleNamespace(training=True),
        accelerator=accelerator,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        beta=beta,
        label_smoothing=label_smoothing,
        loss_types=[loss_type],
        loss_weights=[1.0],
        use_weighting=False,
        args=SimpleNamespace(),
        _metrics=defaultdict(lambda: defaultdict(list)),
        _total_train_tokens=0,
        _tp_size=1,
    )
    outputs = SimpleNamespace(log_probs=policy, entropy=policy, mean_logits=policy, is_top1=policy > 0)
    inputs = {
        "input_ids": torch.ones(8, 7, dtype=torch.int64),
        "attention_mask": torch.ones(8, 7, dtype=torch.int64),
        "completion_mask": torch.cat([prompt, mask], dim=1),
        "ref_chosen_logps": logps.reference_chosen,
        "ref_rejected_logps": logps.reference_rejected,
    }
    return trl.DPOTrainer._compute_loss(trainer, lambda **_: outputs, inputs, False)


@pytest.mark.parametrize(
    ("name", "loss_type", "options"),
    [
        ("dpo", "sigmoid", {"beta": 0.3}),
        ("hinge", "hinge", {"beta": 0.3}),
        ("ipo", "ipo", {"beta": 0.3}),
        ("rdpo", "robust", {"beta": 0.3, "epsilon": 0.2}),
        ("exo_pair", "exo_pair", {"beta": 0.3, "epsilon": 0.01}),
        ("nca_pair", "nca_pair", {"beta": 0.3}),
        ("bco_pair", "bco_pair", {"beta": 0.3, "shift": False}),
        ("sppo_hard", "sppo_hard", {"beta": 0.3}),
        ("apo_zero", "apo_zero", {"beta": 0.3}),
        ("apo_down", "apo_down", {"beta": 0.3}),
        ("anchored_simpo", "sigmoid_norm", {"beta": 2.0, "gamma": 0}),
    ],
)
def test_dpo_trainer(tokens, logps, name, loss_type, options):
    theirs = dpo_trainer_loss(tokens, logps, loss_type, options["beta"], options.get("epsilon", 0.0))
    ours = losses.create(name, **options)(logps).loss
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "options", "settings"),
    [
        ("simpo", {"beta": 2.0, "gamma": 0.5}, {"loss_type": "simpo"}),
        (
            "simpo",
            {"beta": 2.0, "gamma": 0.5, "epsilon": 0.1},
            {"loss_type": "simpo", "label_smoothing": 0.1},
        ),
        ("alphapo", {"beta": 2.0, "gamma": 0.5, "alpha": 0.25}, {"loss_type": "simpo", "alpha": 0.25}),
        ("cpo", {"beta": 2.0, "alpha": 0.0}, {"loss_type": "sigmoid", "summed": True}),
    ],
)
def test_cpo_trainer(logps, name, options, settings):
    from trl.experimental.cpo import CPOTrainer

    trainer = SimpleNamespace(
        alpha=settings.get("alpha", 0.0),
        accelerator=SimpleNamespace(device=CPU),
        loss_type=settings["loss_type"],
        simpo_gamma=options.get("gamma", 0.0),
        beta=options["beta"],
        label_smoothing=settings.get("label_smoothing", 0.0),
    )
    chosen, rejected = logps.chosen, logps.rejected
    if not settings.get("summed"):
        chosen, rejected = chosen / logps.chosen_length, rejected / logps.rejected_length
    theirs, *_ = CPOTrainer.cpo_loss(trainer, chosen, rejected)
    assert losses.create(name, **options)(logps).per_pair.tolist() == pytest.approx(theirs.tolist(), rel=1e-6)


def test_orpo_trainer(logps):
    from trl.experimental.orpo import ORPOTrainer

    chosen, rejected = logps.chosen / logps.chosen_length, logps.rejected / logps.rejected_length
    trainer = SimpleNamespace(beta=0.1, accelerator=SimpleNamespace(device=CPU))
    theirs, *_ = ORPOTrainer.odds_ratio_loss(trainer, chosen, rejected)
    ours = losses.create("orpo", lam=0.1)(logps).per_pair + chosen
    assert ours.tolist() == pytest.approx((-theirs).tolist(), rel=1e-5, abs=1e-6)
