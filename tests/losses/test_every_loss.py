"""What must hold for every registered loss, whatever its formula."""

import dataclasses

import pytest
import torch

from gammapo import losses, registry
from gammapo.errors import InputError
from gammapo.types import PairLogps

NAMES = list(registry.LOSSES)
# these hold a part of themselves constant that depends on the log-probs, and finite differences would move it
STOPPED = {"gamma_simpo", "gamma_dpo", "margin_simpo", "alpha_dpo", "amapo", "beta_dpo", "wpo", "kldpo"}
STOPPED |= {"kto_pair", "re_dpo", "re_simpo", "plc_dpo", "bco_pair", "gammapo"}
GAP_LOSSES = [  # their rewards are linear in the log-probs, and all their pull goes through the gap
    name
    for name in NAMES
    if losses.create(name)(
        PairLogps(**{item.name: torch.full((1,), 2.0) for item in dataclasses.fields(PairLogps)})
    ).weights
    is not None
    and name not in {"slic", "orpo", "cpo", "alphapo", "gammapo"}
]


def batch(size=6, scale=1.0, dtype=torch.float64, seed=0) -> PairLogps:
    """Random pairs of plausible log-probs, lengths, references and scores; some contradict their label."""
    draw = torch.Generator().manual_seed(seed)

    def normal(spread):
        return spread * torch.randn(size, generator=draw, dtype=torch.float64)

    n_w, n_l = (torch.randint(3, 12, (size,), generator=draw).double() for _ in range(2))
    ref_w, ref_l = -2.0 * n_w + normal(1.0), -2.0 * n_l + normal(1.0)
    values = {
        "chosen": (ref_w + scale * normal(4.0)).clamp(max=-0.1),
        "rejected": (ref_l + scale * normal(4.0)).clamp(max=-0.1),
        "chosen_length": n_w,
        "rejected_length": n_l,
        "reference_chosen": ref_w,
        "reference_rejected": ref_l,
        "chosen_score": normal(1.0),
        "rejected_score": normal(1.0),
    }
    return PairLogps(**{name: value.to(dtype) for name, value in values.items()})


def started(loss: losses.Loss) -> dict[str, torch.Tensor]:
    """A state in the middle of a run, after steps with other pairs: what is scheduled has begun."""
    state = dict(loss.initial_state())
    for seed in range(1, 4):
        state = dict(loss(batch(seed=seed), state).state or {})
    if "step" in state:
        state["step"] = torch.full_like(state["step"], 500)
    return state


def with_answers(logps: PairLogps, chosen, rejected) -> PairLogps:
    return dataclasses.replace(logps, chosen=chosen, rejected=rejected)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in STOPPED])
def test_gradient_is_right(name):
    """torch's finite differences in float64."""
    loss, logps = losses.create(name), batch()
    inputs = (logps.chosen.requires_grad_(), logps.rejected.requires_grad_())
    torch.autograd.gradcheck(lambda w, l: loss(with_answers(logps, w, l)).loss, inputs)  # noqa: E741


@pytest.mark.parametrize("name", GAP_LOSSES)
def test_weights_are_the_pull_on_the_gap(name):
    """−∂(Σ per-pair)/∂s_w is the weight, up to one factor for all pairs; and the answers pull oppositely."""
    loss = losses.create(name)
    five = torch.full((6,), 5.0, dtype=torch.float64)
    even = dataclasses.replace(batch(), chosen_length=five, rejected_length=five)
    even.chosen.requires_grad_()
    even.rejected.requires_grad_()
    out = loss(even, started(loss))
    out.loss.backward()
    pull = -even.chosen.grad
    assert torch.allclose(pull, even.rejected.grad)
    scale = pull.abs().max() / out.weights.abs().max()
    assert torch.allclose(pull, scale * out.weights, atol=1e-6 * pull.abs().max().item())


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", NAMES)
def test_stable_at_extreme_gaps(name, dtype):
    """Log-probs that differ by 1e4 either way: finite loss, finite gradient, finite state."""
    size = 4
    logps = batch(size, dtype=dtype)
    chosen = torch.tensor([-1.0, -10001.0, -1e4, -1.0], dtype=dtype).requires_grad_()
    rejected = torch.tensor([-10001.0, -1.0, -1e4, -1.0], dtype=dtype).requires_grad_()
    loss = losses.create(name)
    out = loss(with_answers(logps, chosen, rejected), started(loss))
    out.loss.backward()
    assert torch.isfinite(out.loss)
    assert torch.isfinite(out.per_pair).all()
    assert torch.isfinite(out.reward_gaps).all()
    assert torch.isfinite(out.target_margins).all()
    assert torch.isfinite(chosen.grad).all()
    assert torch.isfinite(rejected.grad).all()
    for value in (out.state or {}).values():
        assert torch.isfinite(value).all()


