import pytest
import torch

from gammapo.benchmark.worlds.fluency import AnswerLogps, answer_logps, turn_opening


def test_worst_window_and_mean_by_hand():
    logps = AnswerLogps(tokens=(-1.0, -3.0, -5.0, -1.0), end=-2.0)
    assert logps.mean == -2.5
    assert logps.worst_window(2) == -4.0
    assert logps.worst_window(10) == -2.5
    assert AnswerLogps(tokens=(), end=-1.0).worst_window(4) == 0.0


def test_text_behind_an_answer_never_lifts_its_worst_window():
    bad = (-1.0, -6.0, -7.0, -1.0)
    for size in (1, 2, 3, 4):
        padded = AnswerLogps(tokens=(*bad, *[-0.5] * 20), end=0.0)
        assert padded.worst_window(size) <= AnswerLogps(tokens=bad, end=0.0).worst_window(size)


def test_log_probs_are_those_of_one_unpadded_pass_an_answer(tiny_model, tiny_tokenizer):
    answers = ["the river runs to the sea", "yes", "a cat sat on a mat while rain fell"]
    opening = turn_opening(tiny_tokenizer)
    assert tiny_tokenizer.decode(opening) == "<|assistant|>"
    end = tiny_tokenizer.convert_tokens_to_ids("<|end|>")
    tiny_model.train()
    found = answer_logps(tiny_model, tiny_tokenizer, answers, batch_size=3)
    assert tiny_model.training
    for answer, logps in zip(answers, found, strict=True):
        ids = [*tiny_tokenizer(answer, add_special_tokens=False)["input_ids"], end]
        with torch.no_grad():
            logits = tiny_model.eval()(torch.tensor([opening + ids])).logits[0]
        expected = [
            torch.log_softmax(logits[len(opening) - 1 + place], dim=-1)[token].item()
            for place, token in enumerate(ids)
        ]
        assert [*logps.tokens, logps.end] == pytest.approx(expected, abs=1e-4)


def test_batches_do_not_change_the_result(tiny_model, tiny_tokenizer):
    answers = ["one two three", "four", "five six seven eight nine ten", "snow"]
    alone = [answer_logps(tiny_model, tiny_tokenizer, [answer])[0] for answer in answers]
    for one, other in zip(alone, answer_logps(tiny_model, tiny_tokenizer, answers), strict=True):
        assert one.tokens == pytest.approx(other.tokens, abs=1e-4)
