"""Rows divided into statements that a database takes."""

from piecework.stores.database import portions


def test_rows_are_divided_by_number_and_by_size() -> None:
    assert [len(some) for some in portions(range(70_000), width=1)] == [30_000, 30_000, 10_000]
    assert [len(some) for some in portions(range(10), width=15_000)] == [2] * 5
    divided = portions([1, 3_999_999, 1, 9_000_000, 9_000_000, 5], width=2, size=lambda size: size)
    assert list(divided) == [[1, 3_999_999], [1], [9_000_000], [9_000_000], [5]]
    assert list(portions([], width=1)) == []
