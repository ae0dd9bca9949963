"""The outputs file: format, order, and a run that is killed half-way."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from gammapo import generation
from gammapo.errors import InputError, RunError
from gammapo.generation import RefusedError, Sampling, load_prompts, write_outputs
from gammapo.generation.identity import settings

SAMPLING = Sampling(max_new_tokens=6, temperature=1.0, seed=2)


@pytest.fixture
def prompts(tmp_path):
    path = tmp_path / "set.json"
    texts = ["a river", "one two three four five six", "yes", "What is the colour of snow?", "yes"]
    path.write_text(json.dumps([{"dataset": f"d{n}", "instruction": text} for n, text in enumerate(texts)]))
    return load_prompts(path)


@pytest.fixture
def backend(tiny_model, tiny_tokenizer):
    return generation.create("transformers", model=tiny_model, tokenizer=tiny_tokenizer, batch_size=2)


class Dying:
    """A backend that fails after some answers, as a full disk or a lost GPU would."""

    def __init__(self, inner, after):
        self.inner, self.after, self.name, self.asked = inner, after, inner.name, 0
        self.settings = settings(inner)

    def generate(self, prompts, sampling, *, progress=None, on_result=None):
        self.asked = len(prompts)
        delivered = 0

        def deliver(index, answers):
            nonlocal delivered
            if delivered == self.after:
                raise RuntimeError("the machine went away")
            delivered += 1
            on_result(index, answers)

        return self.inner.generate(prompts, sampling, progress=progress, on_result=deliver)


def test_rows_are_the_sets_in_its_order(backend, prompts, tmp_path):
    out = tmp_path / "outputs.json"
    rows = write_outputs(prompts, backend, SAMPLING, out, generator="mine")
    assert json.loads(out.read_text()) == rows
    assert [row["dataset"] for row in rows] == ["d0", "d1", "d2", "d3", "d4"]
    assert [row["instruction"] for row in rows] == [item.instruction for item in prompts.items]
    assert {row["generator"] for row in rows} == {"mine"}
    direct = backend.generate([item.messages for item in prompts.items], SAMPLING)
    assert [row["output"] for row in rows] == [answer.text for [answer] in direct]
    assert [row["finish_reason"] for row in rows] == [answer.finish_reason for [answer] in direct]
    assert list(tmp_path.glob(".outputs*")) == []
    with pytest.raises(InputError, match="already exists"):
        write_outputs(prompts, backend, SAMPLING, out)


def test_a_broken_run_goes_on_and_gives_the_same_answers(backend, prompts, tmp_path):
    whole = write_outputs(prompts, backend, SAMPLING, tmp_path / "whole.json")
    out = tmp_path / "outputs.json"
    dying = Dying(backend, after=3)
    with pytest.raises(RuntimeError, match="went away"):
        write_outputs(prompts, dying, SAMPLING, out)
    assert not out.exists()
    side = out.with_name(".outputs.json.partial.jsonl")
    with side.open("ab") as file:
        file.write(b'{"index": 4, "outp')  # a line cut by a kill
    told = []
    again = Dying(backend, after=99)
    rows = write_outputs(prompts, again, SAMPLING, out, progress=lambda *at: told.append(at))
    assert again.asked == 2
    assert rows == whole
    assert told[-1] == (5, 5)
    assert not side.exists()


def test_answers_of_another_run_are_not_mixed_in(backend, prompts, tmp_path):
    out = tmp_path / "outputs.json"
    with pytest.raises(RuntimeError):
        write_outputs(prompts, Dying(backend, after=2), SAMPLING, out)
    other = Sampling(max_new_tokens=6, temperature=1.0, seed=3)
    with pytest.raises(InputError, match=r"unfinished run with other seed"):
        write_outputs(prompts, backend, other, out)
    asked = Dying(backend, after=99)
    write_outputs(prompts, asked, other, out, overwrite=True)
    assert asked.asked == 5


def test_answers_of_another_precision_are_not_mixed_in(tiny_model_dir, prompts, tmp_path):
    out = tmp_path / "outputs.json"
    half, full = (
        generation.create("transformers", model=tiny_model_dir, dtype=dtype)
        for dtype in ("bfloat16", "float32")
    )
    with pytest.raises(RuntimeError):
        write_outputs(prompts, Dying(full, after=2), SAMPLING, out)
    with pytest.raises(InputError, match=r"unfinished run with other dtype\. To mend it: repeat"):
        write_outputs(prompts, half, SAMPLING, out)
    rest = Dying(full, after=99)
    write_outputs(prompts, rest, SAMPLING, out)
    assert rest.asked == 3


def test_answers_of_another_backend_or_server_are_not_mixed_in(backend, prompts, tmp_path):
    out = tmp_path / "outputs.json"
    served = [generation.create("server", model=f"{backend.name}@http://127.0.0.1:{port}") for port in (8, 9)]
    dying = Dying(backend, after=2)
    dying.settings = settings(served[0])
    with pytest.raises(RuntimeError):
        write_outputs(prompts, dying, SAMPLING, out)
    with pytest.raises(InputError, match="unfinished run with other url"):
        write_outputs(prompts, served[1], SAMPLING, out)
    with pytest.raises(InputError, match="unfinished run with other backend, dtype, url"):
        write_outputs(prompts, backend, SAMPLING, out)


def test_a_partial_file_of_an_older_version_is_gone_on_with(backend, prompts, tmp_path):
    """It says nothing of backend and dtype; what it does say must agree."""
    out, side = tmp_path / "outputs.json", tmp_path / ".outputs.json.partial.jsonl"
    with pytest.raises(RuntimeError):
        write_outputs(prompts, Dying(backend, after=2), SAMPLING, out)
    header, *lines = side.read_text().splitlines()
    older = {key: value for key, value in json.loads(header).items() if key not in ("backend", "dtype")}
    assert older.keys() != json.loads(header).keys()
    side.write_text("\n".join([json.dumps(older), *lines, ""]))
    with pytest.raises(InputError, match="unfinished run with other seed"):
        write_outputs(prompts, backend, Sampling(max_new_tokens=6, temperature=1.0, seed=3), out)
    dying = Dying(backend, after=1)
    with pytest.raises(RuntimeError):
        write_outputs(prompts, dying, SAMPLING, out)
    assert dying.asked == 3
    assert json.loads(side.read_text().splitlines()[0])["dtype"] == "float32"  # and from now on it says so


@pytest.mark.parametrize("line", [b'{"index": "x"}\n', b"[1]\n", b"\xff\xfe\n", b"[" * 5000 + b"\n"])
def test_a_damaged_line_of_a_partial_file_is_asked_for_again(backend, prompts, tmp_path, line):
    out, side = tmp_path / "outputs.json", tmp_path / ".outputs.json.partial.jsonl"
    with pytest.raises(RuntimeError):
        write_outputs(prompts, Dying(backend, after=2), SAMPLING, out)
    with side.open("ab") as file:
        file.write(line)
    rest = Dying(backend, after=99)
    write_outputs(prompts, rest, SAMPLING, out)
    assert rest.asked == 3


class Refusing(Dying):
    """A backend that answers all prompts but those that hold a text."""

    def __init__(self, inner, text):
        super().__init__(inner, after=99)
        self.text = text

    def generate(self, prompts, sampling, *, progress=None, on_result=None):
        good = [place for place, prompt in enumerate(prompts) if self.text not in prompt[0].content]
        super().generate(
            [prompts[place] for place in good], sampling, on_result=lambda n, a: on_result(good[n], a)
        )
        raise RefusedError({n: RunError("too long") for n in range(len(prompts)) if n not in good})


def test_refused_prompts_are_named_by_their_rows_and_only_they_are_asked_again(backend, prompts, tmp_path):
    whole = write_outputs(prompts, backend, SAMPLING, tmp_path / "whole.json")
    out = tmp_path / "outputs.json"
    with pytest.raises(RuntimeError):
        write_outputs(prompts, Dying(backend, after=1), SAMPLING, out)  # so that places and rows differ
    said = r"2 of 5 prompts of .*set.json were refused: row 3 \('yes'\), 5 \('yes'\)\. .* because: too long"
    with pytest.raises(RunError, match=said):
        write_outputs(prompts, Refusing(backend, "yes"), SAMPLING, out)
    assert not out.exists()
    again = Dying(backend, after=99)
    assert write_outputs(prompts, again, SAMPLING, out) == whole
    assert again.asked == 2


def test_a_model_trained_anew_in_the_same_folder_is_another_run(tiny_model_dir, prompts, tmp_path):
    import shutil

    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    backend = generation.create("transformers", model=folder, batch_size=2)
    with pytest.raises(RuntimeError):
        write_outputs(prompts, Dying(backend, after=2), SAMPLING, tmp_path / "outputs.json")
    os.utime(folder / "model.safetensors")
    with pytest.raises(InputError, match="unfinished run with other model"):
        write_outputs(prompts, backend, SAMPLING, tmp_path / "outputs.json")


def test_sigkill_loses_no_finished_answer(tiny_model_dir, tmp_path):
    texts = "\n".join(f"Tell me about a river {number}" for number in range(60))
    (tmp_path / "set.txt").write_text(texts)
    out, side = tmp_path / "out.json", tmp_path / ".out.json.partial.jsonl"
    arguments = ["generate", "--model", str(tiny_model_dir), "--prompts", str(tmp_path / "set.txt")]
    arguments += ["-o", str(out), "--max-new-tokens", "60", "--batch-size", "2"]
    command = [sys.executable, "-c", "from gammapo.cli.app import main; main()", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"})
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (side.exists() and side.read_bytes().count(b"\n") > 4):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not out.exists(), "killed too late to show anything"
    kept = side.read_bytes().split(b"\n")[1:-1]
    assert len(kept) >= 4
    again = Dying(generation.create("transformers", model=tiny_model_dir), after=99)
    rows = write_outputs(load_prompts(tmp_path / "set.txt"), again, Sampling(max_new_tokens=60), out)
    assert again.asked == 60 - len(kept)
    for line in map(json.loads, kept):
        assert rows[line["index"]]["output"] == line["output"]


def test_the_prompt_that_was_answered_is_kept_where_it_is_not_the_instruction(backend, tmp_path):
    path = tmp_path / "set.json"
    turns = [[{"role": "user", "content": text}] for text in ("yes", "yes, with its context")]
    path.write_text(json.dumps([{"instruction": "yes", "messages": turn} for turn in turns]))
    rows = write_outputs(load_prompts(path), backend, SAMPLING, tmp_path / "out.json")
    assert "messages" not in rows[0]
    assert rows[1]["messages"] == turns[1]


def test_a_run_without_any_answer_holds_no_other_up(backend, prompts, tmp_path):
    """At a mistyped address, say: the right one is asked next."""
    out = tmp_path / "outputs.json"
    dying = Dying(backend, after=0)
    dying.settings = {"backend": "server", "url": "http://127.0.0.1:8"}
    with pytest.raises(RuntimeError):
        write_outputs(prompts, dying, SAMPLING, out)
    assert len(write_outputs(prompts, backend, SAMPLING, out)) == 5
    assert list(tmp_path.glob(".outputs*")) == []
