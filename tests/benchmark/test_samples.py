import json
import subprocess
import sys

import pytest

from gammapo.benchmark.samples import Answer, Sampled, SampleFile
from gammapo.errors import InputError
from gammapo.types import Message

RUN = {"model": "m", "scorer": "s", "n": 2, "seed": 0}


def sampled(text: str, score: float | None = 0.5) -> Sampled:
    prompt = (Message(role="user", content=text),)
    return Sampled(
        prompt=prompt,
        answers=(Answer(text="répondre", finish_reason="stop", tokens=3, score=score),),
    )


def test_rows_come_back_as_they_went(tmp_path):
    path = tmp_path / "s.jsonl"
    rows = [sampled("a"), sampled("b", None)]
    SampleFile(path, RUN).append(rows)
    assert SampleFile(path, RUN).read() == {row.prompt: row for row in rows}


def test_a_line_cut_by_a_kill_is_dropped_and_the_next_append_is_whole(tmp_path):
    path = tmp_path / "s.jsonl"
    SampleFile(path, RUN).append([sampled("a"), sampled("b")])
    content = path.read_bytes()
    path.write_bytes(content[:-7])
    store = SampleFile(path, RUN)
    assert [prompt[0].content for prompt in store.read()] == ["a"]
    store.append([sampled("c")])
    assert [prompt[0].content for prompt in SampleFile(path, RUN).read()] == ["a", "c"]
    assert all(json.loads(line) for line in path.read_text().splitlines())


def test_another_runs_file_is_refused_and_another_scorers_named(tmp_path):
    path = tmp_path / "s.jsonl"
    SampleFile(path, RUN).append([sampled("a")])
    with pytest.raises(InputError, match="other seed"):
        SampleFile(path, {**RUN, "seed": 1})
    with pytest.raises(InputError, match="--rescore"):
        SampleFile(path, {**RUN, "scorer": "t"})
    assert SampleFile(path, {**RUN, "seed": 1}, overwrite=True).read() == {}


def test_old_scores_stay_on_disk_until_new_ones_have_come(tmp_path):
    path, other = tmp_path / "s.jsonl", {**RUN, "scorer": "t"}
    SampleFile(path, RUN).append([sampled("a")])
    store = SampleFile(path, other, rescore=True)
    assert [answer.score for row in store.read().values() for answer in row.answers] == [None]
    assert SampleFile(path, RUN).read()[sampled("a").prompt] == sampled("a")  # as if its scorer had failed
    new = sampled("a", 0.25)
    store.replace({new.prompt: new})
    assert SampleFile(path, other).read() == {new.prompt: new}


def test_a_file_of_something_else_is_refused(tmp_path):
    path = tmp_path / "s.jsonl"
    path.write_text('{"instruction": "x"}\n')
    with pytest.raises(InputError, match="no file of samples"):
        SampleFile(path, RUN)
    assert path.read_text() == '{"instruction": "x"}\n'


FULL = """
import resource, sys
from pathlib import Path
from gammapo.benchmark.samples import Answer, Sampled, SampleFile
from gammapo.errors import RunError
from gammapo.types import Message
store = SampleFile(Path(sys.argv[1]), {"model": "m"})
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))  # a disk with room for so many bytes a file
answer = Answer(text="x" * 5000, finish_reason="stop", tokens=3)
try:
    store.append([Sampled(prompt=(Message(role="user", content="a"),), answers=(answer,))])
except RunError as error:
    print(error)
"""


def test_a_full_disk_is_said_with_the_file(tmp_path):
    path = tmp_path / "s.jsonl"
    done = subprocess.run([sys.executable, "-Bc", FULL, path], capture_output=True, text=True)
    assert done.stdout.startswith(f"{path}: no space is left to write it"), done.stderr
    assert SampleFile(path, {"model": "m"}).read() == {}
