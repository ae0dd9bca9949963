"""YAML as a person means it: a key that stands twice is an error, not a setting that is silently lost."""

from __future__ import annotations

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
