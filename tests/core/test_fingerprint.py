"""What stands for a function in a cache: the same in every process, and another when the function is another."""

import functools
import importlib.util
import itertools
import math
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from piecework import node
from piecework.core import fingerprint as module
from piecework.core.codec import Codec
from piecework.core.fingerprint import fingerprint
from piecework.errors import CacheKeyError

_NUMBERS = itertools.count()


def of(function: Callable[..., object], *types: type[Any]) -> bytes:
    codec = Codec()
    codec.register(*types)
    return fingerprint(function, codec, node="n")


def refusal(function: Callable[..., object]) -> str:
    with pytest.raises(CacheKeyError) as caught:
        fingerprint(function, Codec(), node="made")
    assert caught.value.node == "made"
    return str(caught.value)


def load(path: Path, text: str, name: str = "loaded") -> ModuleType:
    """A module of that text; its functions have source, as those of a test have not, since pytest rewrites them."""
    path.write_text(text)
    stamp = next(_NUMBERS)
    os.utime(path, (stamp, stamp))  # Whoever remembers the file by its time and size reads it again.
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    exec(compile(text, str(path), "exec", dont_inherit=True), made.__dict__)  # noqa: S102 - what importing does
    return made


def from_text(tmp_path: Path, text: str, function: str = "f") -> bytes:
    return of(getattr(load(tmp_path / f"loaded{next(_NUMBERS)}.py", text), function))


def uses_source(function: Any) -> bool:
    return module._source(function) is not None


def adds(number: object) -> Callable[[int], object]:
    def add(x: int) -> object:
        return x, number

    return add


def has_default(default: object) -> Callable[..., object]:
    def f(x: int, y: object = default) -> object:
        return x, y

    return f


def has_keyword_default(default: object) -> Callable[..., object]:
    def f(x: int, *, y: object = default, z: int = 0) -> object:
        return x, y, z

    return f


def logged(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs)

    return wrapper


def doubled(function: Callable[..., object]) -> Callable[..., object]:
    @functools.wraps(function)
    def wrapper(*args: object, **kwargs: object) -> object:
        return function(*args, **kwargs), function(*args, **kwargs)

    return wrapper


def plain(x: int) -> int:
    return x + 1


def keyed(**kwargs: object) -> object:
    return kwargs


def other(x: int) -> int:
    return x + 2


@dataclass
class Scale:
    by: int

    def __call__(self, x: int) -> int:
        return self.by * x

    def method(self, x: int) -> int:
        return self.by * x

    def another(self, x: int) -> int:
        return self.by + x

    @classmethod
    def of_class(cls, x: int) -> int:
        return x

    @staticmethod
    def of_nothing(x: int) -> int:
        return x


class Doubles(Scale):
    pass


class Opaque:
    def __call__(self, x: int) -> int:
        return x


class Bare:
    def method(self, x: int) -> int:
        return x


def test_a_function_has_one_fingerprint_of_16_bytes() -> None:
    assert of(plain) == of(plain)
    assert len(of(plain)) == 16
    assert of(plain) != of(other)


def test_a_function_that_is_made_again_is_the_same() -> None:
    assert of(adds(1)) == of(adds(1))
    assert of(has_default([1, {"a": 2}])) == of(has_default([1, {"a": 2}]))


@pytest.mark.parametrize("make", [adds, has_default, has_keyword_default])
def test_a_function_is_another_where_a_value_that_it_keeps_is(make: Callable[[object], Callable[..., object]]) -> None:
    values: list[object] = [0, 1, True, 1.0, "1", None, [1], [1, 2], {"a": 1}, {"a": 2}, {1, 2}, int, float, plain]
    values += [other, math, os, math.sin, math.cos, len, "a".upper, "b".upper, str.upper, [plain], [other], (plain,)]
    values += [{"a": plain}, {"b": plain}, {"a": other}, list[int], list[str], int | None, adds(1), adds(2)]
    found = {of(make(value)) for value in values}
    assert len(found) == len(values)


def test_the_order_of_sets_and_dicts_does_not_count() -> None:
    assert of(adds({"a": 1, "b": 2})) == of(adds({"b": 2, "a": 1}))
    assert of(adds({"a": plain, "b": 2})) == of(adds({"b": 2, "a": plain}))


