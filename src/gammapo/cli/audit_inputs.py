"""What `gammapo audit` reads beside the pairs, and that none of it is written over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gammapo.types import Message


def pair_files(source: str) -> list[Path]:
    """The paths that a source of pairs is read from, those that it lists included, and their manifests."""
    from gammapo import data, noise

    paths = data.inputs_of(source)
    return [*map(Path, paths), *map(noise.manifest_path, paths)]


def refuse_outputs(
    outputs: Sequence[Path | None], inputs: Sequence[str | Path | None], overwrite: bool
) -> None:
    """Raise InputError for an output that would replace an input, or unasked what is there."""
    from gammapo import files

    for path in outputs:
        if path is not None:
            files.refuse_input(path, [one for one in inputs if one is not None])
            if not overwrite:
                files.refuse_existing(path)


def held_out(sources: list[str]) -> list[tuple[str, Sequence[Message]]]:
    """(place, prompt) of each evaluation prompt; the place is file and line, or row if it has no line."""
    from gammapo import data, generation

    prompts: list[tuple[str, Sequence[Message]]] = []
    for source in sources:
        if data.is_mixture(source):
            prompts += [(pair.origin, pair.prompt) for pair in data.load_pairs(source, on_bad="refuse").pairs]
            continue
        items = generation.load_prompts(source).items
        lines = _lines(Path(source), len(items))
        prompts += [(f"{source}:{line}", item.messages) for line, item in zip(lines, items, strict=True)]
    return prompts


def _lines(source: Path, prompts: int) -> Sequence[int]:
    """The line of each prompt in a file of one a line, blank ones between; in any other source its row."""
    from gammapo import files
    from gammapo.errors import InputError

    rows = range(1, prompts + 1)
    name = source.name.lower().removesuffix(".gz")
    if name.endswith((".csv", ".tsv")) or not source.is_file():
        return rows
    try:
        with files.open_text(source) as text:
            found = [(number, line.lstrip()[:1]) for number, line in enumerate(text, start=1) if line.strip()]
    except InputError:  # Parquet
        return rows
    if len(found) != prompts or (found[0][1] == "[" and not name.endswith(".txt")):
        return rows  # a JSON array
    return [number for number, _ in found]