@pytest.mark.parametrize("name", NAMES)
def test_order_of_pairs_does_not_matter(name):
    loss = losses.create(name, keep=1) if name == "beta_dpo" else losses.create(name)
    logps, state = batch(), started(loss)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    shuffled = PairLogps(**{k: v[order] for k, v in vars(logps).items()})
    straight, mixed = loss(logps, state), loss(shuffled, state)
    assert mixed.loss.item() == pytest.approx(straight.loss.item(), rel=1e-7)
    assert torch.allclose(mixed.per_pair, straight.per_pair[order], rtol=1e-6)
    assert torch.allclose(mixed.target_margins, straight.target_margins[order], rtol=1e-6)


@pytest.mark.parametrize("name", [name for name in NAMES if not registry.resolve("loss", name).couples])
def test_a_pair_is_judged_alone_unless_the_loss_says_otherwise(name):
    loss, logps = losses.create(name), batch()
    alone = [loss(PairLogps(**{k: v[i : i + 1] for k, v in vars(logps).items()})).loss for i in range(6)]
    assert torch.allclose(torch.stack(alone), loss(logps).per_pair)
    assert loss(logps).loss.item() == pytest.approx(torch.stack(alone).mean().item())


@pytest.mark.parametrize("name", NAMES)
def test_a_loss_with_memory_couples_pairs(name):
    """Else its memory would depend on how a step was cut into micro-batches."""
    spec = registry.resolve("loss", name)
    assert spec.couples or spec.initial_state is None


@pytest.mark.parametrize("name", NAMES)
def test_output_is_complete_and_detached(name):
    loss, logps = losses.create(name), batch()
    logps.chosen.requires_grad_()
    logps.rejected.requires_grad_()
    out = loss(logps, started(loss))
    assert out.loss.shape == ()
    for field in ("per_pair", "chosen_rewards", "rejected_rewards", "target_margins", "weights", "clarity"):
        value = getattr(out, field)
        assert value is None or value.shape == (6,)
        assert value is None or value.requires_grad == (field == "per_pair")
    assert torch.isfinite(out.reward_gaps).all()
    assert out.clarity is None or ((out.clarity >= 0) & (out.clarity <= 1)).all()
    for value in (out.state or {}).values():
        assert not value.requires_grad
    assert (out.state is None) == (loss.spec.initial_state is None)
    assert out.state is None or set(out.state) == set(loss.initial_state())


@pytest.mark.parametrize("name", NAMES)
def test_state_and_input_are_not_changed_in_place(name):
    loss, logps = losses.create(name), batch()
    state = started(loss)
    before = {k: v.clone() for k, v in state.items()}, {k: v.clone() for k, v in vars(logps).items()}
    loss(logps, state)
    assert all(torch.equal(state[k], v) for k, v in before[0].items())
    assert all(torch.equal(getattr(logps, k), v) for k, v in before[1].items())


@pytest.mark.parametrize("name", NAMES)
def test_state_survives_saving(name, tmp_path):
    """Saved and restored, the next step is the same to the last bit."""
    loss = losses.create(name)
    state = started(loss)
    torch.save(state, tmp_path / "state.pt")
    restored = torch.load(tmp_path / "state.pt")
    assert torch.equal(loss(batch(), state).per_pair, loss(batch(), restored).per_pair)


@pytest.mark.parametrize("name", NAMES)
def test_shape_mismatch_says_got_and_expected(name):
    with pytest.raises(InputError, match=r"rejected: shape \(5,\); expected \(6,\)"):
        losses.create(name)(with_answers(batch(), batch().chosen, batch(5).rejected))
    with pytest.raises(InputError, match=r"shape \(6, 1\)"):
        losses.create(name)(with_answers(batch(), batch().chosen[:, None], batch().rejected))


@pytest.mark.parametrize("name", NAMES)
def test_a_step_without_pairs_is_refused(name):
    """Its mean would be NaN, and so would every weight after it."""
    with pytest.raises(InputError, match="there are no pairs"):
        losses.create(name)(batch(0))


