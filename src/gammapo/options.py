"""Options of a component: a frozen dataclass whose fields document themselves, built from what a user gave.

Losses and margins share it: the same words for the same fault, and a value of the wrong type is named before
arithmetic meets it.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping
from dataclasses import MISSING, field, fields
from numbers import Real
from typing import Any, TypeVar

from gammapo import registry
from gammapo.errors import InputError, nearest

Spec = TypeVar("Spec")

WORDS = {
    float: "a number",
    int: "a whole number",
    bool: "true or false",
    str: "a word",
    Mapping: "a mapping",
    type(None): "null",
}


def option(default: Any, help: str, *, unit: str = "", source: str = "") -> Any:
    """A dataclass field that documents itself: help, unit and source go to the help and the docs."""
    return field(default=default, metadata={"help": help, "unit": unit, "source": source})


def defaults(options: type) -> dict[str, Any]:
    """Option name → default, for help and docs."""
    return {item.name: None if item.default is MISSING else item.default for item in fields(options)}


def resolve(kind: str, name: str, wanted: type[Spec]) -> Spec:
    """The registered spec of that name, or a user's own as `module:attribute`.

    Raises:
        InputError: no such name, or an object that is no `wanted`.
    """
    found = registry.resolve(kind, name)
    if not isinstance(found, wanted):
        raise InputError(
            f"{name!r} is a {type(found).__name__}",
            field=kind,
            expected=f"a {wanted.__module__.rpartition('.')[0]}.{wanted.__name__}",
            fix=f"name the module's {wanted.__name__}, such as 'my_module:SPEC'",
        )
    return found


def build(kind: str, name: str, options: type, given: Mapping[str, Any]) -> Any:
    """`options` with the given values.

    Raises:
        InputError: an option that is not there, one without a default that is not given, a value of another
            type, or (by the options themselves) one outside its range.
    """
    known = [item.name for item in fields(options)]
    for key in given:
        if key not in known:
            raise InputError(
                f"{kind} {name!r} has no option {key!r}",
                field=f"{kind}.{key}",
                expected=nearest(key, known) if known else "no options",
                fix=f"`gammapo losses {name}` lists them" if kind == "loss" else "take a listed option",
            )
    for item in fields(options):  # a plug-in's; our own have defaults
        if item.init and item.name not in given and item.default is item.default_factory is MISSING:
            raise InputError(
                f"{kind} {name!r} needs {item.name}, which is missing",
                field=f"{kind}.{item.name}",
                expected=item.metadata.get("help") or "a value",
                fix=f"give {item.name}, or a default to the options' class",
            )
    allowed = _types(options)
    return options(**{key: _typed(kind, key, value, allowed.get(key)) for key, value in given.items()})


def require(kind: str, condition: bool, name: str, value: Any, expected: str) -> None:
    """Raise InputError for an option outside its range; used by the options' own validation."""
    if not condition:
        raise InputError(f"got {value!r}", field=f"{kind}.{name}", expected=expected, fix=f"change {name}")


def _types(options: type) -> dict[str, tuple[type, ...]]:
    """Option → the types that it may have; options whose annotation says something else are left out."""
    try:
        hints = typing.get_type_hints(options)
    except (NameError, AttributeError, TypeError):  # a plug-in's annotation for type checkers only
        return {}
    found = {}
    for name, hint in hints.items():
        several = isinstance(hint, types.UnionType) or typing.get_origin(hint) is typing.Union
        parts = typing.get_args(hint) if several else (hint,)
        plain = tuple(typing.get_origin(part) or part for part in parts)
        if all(part in WORDS for part in plain):
            found[name] = plain
    return found


def _typed(kind: str, name: str, value: Any, allowed: tuple[type, ...] | None) -> Any:
    """The value, if one of the allowed types takes it; 1000.0 is a whole number too."""
    if allowed is None or (value is None and type(None) in allowed):
        return value
    if isinstance(value, bool):
        fits = bool in allowed
    elif isinstance(value, Real):
        try:
            number = float(typing.cast(typing.SupportsFloat, value))
        except OverflowError:  # a whole number of more than 308 digits
            number = math.inf
        if float not in allowed and int in allowed and number.is_integer():
            return int(number)
        fits = float in allowed and math.isfinite(number)
    else:
        fits = isinstance(value, tuple(kind for kind in allowed if kind in (str, Mapping)))
    if not fits:
        raise InputError(
            f"got {value!r}",
            field=f"{kind}.{name}",
            expected=" or ".join(WORDS[one] for one in allowed),
            fix=f"change {name}, or leave it out for its default",
        )
    return value
