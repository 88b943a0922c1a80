"""Stored values, ids, sizes and spans as text."""

from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from piecework import RunInfo, StoredError
from piecework.cli.amounts import age, read_span, size
from piecework.cli.errors import MisuseError
from piecework.cli.keeping import Keeping
from piecework.cli.removal import prunable
from piecework.cli.telling import brief, error_line, peeked, plain, told
from piecework.core.codec import Codec
from piecework.core.runs import RunStart, Standing, Tally


@dataclass
class Note:
    title: str
    lines: tuple[int, ...]


def stored(value: object) -> object:
    """The value as somebody sees it who does not know its types."""
    codec = Codec()
    codec.register(Note)
    return peeked(codec.encode(value))


@pytest.mark.parametrize(
    ("value", "lines"),
    [
        ("two\nlines", ["two", "lines"]),
        ("a\x1b[2J\tb", ["a\ufffd[2J\tb"]),
        (3.5, ["3.5"]),
        (None, ["None"]),
        ([], ["[]"]),
        ({}, ["{}"]),
        ([1, "two\nlines"], ["- 1", "- two", "  lines"]),
        ([[1, 2], []], ["- - 1", "  - 2", "- []"]),
        ({"a": 1, "b": "x\ny"}, ["a: 1", "b:", "  x", "  y"]),
        (Note("t", (1,)), ["title: t", "lines:", "  - 1"]),
        ([Note("t", ())], ["- title: t", "  lines: []"]),
        (ValueError("no\nway"), ["ValueError: no", "way"]),
    ],
)
def test_a_value_is_told_in_lines(value: object, lines: Sequence[str]) -> None:
    assert "\n".join(told(stored(value))).splitlines() == list(lines)


def test_a_value_of_an_unknown_type_is_plain_data() -> None:
    assert plain(stored({"note": Note("t", (1, 2)), "bytes": b"x"})) == {
        "note": {"title": "t", "lines": [1, 2]},
        "bytes": "eA==",
    }


def test_numbers_of_json_stay_numbers() -> None:
    assert plain(stored({"f": 0.1, "all": [1, 2.5, True]})) == {"f": 0.1, "all": [1, 2.5, True]}
    assert plain(stored([float("inf")])) == ["inf"]
    assert brief(stored(0.1)) == "0.1"


def test_what_cannot_be_read_is_said() -> None:
    assert str(peeked(b"\xc1")).startswith("<stored bytes cannot be read")


def test_a_brief_value_is_one_line() -> None:
    assert brief({"a": "x\ny"}) == '{"a": "x\\ny"}'
    assert brief("x" * 100, 10) == '"xxxxxx...'


def test_errors_are_told_by_class_and_message() -> None:
    assert error_line(StoredError("no", kind="some.module.OddError")) == "OddError: no"
    assert error_line(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("5m", 300), ("12h", 43200), ("30d", 2592000), ("1.5 W", 907200)]
)
def test_spans_are_read(text: str, seconds: float) -> None:
    assert read_span(text) == seconds


@pytest.mark.parametrize("text", ["", "d", "30", "30y", "-1d", "1d2h", "nan d"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(MisuseError, match="no span of time"):
        read_span(text)


def test_ages_and_sizes_are_round() -> None:
    assert [age(seconds) for seconds in (-1, 59, 60, 3599, 86399, 86400 * 400)] == [
        "0 s", "59 s", "1 min", "59 min", "23 h", "400 d",
    ]  # fmt: skip
    assert [size(count) for count in (0, 999, 1000, 9949, 9950, 999_499, 999_500, 5 * 10**15)] == [
        "0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "5000.0 TB",
    ]  # fmt: skip


def test_a_password_is_not_in_the_advice() -> None:
    kept = Keeping(None, "postgresql://me:hid@den@host/runs")
    assert kept.advice("x-1") == "resume with: piecework resume x-1 --store 'postgresql://me:***@host/runs'"


def test_what_can_be_resumed_is_never_prunable() -> None:
    standings: Sequence[Standing] = ("completed", "paused", "failed", "interrupted", "running", "cancelled")
    infos = [info(str(number), status, 100 - number) for number, status in enumerate(standings)]
    assert names(prunable(infos, older_than=None, keep=0, now=100)) == "0 2 5"
    assert names(prunable(infos, older_than=None, keep=1, now=100)) == "2 5"
    assert names(prunable(infos, older_than=3, keep=None, now=100)) == "5"
    assert names(prunable(infos, older_than=1, keep=2, now=100)) == "5"


def info(run_id: str, status: Standing, updated: float) -> RunInfo:
    start = RunStart(run_id=run_id, name="w")
    return RunInfo(start=start, status=status, created=0, updated=updated, facts=0, tally=Tally(), size=0, epoch=1)


def names(infos: Sequence[RunInfo]) -> str:
    return " ".join(one.run_id for one in infos)
