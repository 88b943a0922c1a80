"""Reading a function as a node: what is refused, what it is called, and how it is to be run."""

import functools
import importlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from piecework.dataflow.definition import Definition, find_function, kind_of, read_definition, stored_path
from piecework.errors import NodeDefinitionError


def blocking(x: int = 0, y: int = 0) -> int:
    return x + y


async def coroutine(x: int = 0, y: int = 0) -> int:
    return x + y


def generator(x: int = 0) -> Iterator[int]:
    yield x


async def async_generator(x: int = 0) -> AsyncIterator[int]:
    yield x


class AsyncCall:
    async def __call__(self, x: int) -> int:
        return x

    async def method(self, x: int) -> int:
        return x


class BlockingCall:
    def __call__(self, x: int) -> int:
        return x


class AsyncGeneratorCall:
    async def __call__(self, x: int) -> AsyncIterator[int]:
        yield x


class Plain:
    def __init__(self, x: int) -> None:
        self.x = x

    async def __call__(self) -> int:
        return self.x


def handing_on(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return wrapper


def awaiting(function: Callable[..., Awaitable[int]]) -> Callable[..., Awaitable[int]]:
    @functools.wraps(function)
    async def wrapper(*args: object, **kwargs: object) -> int:
        return await function(*args, **kwargs)

    return wrapper


def in_the_loop(function: Callable[..., object]) -> Callable[..., Awaitable[object]]:
    @functools.wraps(function)
    async def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return wrapper


def read(func: object, *, output_name: object = "out", name: object = None) -> Definition:
    return read_definition(func, output_name=output_name, name=name)


@pytest.mark.parametrize(
    ("func", "kind"),
    [
        pytest.param(blocking, "blocking", id="function"),
        pytest.param(coroutine, "async", id="coroutine function"),
        pytest.param(generator, "generator", id="generator function"),
        pytest.param(async_generator, "async_generator", id="async generator function"),
        pytest.param(functools.partial(coroutine, 1), "async", id="partial of a coroutine function"),
        pytest.param(functools.partial(functools.partial(generator), 1), "generator", id="partial of a partial"),
        pytest.param(functools.partial(AsyncCall(), x=1), "async", id="partial of an object"),
        pytest.param(AsyncCall(), "async", id="object with async call"),
        pytest.param(AsyncGeneratorCall(), "async_generator", id="object with async generator call"),
        pytest.param(BlockingCall(), "blocking", id="object with call"),
        pytest.param(AsyncCall().method, "async", id="bound method"),
        pytest.param(Plain, "blocking", id="class, whatever its instances do"),
        pytest.param(len, "blocking", id="builtin"),
        pytest.param(handing_on(coroutine), "async", id="wrapper that hands the coroutine on"),
        pytest.param(handing_on(handing_on(coroutine)), "async", id="two such wrappers"),
        pytest.param(handing_on(blocking), "blocking", id="wrapped function"),
        pytest.param(awaiting(coroutine), "async", id="async wrapper of a coroutine function"),
        pytest.param(in_the_loop(blocking), "async", id="async wrapper of a function"),
        pytest.param(contextmanager(generator), "blocking", id="context manager, which is no generator"),
        pytest.param(asynccontextmanager(async_generator), "blocking", id="async context manager"),
    ],
)
def test_the_kind_is_what_a_call_returns(func: Callable[..., object], kind: str) -> None:
    assert kind_of(func) == kind


def test_parameters_and_defaults_are_read_in_order() -> None:
    def func(a: int, b: int = 2, *, c: int, d: int = 4) -> None: ...

    definition = read(func)
    assert definition.parameters == ("a", "b", "c", "d")
    assert dict(definition.defaults) == {"b": 2, "d": 4}


def test_a_default_of_none_is_a_default() -> None:
    def func(a: int | None = None) -> None: ...

    assert dict(read(func).defaults) == {"a": None}


def test_a_partial_takes_name_and_remaining_parameters_of_its_function() -> None:
    definition = read(functools.partial(blocking, 1))
    assert (definition.name, definition.parameters) == ("blocking", ("y",))


def test_a_wrapped_function_has_the_parameters_of_the_inner_one() -> None:
    assert read(handing_on(coroutine)).parameters == ("x", "y")


@pytest.mark.parametrize("output_name", [None, ()])
def test_no_output_name_means_no_output(output_name: object) -> None:
    assert read(blocking, output_name=output_name).outputs == ()


def args(*items: int) -> None: ...
def kwargs(**options: int) -> None: ...
def positional(x: int, /) -> None: ...


@pytest.mark.parametrize(
    ("func", "parameter", "said"),
    [
        (args, "items", r"\*items has no names that edges could feed"),
        (kwargs, "options", r"\*\*options has no names that edges could feed"),
        (positional, "x", "'x' is positional-only"),
    ],
)
def test_parameters_that_no_edge_can_feed_are_refused(func: Callable[..., object], parameter: str, said: str) -> None:
    with pytest.raises(NodeDefinitionError, match=said) as caught:
        read(func)
    assert [(fault.kind, fault.names) for fault in caught.value.faults] == [("bad-parameter", (parameter,))]


@pytest.mark.parametrize(
    ("func", "what"),
    [(lambda x: x, "a lambda"), (BlockingCall(), "a BlockingCall object")],
    ids=["lambda", "object"],
)
def test_what_has_no_name_is_asked_for_one(func: object, what: str) -> None:
    with pytest.raises(NodeDefinitionError, match=rf"{what} has no name of its own. Give one: node\(..., name='...'\)"):
        read(func)
    assert read(func, name="given").name == "given"


@pytest.mark.parametrize("name", ["a/b", "", 3])
def test_a_bad_name_is_refused(name: object) -> None:
    with pytest.raises(NodeDefinitionError, match="the name must"):
        read(blocking, name=name)


@pytest.mark.parametrize("output", ["1st", "final report", "", "class", "a.b", 3, ["a", "b"], ("a", 3)])
def test_an_invalid_output_name_is_refused(output: object) -> None:
    with pytest.raises(NodeDefinitionError, match="an output name must") as caught:
        read(blocking, output_name=output)
    assert [fault.kind for fault in caught.value.faults] == ["bad-output"]


def test_a_list_of_output_names_is_told_to_be_a_tuple() -> None:
    with pytest.raises(NodeDefinitionError, match="Several outputs are a tuple of names"):
        read(blocking, output_name=["a", "b"])


def test_an_output_named_twice_is_refused() -> None:
    with pytest.raises(NodeDefinitionError, match="names 'a' twice"):
        read(blocking, output_name=("a", "b", "a"))


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(NodeDefinitionError) as caught:
        read(lambda *items, **options: None, output_name=("a", "a", "1st"))
    kinds = [fault.kind for fault in caught.value.faults]
    assert kinds == ["no-name", "duplicate-output", "bad-output", "bad-parameter", "bad-parameter"]


def test_what_is_no_function_is_refused_with_what_to_write() -> None:
    with pytest.raises(NodeDefinitionError, match=r"Put @node\(output_name='content'\) over a def"):
        read("content")


def test_a_function_whose_parameters_cannot_be_read_is_refused() -> None:
    def func() -> None: ...

    func.__signature__ = "hidden"  # type: ignore[attr-defined]
    with pytest.raises(NodeDefinitionError, match="its parameters cannot be read"):
        read(func)


def test_a_function_still_under_its_own_name_needs_no_stored_path() -> None:
    assert stored_path(blocking) is None


@pytest.mark.parametrize("path", ["missing", "Missing.inside", "blocking"])
def test_a_pickled_node_that_is_gone_is_told(path: str) -> None:
    with pytest.raises(NodeDefinitionError, match="there is no such node now"):
        find_function(__name__, path)


def test_a_node_is_found_again_by_the_path_it_was_stored_under(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = "from piecework.dataflow.node import node\n@node\ndef work(x: int) -> None: ...\n"
    (tmp_path / "stored_work.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    work = importlib.import_module("stored_work").work
    try:
        assert stored_path(work.func) == ("stored_work", "work")
        assert find_function("stored_work", "work") is work.func
        work.func.__module__ = "__main__"
        assert stored_path(work.func) is None
    finally:
        del sys.modules["stored_work"]
