"""Keeping less changes no gradient, leaves nothing behind, and does keep less."""

import gc
import weakref

import pytest
import torch
from logps_families import MAKERS, make_model, make_pairs

from gammapo.logps import lean
from gammapo.logps.again import Again, Notes
from gammapo.logps.lean import lean_layers
from gammapo.logps.shared import shared_logps
from gammapo.logps.support import prepare

PAIRS = make_pairs((7, 5, 9), (30, 1, 14), (2, 12, 1))


def loss_of(model):
    chosen, rejected = shared_logps(model, PAIRS)
    return torch.nn.functional.softplus((rejected - chosen) / 10).sum()


def run(model):
    model.zero_grad()
    loss = loss_of(model)
    loss.backward()
    return loss.detach(), {name: p.grad.clone() for name, p in model.named_parameters()}


def prepared(family, dtype=torch.float32):
    model = make_model(family, dtype=dtype)
    for module in model.modules():  # norms with weights of their own, not ones
        if type(module).__name__.endswith("RMSNorm"):
            torch.nn.init.normal_(module.weight, 0.5, 0.2)
    assert prepare(model) is None
    return model


@pytest.mark.parametrize("family", MAKERS)
def test_values_and_gradients_are_those_of_the_modules_own_code(family, monkeypatch):
    model = prepared(family)
    got = run(model)
    monkeypatch.setattr(lean, "_unsafe", lambda *_: True)
    expected = run(model)
    torch.testing.assert_close(got[0], expected[0], rtol=1e-6, atol=1e-6)
    for name, gradient in expected[1].items():
        torch.testing.assert_close(got[1][name], gradient, rtol=1e-5, atol=1e-6, msg=name)


def test_the_slope_of_silu_is_one_call_and_of_others_their_own():
    """An activation is made forward and once again; a third time would be for its slope."""
    model = prepared("llama")
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as watched:
        loss_of(model).backward()
    calls = {event.key: event.count for event in watched.key_averages()}
    layers = model.config.num_hidden_layers
    assert calls["aten::silu"] == 2 * layers
    assert calls["aten::silu_backward"] == layers
    assert not lean._is_silu(torch.nn.GELU())
    assert not lean._is_silu(torch.nn.functional.silu)


@pytest.mark.parametrize("family", ["llama", "gemma2"])
def test_half_precision_rounds_as_before(family, monkeypatch):
    model = prepared(family, torch.bfloat16)
    got = run(model)
    monkeypatch.setattr(lean, "_unsafe", lambda *_: True)
    expected = run(model)
    torch.testing.assert_close(got[0], expected[0], rtol=1e-2, atol=1e-2)
    norm = torch.stack([g.float().norm() for g in expected[1].values()]).norm()
    apart = torch.stack([(got[1][n] - g).float().norm() for n, g in expected[1].items()]).norm()
    assert apart < 0.03 * norm


def kept_bytes(model, monkeypatch):
    """Bytes that the graph of one loss keeps besides the weights, each place in memory once."""
    weights = {p.data_ptr() for p in model.parameters()}
    places: dict[int, int] = {}
    real = Notes.pack

    def pack(self, tensor):
        kept = real(self, tensor)
        if isinstance(kept, torch.Tensor) and tensor.data_ptr() not in weights:
            storage = tensor.untyped_storage()
            places[storage.data_ptr()] = storage.nbytes()
        return kept

    monkeypatch.setattr(Notes, "pack", pack)
    loss = loss_of(model)
    if not places:  # switched off: count what plain autograd keeps
        with torch.autograd.graph.saved_tensors_hooks(lambda t: pack(Notes(), t), lambda t: t):
            loss = loss_of(model)
    del loss
    monkeypatch.setattr(Notes, "pack", real)
    return sum(places.values())


def test_less_is_kept(monkeypatch):
    model = prepared("llama")
    less = kept_bytes(model, monkeypatch)
    monkeypatch.setattr(lean, "_unsafe", lambda *_: True)
    assert less < 0.7 * kept_bytes(model, monkeypatch)


