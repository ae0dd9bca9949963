"""Reference log-probs equal one pass an answer, and a cache is used only for what it was made from."""

import dataclasses
import json
import logging
import re

import pytest
import torch
from logps_families import make_model, make_pairs

from gammapo.errors import InputError
from gammapo.logps import reference_logps
from gammapo.logps.one_at_a_time import sequence_logps
from gammapo.logps.reference import METADATA, data_digest, model_digest, token_batches

PAIRS = make_pairs((7, 5, 9), (30, 1, 14), (2, 12, 1))


@pytest.fixture
def model():
    return make_model("llama", dtype=torch.float32)


@pytest.fixture
def forwards(model):
    """Counts the model's forward passes."""
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    return calls


def test_values_are_in_order_without_gradient_and_leave_the_mode(model):
    model.config.attention_dropout = 0.5
    found = reference_logps(model, PAIRS, tokens_per_batch=40)
    for i, pair in enumerate(PAIRS):
        for side in ("chosen", "rejected"):
            truth = sequence_logps(model.eval(), pair.prompt, getattr(pair, side)).sum()
            torch.testing.assert_close(getattr(found, side)[i], truth, rtol=1e-5, atol=1e-5)
    assert not found.chosen.requires_grad
    assert found.rejected_length.tolist() == [9.0, 14.0, 1.0]


def test_no_pairs_are_named(model):
    with pytest.raises(InputError, match="no pairs were given"):
        reference_logps(model, [])


def test_a_training_model_stays_one(model):
    reference_logps(model, PAIRS)
    assert model.training


def test_the_second_call_reads_the_file(model, forwards, tmp_path):
    first = reference_logps(model, PAIRS, cache=tmp_path / "reference.parquet")
    assert forwards
    forwards.clear()
    again = reference_logps(model, PAIRS, cache=tmp_path / "reference.parquet")
    assert not forwards
    assert torch.equal(again.chosen, first.chosen)
    assert torch.equal(again.rejected, first.rejected)


def changed_weight(model, pairs):
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[3, 7] += 1e-3
    return pairs


def changed_config(model, pairs):
    model.config.rope_theta_note = 3
    return pairs


def other_tokens(model, pairs):
    return [dataclasses.replace(pairs[0], chosen=(1, *pairs[0].chosen[1:])), *pairs[1:]]


def shorter_prompt(model, pairs):
    return [dataclasses.replace(pairs[0], prompt=pairs[0].prompt[1:]), *pairs[1:]]


def other_order(model, pairs):
    return list(reversed(pairs))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed_weight, r"another model \(tiny\)"),
        (changed_config, "another model"),
        (other_tokens, "other pairs"),
        (shorter_prompt, "other pairs"),
        (other_order, "other pairs"),
    ],
)
def test_a_stale_file_is_named_and_made_again(model, forwards, tmp_path, caplog, change, reason):
    cache = tmp_path / "reference.parquet"
    reference_logps(model, PAIRS, cache=cache, model_name="tiny")
    pairs = change(model, PAIRS)
    forwards.clear()
    with caplog.at_level(logging.WARNING):
        found = reference_logps(model, pairs, cache=cache, model_name="tiny")
    assert forwards
    assert len(caplog.records) == 1
    assert caplog.records[0].getMessage().startswith(f"reference log-probs in {cache} are computed again")
    assert re.search(reason, caplog.records[0].getMessage())
    truth = sequence_logps(model, pairs[0].prompt, pairs[0].chosen).sum()
    torch.testing.assert_close(found.chosen[0], truth, rtol=1e-5, atol=1e-5)
    forwards.clear()
    reference_logps(model, pairs, cache=cache)
    assert not forwards


def in_bfloat16():
    return torch.autocast("cpu", torch.bfloat16)


