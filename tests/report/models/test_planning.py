"""Plans in the forms that models give them."""

import json
from typing import Any

import pytest

from piecework.report.models.planning import read_proposals

PLAIN = [("Cause", "Why."), ("Height", "How high.")]
ENTRIES = [{"name": "Cause", "description": "Why."}, {"name": "Height", "description": "How high."}]


@pytest.mark.parametrize(
    "plan",
    [
        {"sections": ENTRIES},
        ENTRIES,
        {"title": "Tides", "keywords": ["sea"], "outline": ENTRIES},
        {"report": {"title": "Tides", "sections": ENTRIES}},
        {"plan": {"report": {"sections": ENTRIES}}},
        {"sections": {"1": ENTRIES[0], "2": ENTRIES[1]}},
        {"1": ENTRIES[0], "2": ENTRIES[1]},
        {"sections": {"Cause": "Why.", "Height": "How high."}},
        {"Cause": {"description": "Why."}, "Height": {"description": "How high."}},
        [{"section_title": "Cause", "content": "Why."}, {"heading": "Height", "summary": "How high."}],
    ],
)
def test_a_plan_may_have_many_forms(plan: Any) -> None:
    assert read_proposals(plan) == PLAIN
    assert read_proposals(f"Well. {json.dumps(plan)}") == PLAIN


def test_the_planners_citations_are_left_out() -> None:
    plan = [{"name": "Cause [7]", "description": "The moon pulls [3], see [1, 2]."}]
    assert read_proposals(plan) == [("Cause", "The moon pulls, see.")]


def test_a_single_section_is_a_plan() -> None:
    assert read_proposals({"name": "Cause", "description": "Why."}) == [("Cause", "Why.")]


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("", "the answer is empty"),
        ({"sections": []}, "the plan has no sections"),
        ([{"name": " "}, None, 3], "the plan has no sections"),
        ({"title": "Tides"}, "the JSON has no list called sections"),
        ({"title": "Tides", "keywords": ["sea"], "authors": ["x"]}, "the JSON has no list called sections"),
        (7, "the answer is not a list of sections"),
        ({"a": {"b": {"c": {"d": ENTRIES}}}}, "the JSON has no list called sections"),
    ],
)
def test_what_is_no_plan_is_told_why(answer: Any, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        read_proposals(answer)
