"""What drew an answer, in all files of answers: another backend, dtype or model is another run."""

import json
import os
import shutil

import pytest

from gammapo import generation
from gammapo.benchmark.on_policy import sample_pairs, samples_path
from gammapo.errors import InputError, RunError
from gammapo.generation import RefusedError, Sampling
from gammapo.generation.identity import settings, written
from gammapo.types import Generation, Message

SAMPLING = Sampling(n=2, temperature=2.0, max_new_tokens=4)
PROMPTS = [
    (Message(role="user", content=f"Tell me about {thing}."),) for thing in ("a river", "snow", "rain")
]


class Length:
    def score(self, prompts, answers):
        return [float(len(answer)) for answer in answers]


class Plugin:
    """A backend of one's own, which says nothing of its settings."""

    name, drawn = "mine", 0

    def __init__(self, refused=()):
        self.refused = refused

    def generate(self, prompts, sampling, *, progress=None, on_result=None):
        refused = {n: RunError("too long") for n, p in enumerate(prompts) if p[0].content in self.refused}
        for place in range(len(prompts)):
            if place not in refused:
                self.drawn += 1
                texts = ("short", "a longer one")
                answers = [Generation(text=text, token_ids=(1,), finish_reason="stop") for text in texts]
                on_result(place, answers)
        if refused:
            raise RefusedError(refused)


def test_each_backend_names_what_its_answers_depend_on(tiny_model_dir):
    made = generation.create("transformers", model=tiny_model_dir, dtype="bfloat16")
    assert settings(made) == {"backend": "transformers", "dtype": "bfloat16"}
    served = generation.create("server", model="m@http://localhost:8000")
    assert settings(served) == {"backend": "server", "url": "http://localhost:8000/v1"}
    assert settings(Plugin()) == {"backend": "Plugin"}
    assert written("no/such/folder") is None
    assert written(str(tiny_model_dir)) > 1e18


def test_samples_of_another_precision_or_model_are_not_mixed_in(tiny_model_dir, tmp_path):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    full, half = (
        generation.create("transformers", model=folder, dtype=dtype) for dtype in ("float32", "bfloat16")
    )
    out = tmp_path / "pairs.jsonl"

    def sample(backend, prompts, **options):
        return sample_pairs(prompts, backend, Length(), SAMPLING, out, scorer_name="length", **options)

    sample(full, PROMPTS[:2])
    out.unlink(missing_ok=True)
    with pytest.raises(InputError, match="samples of a run with other dtype"):
        sample(half, PROMPTS)
    sample(half, PROMPTS[:2], rescore=True)  # draws nothing
    with pytest.raises(InputError, match="drawn with dtype 'float32'"):
        sample(half, PROMPTS, rescore=True)  # would
    out.unlink(missing_ok=True)
    sample(full, PROMPTS)
    os.utime(folder / "model.safetensors")
    sample(full, PROMPTS, rescore=True)
    with pytest.raises(InputError, match="drawn with model_written"):
        sample(full, [*PROMPTS, (Message(role="user", content="x"),)], rescore=True)
    out.unlink(missing_ok=True)
    with pytest.raises(InputError, match="samples of a run with other model_written"):
        sample(full, PROMPTS)


def test_a_sample_file_of_an_older_version_stays_usable(tmp_path):
    out = tmp_path / "pairs.jsonl"
    first = Plugin()
    sample_pairs(PROMPTS[:2], first, Length(), SAMPLING, out, scorer_name="length")
    side = samples_path(out)
    header, *rows = side.read_text().splitlines()
    older = {key: v for key, v in json.loads(header).items() if key not in ("backend", "model_written")}
    assert len(older) == len(json.loads(header)) - 2
    side.write_text("\n".join([json.dumps(older), *rows, ""]))
    out.unlink()
    more = Plugin()
    selection, _ = sample_pairs(PROMPTS, more, Length(), SAMPLING, out, scorer_name="length")
    assert (first.drawn, more.drawn, len(selection.pairs)) == (2, 1, 3)
    sample_pairs(PROMPTS, more, Length(), SAMPLING, out, scorer_name="again", rescore=True)
    assert more.drawn == 1


def test_samples_beside_a_refused_prompt_are_kept_and_not_drawn_again(tmp_path, monkeypatch):
    monkeypatch.setattr("gammapo.benchmark.on_policy.PROMPTS_AT_ONCE", 2)
    out = tmp_path / "pairs.jsonl"
    backend = Plugin(refused={PROMPTS[0][0].content})
    with pytest.raises(RunError, match="1 of 3 prompts were refused, the first is 'Tell me about a river.'"):
        sample_pairs(PROMPTS, backend, Length(), SAMPLING, out, scorer_name="length")
    assert backend.drawn == 2, "those of the same batch and of the next"
    assert not out.exists()
    sample_pairs(PROMPTS[1:], backend, Length(), SAMPLING, out, scorer_name="length")
    assert backend.drawn == 2
    assert out.exists()
