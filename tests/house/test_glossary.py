"""One word per thing: what the glossary tells to avoid is no name in the code."""

from pathlib import Path

import pytest

from tests.house.glossary_rules import avoided_words, glossary_faults
from tests.house.source import REPOSITORY
from tests.house.trees import plant

GLOSSARY = REPOSITORY / "docs" / "glossary.md"

PAGE = """
| word | meaning | instead of |
|---|---|---|
| **call** | one run of a node | `activity`, work item (in queues) |
| run | | workflow-run; |

| other | table |
|---|---|
| call | node |
"""


def test_the_code_uses_the_words_of_the_glossary() -> None:
    if not GLOSSARY.exists():
        pytest.skip("docs/glossary.md is not written yet")
    words = avoided_words(GLOSSARY.read_text(encoding="utf-8"))
    assert words, "docs/glossary.md has no table with the columns 'word' and 'instead of'"
    faults = glossary_faults(REPOSITORY / "src", words)
    assert not faults, "\n".join(faults)


def test_words_to_avoid_are_read_from_the_table() -> None:
    assert avoided_words(PAGE) == {"activity": "call", "workitem": "call", "workflowrun": "run"}


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("class Activity: ...", "Activity"),
        ("def f(work_items): ...", "work_items"),
        ("class A:\n    def _work_item(self): ...", "_work_item"),
        ("for activity in x: ...", "activity"),
        ("self.activity: int = 1", "activity"),
    ],
)
def test_a_word_to_avoid_is_named_with_the_one_to_use(tmp_path: Path, text: str, name: str) -> None:
    faults = glossary_faults(plant(tmp_path, {"run.py": text}), avoided_words(PAGE))
    assert len(faults) == 1
    assert faults[0].endswith(f" {name}: the word is call")


def test_uses_of_other_peoples_names_pass(tmp_path: Path) -> None:
    text = "activity.start(x.activity)\nnode = activity_of(x)\nassert node"
    assert glossary_faults(plant(tmp_path, {"run.py": text}), avoided_words(PAGE)) == []
