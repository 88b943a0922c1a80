"""How many tokens a call will use, guessed from the text in its arguments.

A rate limit asks before a request, and sets it right after; so a rough guess will do. Values are looked at, never
changed, and no iterator is used up.
"""

from __future__ import annotations

import dataclasses
from collections import deque
from collections.abc import Iterable, Mapping
from itertools import chain, islice
from typing import cast

__all__ = ("estimated_tokens",)

_CHARACTERS = 4
"""Characters of English text that make about one token."""

_MOST_VALUES = 10_000
"""How many values are looked at: a guess must cost less than the request."""

_COLLECTIONS = (list, tuple, set, frozenset, deque)


def estimated_tokens(arguments: Mapping[str, object]) -> int:
    """About how many tokens the text in these arguments has: one for each 4 characters, and at least 1.

    Text is looked for in lists, tuples, sets, mappings, dataclasses, msgspec Structs and pydantic models, however
    deep, up to 10,000 values; a collection that stands in several places counts once.
    """
    characters = 0
    left = _MOST_VALUES
    seen: set[int] = set()
    values: list[object] = list(arguments.values())
    while values and left > 0:
        value = values.pop()
        left -= 1
        if isinstance(value, str):
            characters += len(value)
        elif value is not None and id(value) not in seen:
            seen.add(id(value))
            values += islice(_inside(value), left)
    return max(1, -(-characters // _CHARACTERS))


def _inside(value: object) -> Iterable[object]:
    """What a value is made of, as far as that may hold text."""
    if isinstance(value, _COLLECTIONS):
        return cast("Iterable[object]", value)
    if isinstance(value, Mapping):
        return chain.from_iterable(cast("Mapping[object, object]", value).items())
    kind = type(value)
    names: Iterable[str] = getattr(kind, "__struct_fields__", ())
    if dataclasses.is_dataclass(kind):
        names = (field.name for field in dataclasses.fields(kind))
    elif hasattr(kind, "model_fields") and hasattr(kind, "model_validate"):  # pydantic is not imported for it.
        extra: Mapping[str, object] | None = getattr(value, "__pydantic_extra__", None)
        return chain(vars(value).values(), (extra or {}).values())
    return (getattr(value, name, None) for name in names)