def test_nothing_is_left_behind_also_after_a_failure():
    model = prepared("llama")
    run(model)

    def replaced():
        return sum("forward" in vars(module) for module in model.modules())

    def fail():
        with lean_layers(model, model):
            assert replaced() == 2 * 2 + 1 + 2  # norms, last norm, feed-forward parts
            raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        fail()
    assert replaced() == 0


def test_the_graph_is_freed_without_the_garbage_collector(monkeypatch):
    model, seen, real = prepared("llama"), [], Notes.pack

    def pack(self, tensor):
        kept = real(self, tensor)
        seen.append(weakref.ref(kept if isinstance(kept, torch.Tensor) else kept[0]))
        return kept

    monkeypatch.setattr(Notes, "pack", pack)
    gc.collect()
    gc.disable()
    try:
        loss = loss_of(model)
        assert sum(one() is not None for one in seen) > 50
        loss.backward()
        del loss
        assert not any(one() is not None for one in seen), "a reference cycle keeps activations alive"
    finally:
        gc.enable()


def test_a_second_backward_pass_adds_the_same_gradient():
    model = prepared("llama")
    once = run(model)[1]
    model.zero_grad()
    loss = loss_of(model)
    loss.backward(retain_graph=True)
    loss.backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, 2 * once[name], msg=name)


def test_a_module_that_is_not_what_it_looks_like_is_left_alone():
    class OddRMSNorm(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.eps = torch.nn.Parameter(torch.ones(4)), 1e-6

        def forward(self, x):
            return self.weight * x / x.abs().amax(-1, keepdim=True)

    class OddMLP(type(make_model("llama").model.layers[0].mlp)):
        def forward(self, x):
            return super().forward(x) + 1

    config = make_model("llama").config
    assert lean._lean_forward(OddRMSNorm(), Notes()) is None
    assert lean._lean_forward(OddMLP(config), Notes()) is None
    assert lean._lean_forward(make_model("llama").model.layers[0].mlp, Notes()) is not None


def test_a_note_counts_only_while_its_tensor_lives_unchanged():
    again, notes = Again(None, {}, lambda _: torch.zeros(3)), Notes()
    made = torch.ones(2, 3)
    notes.add(made, again)
    assert notes.pack(made) == (again, (2, 3))
    assert notes.pack(made.view(6)) == (again, (6,))
    assert isinstance(notes.pack(made[:1]), torch.Tensor), "another size"
    assert isinstance(notes.pack(made.t()), torch.Tensor), "another order"
    made.add_(1)
    assert isinstance(notes.pack(made), torch.Tensor), "changed since"
    place = torch.ones(2, 3)
    notes.add(place, again)
    view = place.view(3, 2).detach()
    del place
    assert isinstance(notes.pack(view), torch.Tensor), "the tensor that was noted is gone"


def test_checkpointing_and_no_gradient_leave_the_layers_alone():
    model = prepared("llama")
    with torch.no_grad(), lean_layers(model, model):
        assert not any("forward" in vars(module) for module in model.modules())
    model.gradient_checkpointing_enable({"use_reentrant": False})
    with lean_layers(model, model):
        assert not any("forward" in vars(module) for module in model.modules())


def test_layers_in_pytorchs_checkpoint_wrapper_run_their_own_code():
    """accelerate's fsdp_activation_checkpointing puts it around layers; they run again when this is shut."""
    from torch.distributed.algorithms._checkpoint.checkpoint_wrapper import checkpoint_wrapper

    expected, model = run(prepared("llama")), prepared("llama")
    for number, layer in enumerate(model.model.layers):
        model.model.layers[number] = checkpoint_wrapper(layer)
    got = run(model)
    torch.testing.assert_close(got[0], expected[0])
    for name, gradient in got[1].items():
        plain = name.replace("_checkpoint_wrapped_module.", "")
        torch.testing.assert_close(gradient, expected[1][plain], rtol=1e-5, atol=1e-6, msg=name)


def test_a_norm_of_fsdp2s_own_class_is_known():
    """accelerate shards the last norm as a unit; the class that FSDP2 then gives it cannot be copied."""
    from torch.distributed.fsdp import FSDPModule

    norm = make_model("llama", dtype=torch.float32).model.norm
    norm.__class__ = type("FSDPLlamaRMSNorm", (FSDPModule, type(norm)), {})
    assert lean._norm_kind(norm) == "llama"
