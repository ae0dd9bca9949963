"""A miniature of the full-size task: the folders, data shapes and model architecture of the real one."""

from __future__ import annotations

import json
import random

import pytest

QWEN_TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}{{ '<|im_start|>system\nBe helpful.<|im_end|>\n' }}"
    "{% endif %}{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] "
    "+ '<|im_end|>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
THINGS = "river mountain bird bridge cat sea hill mat".split()
KINDS = "short long quiet loud old new".split()


def save_qwen(folder):
    """A random Qwen2 of two layers, with a byte-level BPE tokenizer and Qwen's turns: no BOS, <|im_end|>."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    core = Tokenizer(models.BPE())
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    core.train_from_iterator(
        [f"tell me of the {kind} {thing}" for kind in KINDS for thing in THINGS], trainer
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, eos_token="<|im_end|>", pad_token="<|endoftext|>", model_max_length=4096
    )
    tokenizer.chat_template = QWEN_TEMPLATE
    tokenizer.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        eos_token_id=2,
        pad_token_id=0,
        tie_word_embeddings=False,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n# A model\n")


def save_ultrafeedback(folder, count):
    """Pairs as ultrafeedback_binarized has them, saved by `datasets`, with the splits that it has."""
    from datasets import Dataset, DatasetDict

    rng = random.Random(0)
    rows = []
    for number in range(count):
        prompt = f"Tell me of the {rng.choice(KINDS)} {rng.choice(THINGS)} number {number}"
        good, bad = "It is a fine thing to see.", f"No {rng.choice(THINGS)}!"
        turns = [
            [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
            for answer in (good, bad)
        ]
        rows.append(
            {
                "prompt": prompt,
                "prompt_id": f"{number:08x}",
                "chosen": turns[0],
                "rejected": turns[1],
                "messages": turns[0],
                "score_chosen": rng.uniform(6, 10),
                "score_rejected": rng.uniform(1, 5),
            }
        )
    splits = {"train_prefs": Dataset.from_list(rows), "test_prefs": Dataset.from_list(rows[:4])}
    DatasetDict(splits).save_to_disk(str(folder))
    return [row["prompt"] for row in rows]


def save_instructions(folder, count):
    """AlpacaEval's reference answers, and SimPO's, for a set of instructions."""
    instructions = [f"Say {kind} words on a {thing}" for kind in KINDS for thing in THINGS][:count]
    names = {
        folder / "datasets/alpaca_eval/alpaca_eval_gpt4_baseline.json": "reference",
        folder / "outputs/qwen-2.5-7b-it-simpo/model_outputs.json": "qwen-2.5-7b-it-simpo",
    }
    for path, generator in names.items():
        path.parent.mkdir(parents=True)
        rows = [
            {
                "dataset": "helpful_base",
                "instruction": text,
                "output": f"{generator} " * (3 + index % 7),
                "generator": generator,
            }
            for index, text in enumerate(instructions)
        ]
        path.write_text(json.dumps(rows))
    return instructions


@pytest.fixture(scope="session")
def miniature(tmp_path_factory):
    """A workspace made from an empty folder; its `prompts` and `instructions` in order."""
    root = tmp_path_factory.mktemp("workspace")
    data = root / "data"
    prompts = save_ultrafeedback(data / "datasets/qwen_ultrafeedback_binarized", 24)
    (data / "checkpoints/Qwen2.5-7b-Instruct").mkdir(parents=True)
    save_qwen(data / "checkpoints/Qwen2.5-7b-Instruct")
    instructions = save_instructions(data, 24)
    return root, prompts, instructions
