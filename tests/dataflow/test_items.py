"""Items of a mapped node: made one by one, side by side or in every combination, from any collection."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence, Sized
from unittest.mock import ANY

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework import MappingError
from piecework.core.plan import Items
from piecework.dataflow.items import map_items
from piecework.dataflow.mapping import MapMode


def pull(items: Items) -> list[dict[str, object]]:
    assert isinstance(items, Iterator)
    return [dict(item) for item in items]


async def pull_async(items: Items) -> list[dict[str, object]]:
    assert isinstance(items, AsyncIterator)
    return [dict(item) async for item in items]


async def counting(upto: int, closed: list[str] | None = None) -> AsyncIterator[int]:
    try:
        for number in range(upto):
            yield number
    finally:
        if closed is not None:
            closed.append("closed")


class Aiter:
    """An async iterable that is no generator."""

    def __init__(self, *values: object) -> None:
        self.values = values

    async def __aiter__(self) -> AsyncIterator[object]:
        for value in self.values:
            await asyncio.sleep(0)
            yield value


class OldSequence:
    """Iterable only through its indices."""

    def __getitem__(self, index: int) -> int:
        if index == 3:
            raise IndexError
        return index


def make(
    columns: Mapping[str, object], broadcast: Mapping[str, object] | None = None, mode: MapMode = "zip"
) -> tuple[Items, int | None]:
    return map_items("work", {name: (name, value) for name, value in columns.items()}, broadcast or {}, mode)


@given(st.lists(st.integers()), st.dictionaries(st.sampled_from("xyz"), st.integers()))
def test_one_input_is_given_item_by_item_beside_what_all_are_given(
    values: list[int], broadcast: dict[str, int]
) -> None:
    items, size = make({"a": values}, broadcast)
    assert size == len(values)
    assert pull(items) == [{**broadcast, "a": value} for value in values]


@given(st.lists(st.tuples(st.integers(), st.text(), st.none())))
def test_zip_takes_them_side_by_side(rows: list[tuple[int, str, None]]) -> None:
    columns = {name: [row[index] for row in rows] for index, name in enumerate("abc")}
    items, size = make(columns, {"d": 0})
    assert size == len(rows)
    assert pull(items) == [{"a": a, "b": b, "c": c, "d": 0} for a, b, c in rows]


@given(st.lists(st.lists(st.integers(), max_size=4), min_size=1, max_size=3))
def test_product_takes_every_combination_the_first_named_slowest(columns: list[list[int]]) -> None:
    names = "abc"[: len(columns)]
    items, size = make(dict(zip(names, columns, strict=True)), mode="product")
    expected = [dict(zip(names, row, strict=True)) for row in itertools.product(*columns)]
    assert size == len(expected)
    assert pull(items) == expected


@given(st.lists(st.integers(0, 5), min_size=2, max_size=3))
async def test_async_collections_come_to_the_same_items(sizes: list[int]) -> None:
    modes: tuple[MapMode, MapMode] = ("zip", "product")
    for mode in modes:
        lengths = sizes if mode == "product" else [sizes[0]] * len(sizes)
        plain = {name: list(range(length)) for name, length in zip("abc", lengths, strict=False)}
        mixed: dict[str, object] = {
            name: Aiter(*values) if index % 2 == 0 else values for index, (name, values) in enumerate(plain.items())
        }
        expected, _ = make(plain, {"d": 0}, mode)
        items, size = make(mixed, {"d": 0}, mode)
        assert size is None
        assert await pull_async(items) == pull(expected)


def test_inputs_are_given_by_their_inner_names() -> None:
    items, _ = map_items("work", {"sections": ("section", [1, 2])}, {"tone": "dry"}, "zip")
    assert pull(items) == [{"section": 1, "tone": "dry"}, {"section": 2, "tone": "dry"}]


def test_what_all_are_given_is_the_same_object() -> None:
    shared = [1]
    items, _ = make({"a": [1, 2]}, {"b": shared})
    assert all(item["b"] is shared for item in pull(items))


@pytest.mark.parametrize("mode", ["zip", "product"])
def test_nothing_is_drawn_before_it_is_pulled(mode: MapMode) -> None:
    drawn: list[int] = []

    def source() -> Iterator[int]:
        for number in itertools.count():
            drawn.append(number)
            yield number

    columns: list[dict[str, object]] = [
        {"a": source()},
        {"a": source(), "b": [5, 6] if mode == "product" else itertools.count()},
    ]
    for column in columns:
        drawn.clear()
        items, size = make(column, mode=mode)
        assert size is None
        assert drawn == []
        assert isinstance(items, Iterator)
        next(items)
        assert drawn == [0]


async def test_nothing_of_an_async_collection_is_drawn_before_it_is_pulled() -> None:
    drawn: list[int] = []

    async def source() -> AsyncIterator[int]:
        for number in itertools.count():
            drawn.append(number)
            yield number

    items, _ = make({"a": source()})
    assert drawn == []
    assert isinstance(items, AsyncIterator)
    await anext(items)
    assert drawn == [0]


@pytest.mark.parametrize(
    "collection", [(1, 2), {1, 2}, range(1, 3), iter([1, 2]), (n for n in (1, 2)), {1: 0, 2: 0}.keys(), [1, 2]]
)
def test_any_collection_may_be_mapped_over(collection: object) -> None:
    items, size = make({"a": collection})
    assert pull(items) == [{"a": 1}, {"a": 2}]
    assert size == (len(collection) if isinstance(collection, Sized) else None)


def test_a_collection_of_the_old_kind_may_be_mapped_over() -> None:
    items, size = make({"a": OldSequence()})
    assert pull(items) == [{"a": 0}, {"a": 1}, {"a": 2}]
    assert size is None


@pytest.mark.parametrize("value", ["text", b"bytes", bytearray(b"x"), {"a": 1}, 5, None, object()])
def test_what_cannot_be_meant_is_refused_by_the_name_outside(value: object) -> None:
    with pytest.raises(MappingError) as caught:
        map_items("work", {"sections": ("section", value)}, {}, "zip")
    assert caught.value.parameters == ("sections",)
    assert caught.value.node == "work"


def test_known_lengths_that_differ_are_told_before_any_item_is_made() -> None:
    with pytest.raises(MappingError) as caught:
        make({"a": [1, 2], "b": [1], "c": iter([1])})
    assert caught.value.lengths == {"a": 2, "b": 1}


@pytest.mark.parametrize(("left", "right", "short"), [(1, 3, ("a",)), (3, 1, ("b",)), (0, 1, ("a",))])
async def test_unknown_lengths_that_differ_are_told_when_one_ends(left: int, right: int, short: Sequence[str]) -> None:
    items, size = make({"a": iter(range(left)), "b": (number for number in range(right))})
    assert size is None
    with pytest.raises(MappingError) as caught:
        pull(items)
    assert caught.value.parameters == tuple(short)
    assert caught.value.lengths == dict.fromkeys(short, min(left, right))
    items, _ = make({"a": counting(left), "b": iter(range(right))})
    with pytest.raises(MappingError) as caught:
        await pull_async(items)
    assert caught.value.parameters == tuple(short)


def test_items_that_equal_everything_are_no_sign_of_the_end() -> None:
    class Array:
        def __eq__(self, other: object) -> bool:
            raise ValueError("the truth value of an array is ambiguous")

        __hash__ = None  # type: ignore[assignment]

    array = Array()
    items, _ = make({"a": [ANY, array], "b": iter([array, ANY])})
    (first, second) = pull(items)
    assert first["b"] is second["a"] is array


@pytest.mark.parametrize("mode", ["zip", "product"])
async def test_closing_the_items_closes_async_collections(mode: MapMode) -> None:
    closed: list[str] = []
    columns: list[dict[str, object]] = [
        {"a": counting(5, closed)},
        {"a": counting(5, closed), "b": counting(5, closed)},
    ]
    for column in columns:
        closed.clear()
        items, _ = make(column, mode=mode)
        await anext(items)  # type: ignore[arg-type]
        await items.aclose()  # type: ignore[union-attr]
        assert closed == ["closed"] * len(column)


def test_what_a_collection_raises_is_raised_when_it_is_pulled() -> None:
    def source() -> Iterator[int]:
        yield 1
        raise LookupError

    items, _ = make({"a": source()})
    assert isinstance(items, Iterator)
    assert next(items) == {"a": 1}
    with pytest.raises(LookupError):
        next(items)
