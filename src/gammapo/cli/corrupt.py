"""`gammapo corrupt FILE --noise KIND --rate R --seed S -o OUT`: label noise with a record of every change."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import typer

from gammapo.cli.console import Format

# kind or module:attribute, then options from the first "key=" on: a value may hold a colon of its own
OPTIONS = re.compile(r"([^=]+?):([^:=]*=.*)", re.DOTALL)


def command(
    source: str = typer.Argument(
        help="Clean pairs: a file, a `datasets` folder, a hub id, or a YAML mixture."
    ),
    noise: list[str] = typer.Option(
        ..., "--noise", help="Kind, with options as kind:key=value,…; repeat for several."
    ),
    rate: list[float] = typer.Option(
        ..., "--rate", help="Share of pairs to change, in [0, 1]; one for each --noise, or one for all."
    ),
    seed: int = typer.Option(0, "--seed", help="The same seed changes the same pairs."),
    output: Path = typer.Option(..., "-o", "--output", help="JSONL file to write (.jsonl or .jsonl.gz)."),
    split: str = typer.Option(None, "--split", help="Split of a folder or hub id."),
    force: bool = typer.Option(False, "--force", help="Corrupt noisy or held-out data all the same."),
    drop_bad: bool = typer.Option(False, "--drop-bad", help="Leave unusable rows out, counted."),
    overwrite: bool = typer.Option(False, "--overwrite", help="Replace the output if it exists."),
    format: Format = typer.Option(Format.table, "--format", help="How to print the result."),
) -> None:
    """Change a known share of preference labels, and write down which and why.

    The manifest lies beside the output as *.noise.json. The clean file stays as it is.
    """
    from dataclasses import replace

    from gammapo import data, files
    from gammapo import noise as noises
    from gammapo.cli.console import print_json, print_table, stderr
    from gammapo.noise.guards import own_noise_told

    record = noises.manifest_path(output)
    files.refuse_other_than_jsonl(output)
    parts = data.sources_of(source, split)
    for path in (output, record):
        files.refuse_input(path, data.inputs_of(source))
        if not overwrite:
            files.refuse_existing(path)
    steps = _steps(noise, rate, seed)
    if not force:
        for name, its_split in ((source, split), *((part.path, part.split) for part in parts)):
            noises.refuse_held_out(name, its_split)
    loaded = data.load_pairs(source, split=split, on_bad="drop" if drop_bad else "raise")
    sha256 = data.source_sha256(source, loaded.report.fingerprint)
    if not force:
        noises.refuse_corrupted(source, loaded.report.noise_marker, sha256)
        for part in parts if data.is_mixture(source) else ():
            noises.refuse_corrupted(part.path, None)
    stderr.print(f"read {loaded.report.describe()}")
    with own_noise_told(step.kind for step in steps):
        done = noises.compose(loaded.pairs, steps)
    manifest = replace(done.manifest, source=str(source), source_sha256=sha256)
    marker = {data.MARKER: manifest.fingerprint}
    with files.json_last(record, manifest.as_dict(), overwrite=overwrite):
        data.write_pairs(output, done.pairs, overwrite=overwrite, extra=marker)
    summary = {
        "output": str(output),
        "manifest": str(record),
        "kind": manifest.kind,
        "pairs": manifest.pairs,
        "changed": len(manifest.changed),
        "flipped": len(manifest.flipped),
        "rate": manifest.rate,
        "dropped": loaded.report.drop_counts,
    }
    if format is Format.json:
        print_json(summary)
    else:
        print_table(["", ""], [[name, str(value)] for name, value in summary.items() if value != {}])


def _steps(noise: list[str], rate: list[float], seed: int) -> list[Any]:
    from gammapo.errors import InputError
    from gammapo.noise import Step

    rates = rate * len(noise) if len(rate) == 1 else rate
    if len(rates) != len(noise):
        raise InputError(
            f"{len(noise)} kinds and {len(rate)} rates", field="--rate", expected="one rate for each --noise"
        )
    steps = []
    for text, share in zip(noise, rates, strict=True):
        kind, options = parse_spec(text)
        steps.append(Step(kind=kind, rate=share, seed=seed, options=options))
    return steps


def _refuse_bare_options(text: str) -> None:
    """Raise InputError for a known kind with something behind it that is no option."""
    from gammapo import noise
    from gammapo.errors import InputError

    head, colon, tail = text.partition(":")
    if colon and head in noise.names():
        options = ", ".join(noise.get(head).options) or "none"
        raise InputError(
            f"cannot read {tail!r} as options of {head!r}",
            field="--noise",
            expected=f"kind:key=value,key=value; the options of {head!r} are: {options}",
        )


def parse_spec(text: str) -> tuple[str, dict[str, Any]]:
    """ "truncate:side=chosen,keep=0.3" → ("truncate", {"side": "chosen", "keep": 0.3}).

    A user's "module:attribute" stays whole; its options follow a second colon. A value is read as YAML, and
    stays text where the option's default is text, so that `word=5` is the word "5".

    Raises:
        InputError: an unknown kind, an option without a name or an equals sign, or a value that is no YAML.
    """
    from gammapo import noise, strict_yaml
    from gammapo.errors import InputError

    found = OPTIONS.fullmatch(text)
    if found is None:
        _refuse_bare_options(text)
        return text, {}
    head, tail = found.groups()
    defaults = noise.get(head).options
    options = {}
    for item in tail.split(","):
        name, equals, value = item.partition("=")
        if not equals or not name.strip():
            raise InputError(f"cannot read {item!r}", field="--noise", expected="kind:key=value,key=value")
        name = name.strip()
        try:
            given = strict_yaml.parse(value)
        except InputError as error:
            raise InputError(
                f"cannot read {value!r} as the value of {name!r} in {text!r}",
                field="--noise",
                expected="a number, true, false or a word",
                fix="change the value",
            ) from error
        as_text = isinstance(defaults.get(name), str) and not isinstance(given, str)
        options[name] = value.strip() if as_text else given
    return head, options