@pytest.mark.parametrize("name", NAMES)
def test_needs_are_declared_and_enough(name):
    """With its needs alone a loss runs; without any one of them it says which is missing."""
    loss = losses.create(name)
    optional = {need: fields for need, fields in losses.NEEDS.items() if need != "lengths"}
    bare = batch()
    for need, fields in optional.items():
        if need not in loss.needs:
            bare = dataclasses.replace(bare, **dict.fromkeys(fields))
    assert torch.isfinite(loss(bare).loss)
    for need in loss.needs & set(optional):
        with pytest.raises(InputError, match="which is missing"):
            loss(dataclasses.replace(batch(), **dict.fromkeys(optional[need])))


@pytest.mark.parametrize("name", NAMES)
def test_unneeded_fields_have_no_effect(name):
    """What a loss does not declare, as a need or as a use, must not move it."""
    loss = losses.create(name)
    logps, known = batch(), loss.needs | loss.spec.uses
    for need, fields in losses.NEEDS.items():
        if need not in known:
            moved = dataclasses.replace(logps, **{field: getattr(logps, field) + 1.7 for field in fields})
            assert torch.equal(loss(moved).per_pair, loss(logps).per_pair), need


def _changed(name, default):
    """Another allowed value of an option."""
    if isinstance(default, bool):
        return not default
    if name == "seed":
        return default + 1
    if isinstance(default, int):
        return default // 2
    if isinstance(default, float):
        return default * 0.6 if default else 0.2
    return {
        "gamma": 1.7,
        "gamma_beta_ratio": 0.7,
        "total_steps": 5000,
        "margin": "posterior",
        "margin_options": {"tau": 0.5},
    }[name]


OPTIONS = [
    (name, item.name)
    for name in NAMES
    for item in dataclasses.fields(registry.resolve("loss", name).options)
    if name != "gammapo"  # its options are switches of one another: see test_gammapo.py
]


@pytest.mark.parametrize(("name", "option"), OPTIONS)
def test_every_option_has_an_effect(name, option):
    """Changing an option changes the loss, or the state that decides later losses."""
    default = losses.defaults(registry.resolve("loss", name).options)[option]
    spare = {"floor": 0.9}.get(option, _changed(option, default))
    plain, other = losses.create(name), losses.create(name, **{option: spare})
    logps = batch(size=40, scale=6.0)
    if option == "group_size":  # matters once the window is fuller than the group
        plain, other = losses.create(name, group_size=64), losses.create(name, group_size=48)
    state = started(plain)
    if option in {"eta"}:  # an option of the initial state
        state, changed_state = plain.initial_state(), other.initial_state()
    else:
        changed_state = state
    if "step" in state:
        share = {"warmup": 60, "ramp": 120, "total_steps": 120}.get(option, 500)
        state = changed_state = {**state, "step": torch.tensor(share)}
    ours, theirs = plain(logps, state), other(logps, changed_state)
    same = torch.allclose(ours.per_pair, theirs.per_pair, rtol=1e-9)
    same = same and ours.loss.item() == pytest.approx(theirs.loss.item(), rel=1e-12)
    for key, value in (ours.state or {}).items():
        same = same and value.shape == theirs.state[key].shape and torch.allclose(value, theirs.state[key])
    assert not same, f"{option} = {spare} changed nothing"


@pytest.mark.parametrize("name", NAMES)
def test_it_describes_itself(name):
    loss = losses.create(name)
    assert loss.objective.startswith(f"{name}: ")
    assert loss.spec.name == name
    assert loss.spec.source
    assert loss.spec.family
    assert loss.spec.notes
    for item in dataclasses.fields(loss.options):
        assert item.metadata.get("help"), f"{item.name} has no help"


@pytest.mark.parametrize("name", NAMES)
def test_unknown_options_are_refused(name):
    with pytest.raises(InputError, match="no option 'label_smoothing'"):
        losses.create(name, label_smoothing=0.1)


def test_half_precision_is_computed_in_float32():
    """A gap of 1 between log-probs near 1e4 is lost in bfloat16 sums, so inputs are widened first."""
    logps = batch(dtype=torch.bfloat16)
    wide = PairLogps(**{k: v.float() for k, v in vars(logps).items()})
    assert torch.equal(losses.create("dpo")(logps).per_pair, losses.create("dpo")(wide).per_pair)
