"""JSON is found in what models write around it and instead of it; nothing in it is made up, and no text takes long."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report.models.jsontext import find_json

A: dict[str, Any] = {"sections": [{"name": "A", "description": "b"}]}
AS_JSON = json.dumps(A)

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=20), inner, max_size=4),
    max_leaves=12,
)
CONTAINERS = st.lists(VALUES, max_size=4) | st.dictionaries(st.text(max_size=20), VALUES, max_size=4)


def found_or_reason(text: str) -> object:
    """Return the JSON in a text, or why there is none."""
    try:
        return find_json(text)
    except ValueError as error:
        return str(error)


@pytest.mark.parametrize(
    "text",
    [
        AS_JSON,
        f"  {json.dumps(A, indent=2)}\n",
        f"```json\n{AS_JSON}\n```",
        f"```\n{AS_JSON}\n```\nI hope this helps!",
        f"Here is the plan for {{topic}}, as [asked]:\n\n{AS_JSON}",
        f"{AS_JSON}}}",
        f"{AS_JSON} and that is all [1], [2, 3].",
        f'I think of [1, 2] and {{x}}, "quotes" and it\'s so.\n{AS_JSON}',
        f"First {{'a': 1}}, then {AS_JSON}",
        f'{AS_JSON}\nAn empty one would be {{"sections": []}}.',
        f'{{"sections": [{{"name": "draft"}}]}}\nBetter:\n{AS_JSON}',
        f'{AS_JSON}\nOr: {{"sections": [{{"name": "cut o',
        '{"sections": [{"name": "A", "description": "b",},],}',
        '{"sections": [{"name": "A" "description": "b"}]}',
        '{\n"sections": [\n{\n"name": "A"\n"description": "b"\n}\n]\n}',
        "{'sections': [{'name': 'A', 'description': 'b'}]}",
        '{sections: [{name: "A", description: "b"}]}',
        "{\u201csections\u201d: [{\u201cname\u201d: \u201cA\u201d, \u201cdescription\u201d: \u201cb\u201d}]}",
        '{"sections": [ // all of them\n{"name": "A", /* a name */ "description": "b"}, # so\n...]}',
        '{"sections": [{"name": "A", "description": "b"]}',
        '{"sections": [{"name": "A", "description": "b"}',
        '{"sections": [{"name": "A", "description": "b"}, {"na',
        '{"sections": [{"name": "A", "description": "b"}], "count": 1',
    ],
)
def test_the_plan_is_found(text: str) -> None:
    assert find_json(text) == A


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": "he said "hi", then "ho"", "b": 1}', {"a": 'he said "hi", then "ho"', "b": 1}),
        ("{'a': 'it's so', 'b': 'c'}", {"a": "it's so", "b": "c"}),
        ('{"a": "two\nlines\ttab"}', {"a": "two\nlines\ttab"}),
        ('x {"a": "C:\\dir \\u00e9 \\n \\" \\ud83d\\ude00"}', {"a": 'C:\\dir \u00e9 \n " \U0001f600'}),
        ('{"a": "\\ud83d"}', {"a": "\ufffd"}),
        (
            'x {"a": [None, True, FALSE, null], "b": -1.5e3, "c": .5}',
            {"a": [None, True, False, None], "b": -1500.0, "c": 0.5},
        ),
        ('{"a": NaN, "b": 1e999, "c": Infinity}', {"a": None, "b": None, "c": None}),
        ('{"a": 1, "a": 2}', {"a": 2}),
        ('{"a": {"b": [1, [2}, "c": 3}', {"a": {"b": [1, [2]]}, "c": 3}),
        ("[]", []),
        ("nothing but {} here", {}),
        ("[1, 2] or [3, 4, 5] or [6]", [3, 4, 5]),
        ('[{"name": "A"}] as in [1, 2, 3]', [{"name": "A"}]),
        (f'{{"a": {"9" * 5000}}}', {"a": None}),
    ],
)
def test_what_is_nearly_json_is_read(text: str, expected: object) -> None:
    assert find_json(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"a": 1, "b": "cut o', {"a": 1}),
        ('{"a": 1, "b": 12', {"a": 1}),
        ('{"a": 1, "b": tru', {"a": 1}),
        ('{"a": 1, "b":', {"a": 1}),
        ('{"a": 1, "b', {"a": 1}),
        ('{"a": 1, "b": {"c": "cut o', {"a": 1}),
        ('[{"a": 1}, {"a": 2, "b": [3, 4', [{"a": 1}, {"a": 2, "b": [3]}]),
        ('{"a": 1, "b": "whole"', {"a": 1, "b": "whole"}),
        ('["one", "two", "thr', ["one", "two"]),
        ("[1, 2, then words]", [1, 2]),
    ],
)
def test_what_is_cut_off_loses_only_the_item_it_is_cut_in(text: str, expected: object) -> None:
    assert find_json(text) == expected


def test_the_key_that_is_looked_for_is_the_callers_choice() -> None:
    text = '{"grade": "pass"} and {"sections": [1, 2, 3]}'
    assert find_json(text) == {"sections": [1, 2, 3]}
    assert find_json(text, key="grade") == {"grade": "pass"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the answer, '', holds no JSON object and no array"),
        ("I cannot do that.", "the answer, 'I cannot do that.', holds no JSON object and no array"),
        ('"a string"', "holds no JSON object"),
        ("A {braced} word", "at 'braced} word' it is no JSON"),
        ('{"sections": [{"name": "cu', "at '\"cu' it is no JSON"),
        ('{"sections":', "it breaks off before anything in it is whole"),
        ("[", "it breaks off"),
        ("word " * 1000, "\u2026"),
    ],
)
def test_without_json_the_error_says_what_is_wrong(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match="JSON") as caught:
        find_json(text)
    assert reason in str(caught.value)


@given(CONTAINERS)
def test_json_is_read_as_json(value: object) -> None:
    assert find_json(json.dumps(value)) == value
    assert find_json(json.dumps(value, ensure_ascii=False, indent=1)) == value


@given(CONTAINERS.filter(bool), st.sampled_from(["Here it is: ", "```json\n", 'So, it\'s "done":\n']))
def test_json_is_read_as_json_in_the_middle_of_prose(value: object, before: str) -> None:
    assert find_json(f"{before}{json.dumps(value)}\n```\nThat's all.") == value


@given(st.lists(st.dictionaries(st.sampled_from(["name", "x y"]), st.text(), min_size=1), min_size=1), st.data())
def test_a_plan_cut_anywhere_gives_sections_of_the_whole_plan(
    sections: list[dict[str, str]], data: st.DataObject
) -> None:
    text = json.dumps({"sections": sections})
    cut = text[: data.draw(st.integers(0, len(text)))]
    try:
        found = find_json(cut)
    except ValueError:
        return
    assert isinstance(found, dict)
    read: Any = found.get("sections", [])
    assert len(read) <= len(sections)
    assert read[:-1] == sections[: len(read)][:-1]
    assert all(one.items() <= whole.items() for one, whole in zip(read, sections, strict=False))


JUNK = st.lists(
    st.sampled_from([*"{}[]\"',:\n 1a-\\/#", "//", "/*", "*/", "\u201c", "\u2019", '"a": ', "true", "..."])
).map("".join)


@given(st.text() | JUNK)
def test_any_text_gives_json_or_a_value_error(text: str) -> None:
    try:
        found = find_json(text)
    except ValueError as error:
        assert str(error)  # noqa: PT017 - an error is one of two right answers
    else:
        assert isinstance(found, dict | list)
        json.dumps(found).encode()


@pytest.mark.parametrize(
    "text",
    [
        "[" * 200_000,
        "{" * 200_000,
        "{'" * 100_000,
        '{"' * 100_000,
        "{\u201c\u201c{" * 50_000,
        '{"a":' * 40_000,
        '{"a": "' * 30_000,
        '{"a": "' + 'b" c ' * 40_000,
        '{"a": "' + '","' * 60_000,
        '["' + '" , ' * 50_000,
        "{/*" * 60_000,
        "{//" * 60_000,
        "{'a': " + "it's 'b " * 25_000,
        "[[1]," * 40_000,
        "see [1]. " * 20_000,
        '{"a":' + "1" * 200_000,
        '{"a":"' + "\\" * 200_000,
        '{"a":' + " " * 200_000,
    ],
    ids=lambda text: text[:12],
)
def test_a_long_text_is_no_trouble(text: str) -> None:
    try:
        find_json(text)
    except ValueError as error:
        assert len(str(error)) < 500  # noqa: PT017 - an error is one of two right answers