def test_a_value_that_changes_makes_another_function() -> None:
    kept = [1]
    function = adds(kept)
    before = of(function)
    kept.append(2)
    assert of(function) != before


def test_globals_do_not_count(tmp_path: Path) -> None:
    text = "limit = object()\ndef f(x): return x, limit\n"
    assert from_text(tmp_path, text) == from_text(tmp_path, text.replace("object()", "5"))


def test_the_source_counts_and_comments_do_not(tmp_path: Path) -> None:
    text = "def f(x):\n    return x + 1\n"
    own = from_text(tmp_path, text)
    assert uses_source(load(tmp_path / "a.py", text).f)
    for same in (
        "# what it does\ndef f(x):\n    # it adds\n    return (x +\n        1)\n",
        "import functools\n\n\ndef g(): ...\n\n\ndef f(x): return x + 1\n",
        "def keep(**options): return lambda function: function\n@keep(retry=3)\ndef f(x):\n    return x + 1\n",
    ):
        assert from_text(tmp_path, same) == own
    for another in (
        "def f(x):\n    return x + 2\n",
        "def f(y):\n    return y + 1\n",
        "async def f(x):\n    return x + 1\n",
        "def f(x):\n    yield x + 1\n",
        "def f(x):\n    def g(): return 5\n    return x + 1\n",
    ):
        assert from_text(tmp_path, another) != own


def test_a_file_that_was_changed_since_it_was_loaded_is_not_the_source_of_what_was_loaded(tmp_path: Path) -> None:
    path = tmp_path / "loaded.py"
    old = load(path, "def f(x):\n    return x + 1\n").f
    new = load(path, "def f(x):\n    return x + 2\n").f  # Read for the first time now.
    assert not uses_source(old)
    assert uses_source(new)
    assert of(old) != of(new)
    path.write_text("def f(x:\n")
    latest = load(path, "def f(x):\n    return x + 3\n").f
    assert uses_source(latest)
    assert len({of(old), of(new), of(latest)}) == 3


def test_lambdas_of_one_line_are_told_apart(tmp_path: Path) -> None:
    made = load(tmp_path / "loaded.py", "f, g, h = lambda x: x + 1, lambda x: x + 2, lambda x: x + 1\n")
    assert of(made.f) != of(made.g)
    assert of(made.f) == of(made.h)


def compiled(text: str) -> Callable[..., object]:
    names: dict[str, Any] = {"__name__": "typed"}
    exec(text, names)  # noqa: S102 - a function without source, as one typed into a console
    function: Callable[..., object] = names["f"]
    return function


def test_a_function_without_source_is_told_by_its_code() -> None:
    texts = [
        "def f(x): return x + 1",
        "def f(x): return x + 1.0",
        "def f(x): return x + True",
        "def f(x): return x - 1",
        "def f(x): return x.real",
        "def f(x): return x.imag",
        "def f(y): return y + 1",
        "def f(x): return x in {'a', 'b'}",
        "def f(x): return x in {'a', 'c'}",
        "def f(x): return (lambda: 1)",
        "def f(x): return (lambda: 2)",
        "def f(x): return (1, 2, ...)",
        "def f(x): return (1, 3, ...)",
        "def f(x):\n try:\n  a()\n  b()\n except A: pass\n",
        "def f(x):\n try:\n  a()\n except A: pass\n b()\n",
        "def f(x):\n a()\n try:\n  b()\n except A: pass\n",
    ]
    assert not any(uses_source(compiled(text)) for text in texts)
    assert len({of(compiled(text)) for text in texts}) == len(texts)
    assert [of(compiled(text)) for text in texts] == [of(compiled(f"\n\n{text}")) for text in texts]


def test_a_function_whose_code_was_replaced_is_another() -> None:
    function: Any = compiled("def f(x): return x + 1")
    before = of(function)
    function.__code__ = compiled("def f(x): return x + 2").__code__
    assert of(function) != before


def test_functions_of_other_names_and_modules_are_others(tmp_path: Path) -> None:
    text = "def f(x): return x\n"
    first = load(tmp_path / "a.py", text, name="first").f
    second = load(tmp_path / "b.py", text, name="second").f
    again = load(tmp_path / "c.py", text, name="first").f
    assert of(first) == of(again)
    assert of(first) != of(second)
    second.__module__, second.__qualname__ = "first", "Other.f"
    assert of(first) != of(second)


