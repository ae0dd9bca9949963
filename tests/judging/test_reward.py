"""A reward model built here: a random sequence classifier with one output."""

import json

import pytest
import torch

from gammapo.errors import InputError
from gammapo.judging import Comparison, create, create_scorer
from gammapo.judging.scorers import sigmoid
from gammapo.types import Message

ASK = [Message(role="user", content="Tell me about a river")]
ANSWERS = [
    "yes",
    "the river runs to the sea",
    "no",
    "a cat sat on a mat while rain fell over every hill",
    "x",
]


def save(folder, tokenizer, labels=1, **overrides):
    from transformers import LlamaConfig, LlamaForSequenceClassification

    torch.manual_seed(0)
    settings = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    settings |= {"vocab_size": len(tokenizer), "max_position_embeddings": 128, "initializer_range": 0.3}
    config = LlamaConfig(num_labels=labels, pad_token_id=tokenizer.eos_token_id, **settings, **overrides)
    LlamaForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tiny_tokenizer, tmp_path_factory):
    return save(tmp_path_factory.mktemp("reward"), tiny_tokenizer)


def test_scores_are_the_models_own_at_the_last_token(folder, tiny_tokenizer):
    """Padding is the end-of-turn token here, which also ends every answer: the usual trap."""
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    expected = []
    for answer in ANSWERS:
        text = f"<s><|user|>{ASK[0].content}<|end|><|assistant|>{answer}<|end|>"
        ids = torch.tensor([tiny_tokenizer(text, add_special_tokens=False)["input_ids"]])
        with torch.inference_mode():
            hidden = model.model(ids).last_hidden_state[0, -1]
            expected.append(model.score(hidden).item())
    for batch_size in (1, 2, 16):
        scorer = create_scorer(f"reward:{folder}", batch_size=batch_size)
        assert scorer.score([ASK] * len(ANSWERS), ANSWERS) == pytest.approx(expected, abs=1e-5)


def test_a_judgement_is_the_sigmoid_of_the_gap(folder):
    [judged] = create(f"reward:{folder}").judge(
        [Comparison(instruction=ASK[0].content, output_1=ANSWERS[0], output_2=ANSWERS[1])]
    )
    first, second = create_scorer(f"reward:{folder}").score([ASK, ASK], ANSWERS[:2])
    assert judged.preference == pytest.approx(1 + sigmoid(second - first))


def test_a_conversation_too_long_is_refused_not_cut(folder):
    with pytest.raises(InputError, match=r"conversation 2 has \d+ tokens; expected at most 128"):
        create_scorer(f"reward:{folder}").score([ASK, ASK], ["yes", "seven " * 200])


@pytest.mark.parametrize(("change", "problem"), [("drop", "are missing"), ("cut", "have other sizes")])
def test_a_score_head_that_is_not_in_the_files_is_not_made_up(tiny_tokenizer, tmp_path, change, problem):
    """transformers would begin it at random, and its scores would be judgements by chance."""
    from safetensors.torch import load_file, save_file

    path = save(tmp_path / "reward", tiny_tokenizer) / "model.safetensors"
    weights = load_file(path)
    head = weights.pop("score.weight")
    save_file(
        weights if change == "drop" else {**weights, "score.weight": head[:, :16]}, path, {"format": "pt"}
    )
    with pytest.raises(InputError, match=rf"weights of the \w+ {problem}.*: score.weight, 1 in all"):
        create(f"reward:{tmp_path / 'reward'}")


def test_code_beside_a_model_is_not_run_and_nobody_is_asked(folder, tmp_path, monkeypatch):
    """Of a kind that transformers does not know, it would ask at the terminal whether the code may be run."""
    asked = []
    monkeypatch.setattr("builtins.input", lambda *words: asked.append(words) or "n")
    (tmp_path / "mine.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    config = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config"}, "architectures": ["MyReward"]}
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match="no (reward model|model config) can be"):
        create(f"reward:{tmp_path}")
    assert not asked
    assert not (tmp_path / "ran").exists()


def test_damaged_weights_are_named(tiny_tokenizer, tmp_path):
    path = save(tmp_path / "reward", tiny_tokenizer) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(InputError, match=r"/reward: judge: no reward model can be loaded"):
        create(f"reward:{tmp_path / 'reward'}")


@pytest.mark.parametrize(("option", "value"), [("dtype", "int8"), ("batch_size", 0)])
def test_an_option_out_of_range_is_named(folder, option, value):
    with pytest.raises(InputError, match=f"{option}: got "):
        create(f"reward:{folder}", **{option: value})


def test_a_conversation_that_the_template_refuses_is_named(tiny_tokenizer, tmp_path):
    from transformers import AutoTokenizer

    folder = save(tmp_path / "reward", tiny_tokenizer)
    strict = AutoTokenizer.from_pretrained(folder)
    strict.chat_template = "{{ raise_exception('roles must alternate') }}"
    strict.save_pretrained(folder)
    with pytest.raises(
        InputError, match="conversation 1: the chat template refuses it: roles must alternate"
    ):
        create_scorer(f"reward:{folder}").score([ASK], ["yes"])


def test_other_models_are_refused(tiny_model_dir, tiny_tokenizer, tmp_path):
    with pytest.raises(InputError, match=r"LlamaForCausalLM.*expected a sequence classifier"):
        create(f"reward:{tiny_model_dir}")
    with pytest.raises(InputError, match="with 3 outputs"):
        create(f"reward:{save(tmp_path / 'three', tiny_tokenizer, labels=3)}")
    with pytest.raises(InputError, match="no such model folder"):
        create("reward:./absent")
