"""The items of a mapped node: zip or product of what the mapped inputs hold, made one by one as they are pulled.

Plans make them, fan-outs pull them. Nothing is drained in advance but the faster sides of a product.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator, Mapping, Sized
from contextlib import AsyncExitStack, aclosing
from typing import TypeAlias

from piecework.core.plan import Items
from piecework.dataflow.mapping import MapMode, check_equal_lengths, check_mappable
from piecework.errors import MappingError

__all__ = ("map_items",)

Column: TypeAlias = Iterable[object] | AsyncIterable[object]
Row: TypeAlias = tuple[object, ...]


def map_items(
    node: str, columns: Mapping[str, tuple[str, object]], broadcast: Mapping[str, object], mode: MapMode
) -> tuple[Items, int | None]:
    """The keyword arguments of each item, lazily, and how many items there are where that is known.

    Args:
        node: The mapped node's name, for messages.
        columns: For each mapped input, by outer name: its name inside, and the collection; in the order named.
        broadcast: What every item is given alike, by inner name.
        mode: Side by side, or every combination.

    Raises:
        MappingError: A collection is none, or zipped ones are known to be of unequal length.
    """
    for outer, (_, value) in columns.items():
        check_mappable(node, outer, value)
    sizes = {outer: len(value) for outer, (_, value) in columns.items() if isinstance(value, Sized)}
    if mode == "zip":
        check_equal_lengths(node, sizes)
    keys = [key for key, _ in columns.values()]
    values: list[Column] = [value for _, value in columns.values()]  # type: ignore[misc]  # Checked above.
    size = _size(sizes, len(columns), mode)
    if any(isinstance(value, AsyncIterable) for value in values):
        rows = _async_zip(node, list(columns), values) if mode == "zip" else _async_product(values)
        return _async_arguments(keys, rows, broadcast), size
    if len(keys) == 1:
        return _single(keys[0], iter(values[0]), broadcast), size  # type: ignore[arg-type]
    plain: list[Iterable[object]] = values  # type: ignore[assignment]
    combined = _zip(node, list(columns), plain) if mode == "zip" else _product(plain)
    return _arguments(keys, combined, broadcast), size


def _size(sizes: Mapping[str, int], count: int, mode: MapMode) -> int | None:
    if len(sizes) < count:
        return None
    if mode == "zip":
        return next(iter(sizes.values()))
    total = 1
    for size in sizes.values():
        total *= size
    return total


def _single(key: str, values: Iterator[object], broadcast: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    if broadcast:
        return ({**broadcast, key: value} for value in values)
    return ({key: value} for value in values)


def _arguments(keys: list[str], rows: Iterable[Row], broadcast: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    return ({**broadcast, **dict(zip(keys, row, strict=True))} for row in rows)


def _zip(node: str, names: list[str], values: list[Iterable[object]]) -> Iterator[Row]:
    missing = object()
    for index, row in enumerate(itertools.zip_longest(*values, fillvalue=missing)):
        if any(value is missing for value in row):
            raise _uneven(node, [name for name, value in zip(names, row, strict=True) if value is missing], index)
        yield row


def _product(values: list[Iterable[object]]) -> Iterator[Row]:
    slowest, *others = values
    rest = [tuple(other) for other in others]
    for first in slowest:
        for combination in itertools.product(*rest):
            yield (first, *combination)


async def _async_arguments(
    keys: list[str], rows: AsyncGenerator[Row, None], broadcast: Mapping[str, object]
) -> AsyncGenerator[Mapping[str, object], None]:
    async with aclosing(rows):
        async for row in rows:
            yield {**broadcast, **dict(zip(keys, row, strict=True))}


async def _async_zip(node: str, names: list[str], values: list[Column]) -> AsyncGenerator[Row, None]:
    async with AsyncExitStack() as closing:
        iterators = [await closing.enter_async_context(aclosing(_as_async(value))) for value in values]
        index = 0
        while True:
            row: list[object] = []
            short: list[str] = []
            for name, iterator in zip(names, iterators, strict=True):
                try:
                    row.append(await anext(iterator))
                except StopAsyncIteration:
                    short.append(name)
            if short:
                if row:
                    raise _uneven(node, short, index)
                return
            yield tuple(row)
            index += 1


async def _async_product(values: list[Column]) -> AsyncGenerator[Row, None]:
    slowest, *others = values
    rest = [[value async for value in _as_async(other)] for other in others]
    async with aclosing(_as_async(slowest)) as firsts:
        async for first in firsts:
            for combination in itertools.product(*rest):
                yield (first, *combination)


async def _as_async(values: Column) -> AsyncGenerator[object, None]:
    """Any collection as an async generator; closing it closes the collection's own iterator."""
    if not isinstance(values, AsyncIterable):
        for value in values:
            yield value
        return
    iterator = aiter(values)
    try:
        async for value in iterator:
            yield value
    finally:
        close = getattr(iterator, "aclose", None)
        if close is not None:
            await close()


def _uneven(node: str, ended: list[str], index: int) -> MappingError:
    names = ", ".join(repr(name) for name in ended)
    return MappingError(
        f"node {node!r} maps over inputs of unequal length: {names} ended after {index} items, others went on. "
        'Make them equally long, or use mode="product" for every combination.',
        node=node,
        parameters=tuple(ended),
        lengths=dict.fromkeys(ended, index),
    )