def test_what_wraps_counts_and_what_is_wrapped() -> None:
    found = [of(one) for one in (plain, logged(plain), doubled(plain), logged(other), logged(doubled(plain)))]
    assert len(set(found)) == len(found)
    assert of(logged(plain)) == of(logged(plain))


def test_what_is_wrapped_counts_though_the_wrapper_does_not_keep_it() -> None:
    def wrapper(x: int) -> int:
        return x

    functools.update_wrapper(wrapper, plain)
    found = of(wrapper)
    wrapper.__wrapped__ = other  # type: ignore[attr-defined]
    assert of(wrapper) != found


def test_a_stand_in_counts_as_what_it_stands_for() -> None:
    async def elsewhere(**kwargs: object) -> object:
        return plain(**kwargs)  # type: ignore[arg-type]

    stand_in: Any = elsewhere
    stand_in.__wrapped__ = plain
    assert of(stand_in) != of(plain)
    stand_in.__piecework_standin__ = True
    assert of(stand_in) == of(plain)
    made: Any = functools.partial(elsewhere, target=Opaque())
    vars(made).update(__wrapped__=plain, __piecework_standin__=True)
    assert of(made) == of(plain)


def test_partials_are_told_by_function_and_arguments() -> None:
    made = [functools.partial(plain, 1), functools.partial(plain, 2), functools.partial(other, 1)]
    made += [functools.partial(plain, x=1), functools.partial(plain, functools.partial(plain, 1))]  # type: ignore[arg-type]
    assert len({of(one) for one in made}) == len(made)
    assert of(functools.partial(keyed, x=1, y=2)) == of(functools.partial(keyed, y=2, x=1))


def test_methods_are_told_by_function_and_object() -> None:
    made = [Scale(1).method, Scale(2).method, Scale(1).another, Scale.of_class, Doubles.of_class, Scale.of_nothing]
    made += [Doubles(1).method]
    assert len({of(one, Scale, Doubles) for one in made}) == len(made)
    assert of(Scale(1).method, Scale) == of(Scale(1).method, Scale)


def test_callable_objects_are_told_by_class_and_value() -> None:
    made: list[Callable[..., object]] = [Scale(1), Scale(2), Doubles(1), Scale(1).__call__]
    assert len({of(one, Scale, Doubles) for one in made}) == len(made)
    codec = Codec()
    codec.register(Scale)
    before = fingerprint(Scale(1), codec)
    Scale.__call__, kept = Scale.another, Scale.__call__  # type: ignore[method-assign]
    try:
        assert fingerprint(Scale(1), codec) != before
    finally:
        Scale.__call__ = kept  # type: ignore[method-assign]


def test_a_node_counts_as_its_function() -> None:
    first, second = node(output_name="a")(plain), node(output_name="b", name="renamed")(plain)
    assert of(adds(first)) == of(adds(second)) == of(adds(plain))
    assert of(adds(first)) != of(adds(node(output_name="a")(other)))


def test_a_function_that_remembers_counts_as_what_it_calls() -> None:
    assert of(functools.cache(plain)) == of(functools.lru_cache(plain))
    assert of(functools.cache(plain)) != of(functools.cache(other))


def recursive(base: int) -> Callable[[int], int]:
    def down(x: int) -> int:
        return base if x == 0 else up(x - 1)

    def up(x: int) -> int:
        return down(x - 1) + down(x - 2)

    return down


def test_functions_that_call_themselves_or_each_other_are_told() -> None:
    assert of(recursive(1)) == of(recursive(1))
    assert of(recursive(1)) != of(recursive(2))
    around: list[object] = [plain]
    around.append(around)
    assert of(adds(around)) == of(adds(around))


def test_a_variable_without_a_value_yet_is_no_error() -> None:
    def early() -> object:
        return late

    before = of(early)
    late = 5
    assert of(early) != before


def test_many_functions_inside_one_another_are_each_read_once() -> None:
    def twice(inner: Callable[[], object]) -> Callable[[], object]:
        return lambda: (inner(), functools.partial(inner), inner)

    function: Callable[[], object] = dict
    for _ in range(40):
        function = twice(function)
    assert of(function)


