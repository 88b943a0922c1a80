"""What a model thinks is no part of what it says, unless the tags are only spoken of."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.report.models.thinking import without_thinking


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("<think>a</think>b", "b"),
        ("<think>\na\n</think>\n\nb\n", "b"),
        ("a <THINK>b</Think> c", "a c"),
        ("<thinking>a</thinking>b<reasoning>c</reasoning>d<thought>e</thought>", "bd"),
        ("<think>a</think>b<think>c</think>d", "bd"),
        ("<think>a<think>b</think>c</think>d", "d"),
        ("<think>I write <think> tags</think>b", "b"),
        ("<think lang='en'>a</think>b", "b"),
        ("<think></think>\n\nb", "b"),
        ("[THINK]a[/THINK]b", "b"),
        ("\u25c1think\u25b7a\u25c1/think\u25b7b", "b"),
    ],
)
def test_what_stands_between_tags_is_left_out(text: str, expected: str) -> None:
    assert without_thinking(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("<think>a", ""), ("a\n\n<think>b", "a"), ("<think>a</think>b<think>c", "b"), ("<think>a ``` b", "")],
)
def test_thinking_without_an_end_goes_to_the_end(text: str, expected: str) -> None:
    assert without_thinking(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a\n</think>\n\nb", "b"),
        ("a, then </think>, then\n</think>\nb", "b"),
        ("a</think>b</think>", "b"),
        ("a</think>", ""),
        ("a</think><think>b</think>c", "c"),
        ("a ```\nb\n</think>\nc\n\n```js\nd\n```", "c\n\n```js\nd\n```"),
    ],
)
def test_thinking_that_began_before_the_text_goes_up_to_its_end(text: str, expected: str) -> None:
    assert without_thinking(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  no tags\n",
        "I <thinker> of <b>",
        "The tag `<think>` opens, `</think>` closes.",
        "``a ` <think>``",
        "```\n<think>\na\n</think>\n```\n\nb",
        "~~~~\n~~~\n<think>\n~~~~\nb",
        "- a\n\n  ```xml\n  <think>a</think>\n  ```",
    ],
)
def test_tags_that_are_only_mentioned_in_code_stay(text: str) -> None:
    assert without_thinking(text) == text


def test_backticks_in_thinking_do_not_hide_what_follows() -> None:
    assert without_thinking("<think>`</think>The tag `<think>` opens.") == "The tag `<think>` opens."
    assert without_thinking("<think>\n```\n</think>\nA <think>b</think> c") == "A c"


OTHERS = ["`", "``", "```\n", "\n", "a ", "<think>", "<reasoning>"]
PIECES = st.lists(st.sampled_from([*OTHERS, "</think>", "[/THINK]"]))


@given(PIECES.map("".join))
def test_what_is_said_was_in_the_text(text: str) -> None:
    said = without_thinking(text)
    left = iter(text)
    assert all(character in left for character in said)


@given(st.lists(st.sampled_from(OTHERS)).map("".join), PIECES.map("".join))
def test_closed_thinking_is_never_said(before: str, after: str) -> None:
    assert "SECRET" not in without_thinking(f"<think>{before}SECRET</think>{after}")


@given(st.text())
def test_any_text_can_be_asked_for(text: str) -> None:
    without_thinking(text)


@pytest.mark.parametrize(
    "unit", ["<think>", "</think>", "<think>`</think>", "<think ", "` `` ", "```\n</think>\n", "a</think>\n"]
)
def test_a_megabyte_is_no_trouble(unit: str) -> None:
    without_thinking(unit * (1_000_000 // len(unit)))