def test_a_file_is_of_one_arithmetic(model, forwards, tmp_path, caplog):
    """Under autocast the weights, and so the model's digest, are what they were."""
    cache = tmp_path / "reference.parquet"
    plain = reference_logps(model, PAIRS, cache=cache)
    with in_bfloat16():
        rounded = reference_logps(model, PAIRS, cache=cache)
    assert "it was computed in float32, and now bfloat16 computes" in caplog.text
    assert not torch.equal(plain.chosen, rounded.chosen)
    forwards.clear()
    with in_bfloat16():
        assert torch.equal(reference_logps(model, PAIRS, cache=cache).chosen, rounded.chosen)
    assert not forwards
    assert torch.equal(reference_logps(model, PAIRS, cache=cache).chosen, plain.chosen)


def test_a_file_that_says_no_arithmetic_is_taken_for_float32(model, forwards, tmp_path, caplog):
    import pyarrow.parquet as pq

    cache = tmp_path / "reference.parquet"
    reference_logps(model, PAIRS, cache=cache)
    table = pq.read_table(cache)
    origin = json.loads(table.schema.metadata[METADATA])
    assert origin.pop("arithmetic") == "float32"
    pq.write_table(table.replace_schema_metadata({METADATA: json.dumps(origin)}), cache)
    forwards.clear()
    reference_logps(model, PAIRS, cache=cache)
    with in_bfloat16():
        reference_logps(model, PAIRS, cache=cache, must_exist=True)
    assert not forwards
    assert not caplog.records
    with in_bfloat16():
        reference_logps(model, PAIRS, cache=cache)
    assert "it was computed in an unnoted type, and now bfloat16 computes" in caplog.text


def test_trained_weights_go_on_with_the_reference_of_another_arithmetic(model, forwards, tmp_path, caplog):
    cache = tmp_path / "reference.parquet"
    plain = reference_logps(model, PAIRS, cache=cache)
    forwards.clear()
    with in_bfloat16():
        found = reference_logps(model, PAIRS, cache=cache, must_exist=True)
    assert not forwards
    assert torch.equal(found.chosen, plain.chosen)
    assert "are of float32, and the run goes on in bfloat16" in caplog.text


@pytest.mark.parametrize("content", [b"", b"not parquet at all", b"PAR1torn"])
def test_a_torn_or_foreign_file_is_made_again(model, tmp_path, caplog, content):
    cache = tmp_path / "reference.parquet"
    cache.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        reference_logps(model, PAIRS, cache=cache)
    assert "cannot be read" in caplog.text
    assert cache.read_bytes()[:4] == b"PAR1"


@pytest.mark.parametrize("content", [None, b"not parquet at all"])
def test_trained_weights_are_not_read_in_the_references_place(model, forwards, tmp_path, content):
    cache = tmp_path / "reference.parquet"
    if content is not None:
        cache.write_bytes(content)
    with pytest.raises(InputError, match="the weights have been trained since"):
        reference_logps(model, PAIRS, cache=cache, must_exist=True)
    assert not forwards
    assert (cache.read_bytes() if content is not None else None) == content


def test_another_table_is_no_cache(model, tmp_path, caplog):
    import pyarrow as pa
    import pyarrow.parquet as pq

    cache = tmp_path / "reference.parquet"
    pq.write_table(pa.table({"id": [p.id for p in PAIRS], "chosen": [0.0] * 3, "rejected": [0.0] * 3}), cache)
    with caplog.at_level(logging.WARNING):
        found = reference_logps(model, PAIRS, cache=cache)
    assert found.chosen.min() < -1
    assert "computed again" in caplog.text


def test_digests_see_what_matters_and_nothing_else(model):
    same = make_model("llama", dtype=torch.float32)
    same.config._name_or_path = "elsewhere"
    assert model_digest(same) == model_digest(model)
    assert model_digest(make_model("llama", dtype=torch.float32, seed=1)) != model_digest(model)
    assert model_digest(make_model("llama", dtype=torch.bfloat16)) != model_digest(model)
    scored = [dataclasses.replace(p, chosen_score=2.0) for p in PAIRS]
    assert data_digest(scored) == data_digest(PAIRS)


def test_batches_keep_the_budget_and_lose_nothing():
    # longest first: 9 alone exceeds the budget of 8; 5+3 fill it exactly; 2+1 follow
    assert token_batches([3, 9, 1, 5, 2], 8) == [[1], [3, 0], [4, 2]]