def test_super_is_no_obstacle() -> None:
    class Child(Bare):
        def method(self, x: int) -> int:
            return super().method(x)

    assert of(Child.method)


def test_what_cannot_be_told_is_refused_with_its_place() -> None:
    opened = Bare()
    told = refusal(adds(opened))
    assert "node 'made' cannot be cached: variable 'number' of adds.<locals>.add is of type" in told
    assert f"{__name__}.Bare" in told
    assert "Make it an input of the node, or a global of the module" in told
    assert "let an annotation of a node name its type" in told
    assert "a default of has_default.<locals>.f is" in refusal(has_default(opened))
    assert "default of 'y' of has_keyword_default.<locals>.f is" in refusal(has_keyword_default(opened))
    assert "argument 1 of the function is" in refusal(functools.partial(logged(plain), 1, opened))
    assert "argument 'x' of the function is" in refusal(functools.partial(keyed, x=opened))
    assert "the object of the function is" in refusal(opened.method)
    assert "the function is of type" in refusal(Opaque())
    assert "item 1 of variable 'number'" in refusal(adds([plain, opened]))
    assert "item 'a' of variable 'number'" in refusal(adds({"a": opened}))
    assert "a key of variable 'number'" in refusal(adds({opened: plain}))
    assert "the object of" in refusal(adds(iter([1]).__next__))


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep: list[object] = [plain]
    for _ in range(10_000):
        deep = [deep]
    assert "nested too deeply" in refusal(adds(deep))


SCRIPT = """
import asyncio, functools, sys
from dataclasses import dataclass
from enum import Enum
sys.path.insert(0, sys.argv[1])
import loaded
from piecework.core.codec import Codec
from piecework.core.fingerprint import fingerprint

codec = Codec()
codec.register(loaded.Tone, loaded.Voice)

def typed(x):
    return x in {"a", "b", "c", "d", "e"}, x in {("a", 1), ("b", 2)}

for function in (*loaded.functions, typed):
    print(fingerprint(function, codec).hex())
"""

LOADED = """
import functools
from dataclasses import dataclass
from enum import Enum

class Tone(Enum):
    WARM = 1
    COLD = 2

@dataclass
class Voice:
    tone: Tone
    words: set

    def __call__(self, x):
        return x

def plain(x):
    return x in {"a", "b", "c", "d"}

def make(value):
    def inner(x, other=value, *, more={"b": value, "a": {"x", "y", "z"}}):
        return value
    return inner

functions = [
    plain,
    lambda x: x in {"a", "b", "c", "d", ("e", "f")},
    make({"one", "two", "three"}),
    make({"b": plain, "a": make(1), "c": [make(2)]}),
    make(Voice(Tone.COLD, {"one", "two"})),
    Voice(Tone.WARM, {"one", "two"}),
    functools.partial(plain, b=frozenset({"one", "two"}), a=Tone),
    functools.wraps(plain)(make("text")),
    {"a": 1}.get,
]
"""


def test_every_process_finds_the_same_fingerprints(tmp_path: Path) -> None:
    (tmp_path / "loaded.py").write_text(LOADED)
    found = [
        subprocess.run(
            [sys.executable, *options, "-c", SCRIPT, str(tmp_path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for seed, options in (("0", []), ("1", []), ("2", ["-B"]))
    ]
    assert found[0] == found[1] == found[2]
    assert len(set(found[0])) == 10
    loaded = load(tmp_path / "loaded.py", LOADED)
    codec = Codec()
    codec.register(loaded.Tone, loaded.Voice)
    assert [fingerprint(function, codec).hex() for function in loaded.functions] == found[0][:-1]


def test_scripts_of_other_names_are_other_modules(tmp_path: Path) -> None:
    text = (
        "from piecework.core.codec import Codec\nfrom piecework.core.fingerprint import fingerprint\n"
        "def f(x): return x\nprint(fingerprint(f, Codec()).hex())\n"
    )
    paths = [tmp_path / "a.py", tmp_path / "b.py", tmp_path / "folder" / "a.py"]
    paths[2].parent.mkdir()
    for path in paths:
        path.write_text(text)
    first, second, moved = (subprocess.check_output([sys.executable, path], text=True) for path in paths)
    assert first == moved
    assert first != second
