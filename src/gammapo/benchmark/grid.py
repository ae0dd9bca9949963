"""The grid file: what is crossed with what, checked before anything runs.

    title: Robustness to flipped labels
    worlds: [{name: tiny, correlation: 0.3}]
    losses: {simpo: {}, ropo: {alpha: 14}}
    noise: [{kind: symmetric, rates: [0.2, 0.4]}]     # clean labels (rate 0) are always there
    seeds: 10                                          # a count, or a list
    training: {pairs: 3000, learning_rate: 3.0e-4, epochs: 1, pairs_per_step: 64}
    scores: none                                       # none, external or gold: what losses may see
    workers: 2
    baseline: simpo                                    # what all are compared with (default)
    tune: {seeds: [1000, 1001], learning_rates: [1.0e-4, 3.0e-4], knobs: {simpo: {beta: [2.5, 10]}}}

All losses of a world, noise, rate and seed share pairs, flips, order and held-out prompts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from gammapo import files, losses, noise
from gammapo.benchmark.world import check_options as check_world
from gammapo.errors import InputError, nearest
from gammapo.noise.spec import check_options

Rate = Annotated[float, Field(gt=0, allow_inf_nan=False)]  # of learning
SEEDS = 1 << 32  # below which every generator of random numbers takes a seed


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WorldEntry(BaseModel):
    """A world with its options; `as` is what results call it."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return {key: value for key, value in (self.model_extra or {}).items() if key != "as"}

    @property
    def called(self) -> str:
        asked = (self.model_extra or {}).get("as")
        details = ", ".join(f"{key} {value}" for key, value in self.options.items())
        return str(asked) if asked else f"{self.name} ({details})" if details else self.name


class LossEntry(BaseModel):
    """A loss with its options. `loss` names it where the key is another name; the rest are options."""

    model_config = ConfigDict(extra="allow", frozen=True)
    loss: str | None = None
    learning_rate: Rate | None = None

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class NoiseEntry(Strict):
    kind: str
    rates: list[float] = Field(min_length=1)
    options: dict[str, Any] = {}

    @field_validator("rates")
    @classmethod
    def _shares(cls, rates: list[float]) -> list[float]:
        if not all(0 <= rate <= 1 for rate in rates):
            raise ValueError("rates are shares from 0 to 1")
        return rates


class Training(Strict):
    pairs: int = Field(3000, ge=2)
    learning_rate: Rate = 3e-4
    epochs: int = Field(1, ge=1)
    pairs_per_step: int = Field(64, ge=2)
    warmup: float = Field(0.1, ge=0, le=1)
    max_grad_norm: float = Field(1.0, gt=0, allow_inf_nan=False)


class Tune(Strict):
    """Every loss without a `learning_rate` of its own is tried at each one and number of epochs, then at
    `budget` settings of its options."""

    seeds: list[int] = Field([1000, 1001], min_length=1)  # none of them the grid's: no result comes from them
    learning_rates: list[Rate] = Field(min_length=1)
    epochs: list[Annotated[int, Field(ge=1)]] = Field([1], min_length=1)
    knobs: dict[str, dict[str, list[Any]]] = {}
    budget: int = Field(4, ge=0)
    noise: list[NoiseEntry] | None = None  # the grid's own, if left out
    worlds: list[WorldEntry] | None = None


class Grid(Strict):
    title: str = "Robustness to wrong labels"
    worlds: list[WorldEntry] = Field(min_length=1)
    losses: dict[str, LossEntry] = Field(min_length=1)
    noise: list[NoiseEntry] = []
    seeds: int | list[int] = 10
    training: Training = Training()  # pyright: ignore[reportCallIssue]
    scores: Literal["none", "external", "gold"] = "none"
    workers: int = Field(2, ge=1)
    baseline: str
    tune: Tune | None = None

    @model_validator(mode="before")
    @classmethod
    def _compare_with(cls, raw: Any) -> Any:
        """SimPO where no baseline is named, or the first loss of a grid without it."""
        found = raw.get("losses") if isinstance(raw, Mapping) else None
        if not isinstance(found, Mapping) or not found:  # told as what it is
            return raw
        return {"baseline": "simpo" if "simpo" in found else str(next(iter(found))), **raw}

    @property
    def seed_list(self) -> list[int]:
        return list(range(self.seeds)) if isinstance(self.seeds, int) else list(self.seeds)


