"""YAML as a person means it: 5e-7 is a number, and a key that stands twice is an error, no setting lost."""

from __future__ import annotations

import re
from collections.abc import Hashable
from typing import Any

import yaml

from gammapo.errors import InputError

MERGE = "tag:yaml.org,2002:merge"  # of `<<`, which takes over the keys of another mapping


class _Loader(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for key_node in (key for key, _ in node.value if key.tag != MERGE):
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable):  # what is not is refused by the loader itself
                if key in seen:
                    raise yaml.constructor.ConstructorError(
                        None, None, f"the key {key!r} stands twice", key_node.start_mark
                    )
                seen.add(key)
        return super().construct_mapping(node, deep)


class _Dumper(yaml.SafeDumper):
    """Puts in quotes what `_Loader` would read as something else."""


for kind in (_Loader, _Dumper):  # YAML 1.1 wants a point and a sign in it, YAML 1.2 does not
    kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
        list("-+.0123456789"),
    )


def parse(text: str) -> Any:
    """The content of YAML (or JSON) text; None where it is empty.

    Raises:
        InputError: not YAML, a key given twice, or what looks like a date and is none; with the line where
            it is known, for the caller to say whose text it is.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader: it makes plain values alone
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or "unreadable"
        line = mark.line + 1 if mark else None
        raise InputError(f"not valid YAML: {problem}", line=line, fix="mend the file") from error
    except ValueError as error:  # 2024-02-30
        fix = "put text that looks like a date in quotes"
        raise InputError(f"not valid YAML: {error}", fix=fix) from error


def dump(content: Any) -> str:
    """YAML that `parse` reads back as the same plain values, keys in their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110)
