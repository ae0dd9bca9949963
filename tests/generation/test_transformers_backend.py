"""Against `model.generate`, and against itself with other batches, with a tiny random model."""

import pytest
import torch

from gammapo import generation
from gammapo.data import encode_prompt
from gammapo.errors import InputError
from gammapo.generation import Sampling
from gammapo.types import Message

TEXTS = [
    "Tell me about a river.",
    "one two three",
    "What is the colour of snow? " * 6,
    "yes",
    "Answer with exactly one sentence! a bird or a bridge",
]
PROMPTS = [[Message(role="user", content=text)] for text in TEXTS]


@pytest.fixture
def backend(tiny_model, tiny_tokenizer):
    return generation.create("transformers", model=tiny_model, tokenizer=tiny_tokenizer, batch_size=3)


def hugging_face_greedy(model, tokenizer, prompt, stops, max_new_tokens):
    ids = torch.tensor([encode_prompt(tokenizer, prompt)])
    out = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=sorted(stops),
        pad_token_id=0,
    )
    return out[0, ids.shape[1] :].tolist()


def make_some_rows_stop(backend, length=24):
    """Declare a token that greedy answers really contain to be a stop, so that rows end at odd times."""
    free = backend.generate(PROMPTS, Sampling(max_new_tokens=length))
    frequent = [token for [answer] in free[:3] for token in answer.token_ids[4:12]]
    backend.stops = backend.stops | {max(set(frequent), key=frequent.count)}


def test_greedy_equals_model_generate_one_prompt_at_a_time(backend, tiny_model, tiny_tokenizer):
    make_some_rows_stop(backend)
    answers = backend.generate(PROMPTS, Sampling(max_new_tokens=24))
    expected = [
        hugging_face_greedy(tiny_model, tiny_tokenizer, prompt, backend.stops, 24) for prompt in PROMPTS
    ]
    assert [list(answer.token_ids) for [answer] in answers] == expected
    reasons = {answer.finish_reason for [answer] in answers}
    assert reasons == {"stop", "length"}, "the test must see rows that leave the batch early and others"
    for [answer] in answers:
        assert (answer.finish_reason == "stop") == (answer.token_ids[-1] in backend.stops)


@pytest.mark.parametrize("temperature", [0.0, 0.8])
def test_answers_do_not_depend_on_the_batch(backend, temperature):
    make_some_rows_stop(backend)
    sampling = Sampling(max_new_tokens=20, temperature=temperature, top_p=0.9, n=2, seed=3)
    together = backend.generate(PROMPTS, sampling)
    backend.batch_size = 1
    alone = [backend.generate([prompt], sampling)[0] for prompt in reversed(PROMPTS)][::-1]
    assert together == alone


def test_seed_and_number_change_the_answer(backend):
    sampling = Sampling(max_new_tokens=12, temperature=1.0, n=3, seed=0)
    first = backend.generate(PROMPTS, sampling)
    assert first == backend.generate(PROMPTS, sampling)
    other = backend.generate(PROMPTS, Sampling(max_new_tokens=12, temperature=1.0, n=3, seed=1))
    assert all(mine != theirs for mine, theirs in zip(first, other, strict=True))
    assert all(len({answer.token_ids for answer in answers}) == 3 for answers in first)


def test_exactly_one_bos_reaches_the_model(backend, tiny_model, tiny_tokenizer):
    seen = []
    hook = tiny_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["input_ids"]), with_kwargs=True
    )
    backend.generate(PROMPTS, Sampling(max_new_tokens=2))
    hook.remove()
    prefills = [row for ids in seen if ids.shape[1] > 1 for row in ids.tolist()]
    assert len(prefills) == len(PROMPTS)
    assert all(row.count(tiny_tokenizer.bos_token_id) == 1 for row in prefills)


def test_a_prompt_is_read_once_for_all_its_answers(backend, tiny_model):
    read = []
    hook = tiny_model.register_forward_pre_hook(
        lambda module, args, kwargs: read.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True
    )
    backend.generate(PROMPTS[:1], Sampling(max_new_tokens=3, temperature=1.0, n=3))
    hook.remove()
    assert read[0][0] == 1
    assert [shape[1] for shape in read[1:]] == [1] * (len(read) - 1)


def test_progress_and_results_as_they_come(backend):
    told, came = [], {}
    answers = backend.generate(
        PROMPTS,
        Sampling(max_new_tokens=3, temperature=1.0, n=2),
        progress=lambda done, total: told.append((done, total)),
        on_result=lambda index, result: came.setdefault(index, result),
    )
    assert told == [(3, 10), (6, 10), (9, 10), (10, 10)]
    assert [came[index] for index in range(len(PROMPTS))] == answers


def test_no_prompts_give_no_answers(backend):
    assert backend.generate([], Sampling()) == []


def test_the_context_window_cuts_an_answer_and_refuses_a_long_prompt(backend, tiny_model):
    tiny_model.config.max_position_embeddings = 200
    length = len(encode_prompt(backend.tokenizer, PROMPTS[2]))
    backend.stops = frozenset()
    [[answer]] = backend.generate(PROMPTS[2:3], Sampling(max_new_tokens=500))
    assert len(answer.token_ids) == 200 - length
    assert answer.finish_reason == "length"
    with pytest.raises(InputError, match=r"prompt 2 has \d+ tokens.*200 positions"):
        backend.generate([PROMPTS[0], [Message(role="user", content="seven " * 200)]], Sampling())


def test_loads_from_a_folder(tiny_model_dir, backend):
    loaded = generation.create("transformers", model=tiny_model_dir)
    sampling = Sampling(max_new_tokens=5)
    assert loaded.generate(PROMPTS, sampling) == backend.generate(PROMPTS, sampling)
    assert loaded.name == str(tiny_model_dir)


def test_unknown_names_and_options_are_refused(tiny_model):
    with pytest.raises(InputError, match=r"unknown generator 'transformer'.*'transformers'"):
        generation.create("transformer", model=tiny_model)
    with pytest.raises(InputError, match=r"no option 'batch'.*'batch_size'"):
        generation.create("transformers", model=tiny_model, batch=3)
    with pytest.raises(InputError, match="tokenizer"):
        generation.create("transformers", model=tiny_model)


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"top_p": 0.0}, {"top_p": 1.1}, {"n": 0}, {"max_new_tokens": 0}]
)
def test_sampling_out_of_range_is_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        Sampling(**wrong)


def test_smollm2_answers_and_stops(smollm2):
    model, tokenizer = smollm2
    backend = generation.create("transformers", model=model, tokenizer=tokenizer)
    prompts = [[Message(role="user", content="What is the capital of France? Answer in one word.")]]
    [[answer]] = backend.generate(prompts, Sampling(max_new_tokens=24))
    assert "Paris" in answer.text
    assert answer.finish_reason == "stop"
    assert answer.token_ids[-1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