def load_grid(path: str | Path) -> Grid:
    """The grid of a YAML file, with every name and option checked.

    Raises:
        InputError: unreadable YAML, an unknown key, world, loss, noise kind or option.
    """
    raw = files.read_yaml(path)
    if not isinstance(raw, dict):
        raise InputError("holds no grid", file=path, expected="keys such as worlds, losses and noise")
    return parse_grid(raw, file=path)


def parse_grid(raw: Mapping[str, Any], *, file: str | Path | None = None) -> Grid:
    """The same of a mapping already read."""
    try:
        grid = Grid.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        expected = None
        if first["type"] == "extra_forbidden" and len(first["loc"]) == 1:
            expected = nearest(str(first["loc"][0]), list(Grid.model_fields))
        raise InputError(first["msg"], file=file, field=place, expected=expected) from error
    try:
        _check_names(grid)
    except InputError as error:
        raise error.inside(file) from error
    _check(grid, file)
    return grid


def _check_names(grid: Grid) -> None:
    for key, entry in grid.losses.items():
        losses.create(entry.loss or key, **entry.options)
    for world in [*grid.worlds, *((grid.tune and grid.tune.worlds) or [])]:
        check_world(world.name, world.options)
    for entry in [*grid.noise, *((grid.tune and grid.tune.noise) or [])]:
        check_options(noise.get(entry.kind), entry.options)


def _check(grid: Grid, file: str | Path | None) -> None:
    if len({world.called for world in grid.worlds}) < len(grid.worlds):
        raise InputError("two worlds have one name", file=file, field="worlds", fix="tell them apart by `as`")
    if not grid.seed_list:
        raise InputError("no seeds", file=file, field="seeds", expected="a count of at least 1, or a list")
    _check_seeds(grid.seed_list, file, "seeds")
    _refuse_conditions_twice(grid.noise, file, "noise")
    if grid.baseline not in grid.losses:
        raise InputError(
            f"no loss {grid.baseline!r} in this grid",
            file=file,
            field="baseline",
            expected=nearest(grid.baseline, [*grid.losses]),
        )
    if grid.tune is None:
        return
    _check_seeds(grid.tune.seeds, file, "tune.seeds")
    _refuse_conditions_twice(grid.tune.noise or [], file, "tune.noise")
    if shared := sorted(set(grid.tune.seeds) & set(grid.seed_list)):
        raise InputError(
            f"{shared} are also the grid's seeds",
            file=file,
            field="tune.seeds",
            expected="seeds that no result comes from",
        )
    for key, knobs in grid.tune.knobs.items():
        if key not in grid.losses:
            raise InputError(
                f"no loss {key!r} in this grid",
                file=file,
                field="tune.knobs",
                expected=nearest(key, [*grid.losses]),
            )
        if grid.losses[key].learning_rate is not None:
            raise InputError(
                f"loss {key!r} comes with its learning rate and is not tuned",
                file=file,
                field=f"tune.knobs.{key}",
                fix="drop one of the two",
            )
        spec = losses.create(grid.losses[key].loss or key).spec
        known = [item.name for item in fields(spec.options)]
        for knob, values in knobs.items():
            if knob not in known:
                raise InputError(
                    f"loss {key!r} has no option {knob!r}",
                    file=file,
                    field=f"tune.knobs.{key}",
                    expected=nearest(knob, known),
                )
            if not values:  # no combination would be left, whatever the other knobs hold
                raise InputError(
                    "lists no value", file=file, field=f"tune.knobs.{key}.{knob}", fix="give one, or drop it"
                )


def _check_seeds(seeds: Sequence[int], file: str | Path | None, field: str) -> None:
    """Raise InputError for a seed that cannot be used, or that stands twice: its runs would count as two."""
    for seed, times in Counter(seeds).items():
        if not 0 <= seed < SEEDS:
            raise InputError(f"got {seed}", file=file, field=field, expected=f"0 to {SEEDS - 1}")
        if times > 1:
            raise InputError(f"{seed} stands twice", file=file, field=field, fix="name each seed once")


def _refuse_conditions_twice(entries: Sequence[NoiseEntry], file: str | Path | None, field: str) -> None:
    """Raise InputError for a kind at one rate twice. Rows tell conditions apart by kind and rate alone, so
    that of two with other options one would stand for both."""
    seen: set[tuple[str, float]] = set()
    for place in ((entry.kind, rate) for entry in entries for rate in entry.rates):
        if place in seen:
            raise InputError(
                f"{place[0]} at rate {place[1]:g} stands twice",
                file=file,
                field=field,
                expected="a kind at a rate once, since results call a condition by these two",
                fix="drop one of them, or give its other options a grid of their own",
            )
        seen.add(place)
