"""`-i name=value`: what a run is given, out of words of the command line.

A value is JSON where it parses as JSON, and text otherwise; `@file` stands for what a file holds, `@@` for an `@`.
Where all functions that take an input call it `str`, it is text whatever it looks like. By any other annotation the
value is built: a dataclass, msgspec Struct or pydantic model out of a JSON object, a date out of text, a list of them
out of a list. An annotation that cannot be built leaves the value as it is.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal, cast

import msgspec

from piecework import Graph, MissingInputError, UnknownInputError
from piecework.cli.annotations import Taker, is_text, takers, without_none, written
from piecework.cli.errors import MisuseError
from piecework.dataflow import check_inputs
from piecework.wording import graph_label, listed

__all__ = ("read_inputs", "read_value")

_PATHS = (Path, PurePath)

_BEGINNINGS = ("{", "[", '"')
"""What a value begins with that is meant to be JSON."""

_SHOWN = 60
"""How many characters of a value a message shows."""


class _NotBuiltError(Exception):
    """Something in an annotation is a class that nobody here knows how to make."""


def read_inputs(graph: Graph, words: Sequence[str], *, wanted: Literal["all", "some"] = "all") -> dict[str, object]:
    """Return the inputs for a run of `graph` out of words of the form `name=value`.

    Args:
        graph: What is to be run.
        words: What was typed.
        wanted: Whether the run needs all its inputs, or has some on record already.

    Raises:
        MisuseError: A word has another form, a name is given twice, is unknown or missing, a file cannot be read, or a
        value does not fit what takes it.
    """
    given: dict[str, str] = {}
    for word in words:
        name, equals, text = word.partition("=")
        if not equals or not name:
            raise MisuseError(f"-i {word!r} has no name and value. Write -i name=value.")
        if name in given:
            raise MisuseError(f"-i {name} is given twice. Give it once; a JSON list holds several values.")
        given[name] = text
    _check_names(graph, given, wanted)
    return {name: _value(name, _content(f"-i {name}", text), graph) for name, text in given.items()}


def read_value(option: str, text: str) -> object:
    """Return what a text stands for where nothing says of which type it is to be: JSON, or text.

    Raises:
        MisuseError: A file that it names cannot be read.
    """
    content = _content(option, text)
    try:
        return cast("object", _parsed(content))
    except (ValueError, RecursionError):
        return content


def _check_names(graph: Graph, given: Mapping[str, str], wanted: Literal["all", "some"]) -> None:
    """Say what the library says about missing and unknown inputs in terms of the command line."""
    try:
        check_inputs(graph, given)
    except MissingInputError as error:
        if wanted == "some":
            return
        raise MisuseError(" ".join(_missing(name, nodes) for name, nodes in error.needed_by.items())) from None
    except UnknownInputError as error:
        raise MisuseError(" ".join(_unknown(graph, name, error) for name in error.names)) from None


def _missing(name: str, nodes: Sequence[str]) -> str:
    who = f"node {listed(nodes)} needs" if len(nodes) == 1 else f"nodes {listed(nodes)} need"
    return f"{who} {name!r}: give it with -i {name}=VALUE."


def _unknown(graph: Graph, name: str, error: UnknownInputError) -> str:
    label = graph_label(graph.name)
    if name in error.produced_by:
        return f"{name!r} is no input of {label}: node {listed(error.produced_by[name])} makes it. Leave -i {name} out."
    known = f"its inputs are {listed(graph.inputs.all)}" if graph.inputs.all else "it takes none"
    meant = error.suggestions.get(name)
    hint = f" Did you mean -i {meant}=...?" if meant is not None else ""
    return f"{label} has no input {name!r}; {known}.{hint}"


def _content(option: str, text: str) -> str:
    """The text that a value stands for, itself or the content of a file."""
    if not text.startswith("@") or text.startswith("@@"):
        return text.removeprefix("@")
    if text == "@":
        raise MisuseError(f"{option}=@ names no file. Write @path/to/file, or @@ for a value that begins with @.")
    path = Path(text[1:])
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MisuseError(f"{option}: file {str(path)!r} is not text in UTF-8.") from None
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise MisuseError(
            f"{option}: file {str(path)!r} cannot be read: {why}. (For a value that begins with @, write @@.)"
        ) from None


def _value(name: str, text: str, graph: Graph) -> object:
    """What a run is given for a text."""
    taken_by = list(takers(graph, name))
    if taken_by and all(is_text(taker.annotation) for taker in taken_by):
        return text
    try:
        candidates, broken = [cast("object", _parsed(text)), text], ""
    except (ValueError, RecursionError) as error:
        candidates, broken = [text], str(error)
    taker = _one_taker(taken_by, candidates[0])
    if taker is None:
        return candidates[0]
    misfits: list[str] = []
    for candidate in candidates:
        try:
            return _built(candidate, taker.annotation)
        except msgspec.ValidationError as error:
            misfits.append(str(error))
        except UnicodeEncodeError:
            misfits.append("it is not text in UTF-8")
        except (_NotBuiltError, TypeError):
            return candidates[0]
    if broken and text.lstrip()[:1] in _BEGINNINGS:
        why = f"it is broken JSON: {broken}"
    else:
        why = misfits[0].rstrip(".") + (" (the value is no JSON, so it is text)" if broken else "")
    shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    raise MisuseError(
        f"-i {name}={shown!r} does not fit {written(taker.annotation)}, which node {taker.node!r} takes: {why}."
    )


def _one_taker(taken_by: Sequence[Taker], value: object) -> Taker | None:
    """The one that says what a value is to be; None where nobody does, or where they say different things."""
    telling = [
        Taker(taker.node, taker.annotation if value is None else without_none(taker.annotation))
        for taker in taken_by
        if taker.annotation is not Any and taker.annotation is not object
    ]
    same = all(taker.annotation == telling[0].annotation for taker in telling)
    return telling[0] if telling and same else None


def _parsed(text: str) -> Any:
    return json.loads(text, parse_float=_finite, parse_constant=_finite)


def _finite(number: str) -> float:
    """A number of JSON, which knows neither `NaN` nor what is too large for a float."""
    value = float(number)
    if not math.isfinite(value):
        raise ValueError(f"{number} is no number of JSON")
    return value


def _built(value: object, annotation: Any) -> object:
    built: object = msgspec.convert(value, annotation, dec_hook=_made)
    unknown = next(_unknown_fields(value, built, "$"), None)
    if unknown is not None:
        raise msgspec.ValidationError(unknown)
    return built


def _made(kind: type[Any], value: Any) -> object:
    """An instance of a class that msgspec does not know."""
    if hasattr(kind, "model_validate") and hasattr(kind, "model_fields"):  # A pydantic model, without importing it.
        try:
            return kind.model_validate(value)
        except ValueError as error:
            faults = getattr(error, "errors", list[dict[str, Any]])()
            told = "; ".join(f"{'.'.join(map(str, fault['loc'])) or kind.__name__}: {fault['msg']}" for fault in faults)
            raise ValueError(told or str(error)) from None
    if kind not in _PATHS:
        raise _NotBuiltError
    if not isinstance(value, str):
        raise ValueError(f"Expected `str`, got `{type(value).__name__}`")
    return kind(value)


def _unknown_fields(value: object, built: object, path: str) -> Iterator[str]:
    """Yield what was given for a field that is not there: misspelled, it would be left out in silence."""
    if isinstance(value, list) and isinstance(built, list | tuple):
        for index, pair in enumerate(zip(cast("list[object]", value), cast("list[object]", built), strict=False)):
            yield from _unknown_fields(*pair, f"{path}[{index}]")
    elif isinstance(value, dict) and (parts := _parts(built)) is not None:
        given = cast("dict[str, object]", value)
        for name, part in given.items():
            if name in parts:
                yield from _unknown_fields(part, parts[name], f"{path}.{name}")
            elif not isinstance(built, dict) or len(parts) < len(given):
                yield f"Object has no field `{name}` - at `{path}`; its fields are {listed(tuple(parts))}"


def _parts(built: object) -> Mapping[str, object] | None:
    """What a mapping or record holds, by its names in JSON; None for anything else."""
    if isinstance(built, dict):
        return {str(key): part for key, part in cast("dict[object, object]", built).items()}
    if isinstance(built, msgspec.Struct):
        tag = built.__struct_config__.tag_field
        names = zip(built.__struct_encode_fields__, built.__struct_fields__, strict=True)
        return {**({} if tag is None else {tag: None}), **{name: getattr(built, field) for name, field in names}}
    if dataclasses.is_dataclass(built):
        return {field.name: getattr(built, field.name, None) for field in dataclasses.fields(built)}
    return None
