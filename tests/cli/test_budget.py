"""Reports with a budget: what stops, what is said, and what goes on with more."""

import json
import re
from pathlib import Path

import pytest

from piecework import Usage
from piecework.cli.budget import Allowance, read_allowance
from piecework.cli.errors import MisuseError
from tests.cli.command import error_line, resume_line, run
from tests.provider.script import Asked, Refuse, Reply, report
from tests.provider.server import Provider

ORDER = ("report", "tides", "--model", "openai:x", "--sections", "10")
SPENT = "piecework: the budget is spent, used are {}: the run is stopped, and there is no report yet"


def here(provider: Provider) -> dict[str, str]:
    return {**provider.environment(), "PIECEWORK_STORE": ""}


def status(folder: Path) -> str:
    return str(json.loads(run("runs", "--json", folder=folder).stdout)[0]["status"])


def test_a_spent_budget_stops_the_report_and_the_line_that_is_told_finishes_it(tmp_path: Path) -> None:
    # The plan and the first eight sections take 18 tokens each; these are begun together.
    path = tmp_path / "report.md"
    path.write_text("old")
    with Provider(report(10)) as provider:
        stopped = run(*ORDER, "-o", path, "--max-tokens", "30", given=here(provider), folder=tmp_path)
        assert (stopped.returncode, stopped.stdout, path.read_text()) == (1, "", "old")
        assert len(provider.asked) == 9
        lines = stopped.stderr.splitlines()
        assert re.fullmatch(r"piecework: stopped: 8 of 10 sections, \d+\.\d s", lines[-3])
        assert lines[-2] == SPENT.format("162 of 30 tokens")
        words = resume_line(stopped.stderr).split()
        assert words[1:] == ["--max-tokens", "192"]
        assert status(tmp_path) == "stopped"
        done = run("resume", *words, given=here(provider), folder=tmp_path)
        assert (done.returncode, len(provider.asked)) == (0, 11)
    assert path.read_text().count("This paragraph is about") == 10
    assert status(tmp_path) == "completed"


def test_a_stopped_report_keeps_to_its_budget_until_it_is_given_more(tmp_path: Path) -> None:
    with Provider(report(10)) as provider:
        run(*ORDER, "--max-cost", "0.00002", "--price", "1/1", given=here(provider), folder=tmp_path)
        assert len(provider.asked) == 9
        again = run("resume", "report", given=here(provider), folder=tmp_path)
        assert (again.returncode, len(provider.asked)) == (1, 9)
        assert SPENT.format("0.000162 of 0.00002 in money") in again.stderr
        assert resume_line(again.stderr).split()[1:] == ["--max-cost", "0.000182", "--price", "1/1"]
        more = run("resume", "report", "--max-cost", "1", given=here(provider), folder=tmp_path)
        assert (more.returncode, len(provider.asked)) == (0, 11)
    shown = run("show", "report", folder=tmp_path).stdout
    assert re.search(r"used: +121 tokens in, 77 out, 0\.000198 in money", shown)


def test_a_bound_that_is_not_reached_says_nothing(tmp_path: Path) -> None:
    with Provider(report(10)) as provider:
        done = run(*ORDER, "--max-tokens", "1000", given=here(provider), folder=tmp_path)
    assert done.returncode == 0
    assert "budget" not in done.stderr


def test_a_budget_that_the_last_section_spends_costs_no_report(tmp_path: Path) -> None:
    with Provider(report(3)) as provider:
        for option in ("-q", "--no-store"):
            done = run(*ORDER[:-1], "3", "--max-tokens", "72", option, given=here(provider), folder=tmp_path)
            assert (done.returncode, done.stdout.count("This paragraph")) == (0, 3)
        assert len(provider.asked) == 8


def test_a_stopped_report_that_is_not_kept_says_that_it_cannot_go_on(tmp_path: Path) -> None:
    given = ("--max-tokens", "1", "--max-cost", "9", "--price", "3/15", "--no-store", "-q")
    with Provider(report(10)) as provider:
        stopped = run(*ORDER, *given, given=here(provider), folder=tmp_path)
        assert len(provider.asked) == 1
    assert stopped.returncode == 1
    assert stopped.stderr.splitlines() == [
        SPENT.format("18 of 1 tokens and 0.000138 of 9.00 in money"),
        "piecework: the run is not kept, so it cannot go on. Start it again with more, and with a store.",
    ]


def test_a_section_that_was_to_be_tried_again_is_not_begun_with_a_spent_budget(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        refuses = asked.wanted is None and "Your section: 1." in asked.text and asked.repeats == 0
        return Refuse(503, "busy", {"retry-after": "0.3"}) if refuses else report(3)(asked)

    with Provider(answer) as provider:
        stopped = run(*ORDER[:-1], "3", "--max-tokens", "40", given=here(provider), folder=tmp_path)
        assert (stopped.returncode, len(provider.asked)) == (1, 4)
        assert "piecework: retrying in 0.3 s: Section 1: openai fails (503: busy)" in stopped.stderr.splitlines()
        shown = run("show", "report", folder=tmp_path).stdout
        assert "3 items: 2 done, 1 stopped" in shown
        words = resume_line(stopped.stderr).split()
        done = run("resume", *words, given=here(provider), folder=tmp_path)
        assert (done.returncode, len(provider.asked)) == (0, 5)


def test_what_was_given_to_resume_is_said_again_by_what_it_is_resumed_with_next(tmp_path: Path) -> None:
    def answer(asked: Asked) -> Reply:
        return Refuse(400, "no") if "Your section: 2." in asked.text else report(3)(asked)

    with Provider(answer) as provider:
        order = (*ORDER[:-1], "3", "--max-tokens", "1")
        run(*order, given=here(provider), folder=tmp_path)
        gaps = run("resume", "report", "--max-tokens", "900", given=here(provider), folder=tmp_path)
    assert gaps.returncode == 1
    assert resume_line(gaps.stderr).split()[1:] == ["--max-tokens", "900"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--max-cost", "2"), "--max-cost needs the price of the model"),
        (("--max-cost", "2", "--price", "3"), "--price '3' is no price. Write what a million tokens cost"),
        (("--max-cost", "2", "--price", "-3/15"), "is no price"),
        (("--max-cost", "0", "--price", "3/15"), "--max-cost 0 is no amount of money"),
        (("--max-cost", "nan", "--price", "3/15"), "is no amount of money"),
        (("--max-cost", "inf", "--price", "3/15"), "is no amount of money"),
        (("--price", "3/15"), "--price bounds nothing by itself"),
        (("--max-tokens", "0"), "--max-tokens"),
    ],
)
def test_a_budget_that_cannot_be_one_is_told_in_one_line(tmp_path: Path, given: tuple[str, ...], told: str) -> None:
    done = run("report", "tides", "--model", "ollama:x", *given, folder=tmp_path)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert told in error_line(done)


def test_a_graph_takes_no_budget(tmp_path: Path) -> None:
    (tmp_path / "flow.py").write_text(
        'from piecework import Graph, node\n\n@node(output_name="b")\ndef f(a: int) -> int:\n    return a\n\n'
        'graph = Graph([f], name="flow")\n'
    )
    run("run", "flow:graph", "-i", "a=1", folder=tmp_path)
    done = run("resume", "flow", "flow:graph", "--max-tokens", "5", folder=tmp_path)
    assert done.returncode == 2
    assert "is resumed with a graph: it takes no --max-tokens" in error_line(done)


def test_a_quoted_report_uses_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# Loss\n\nThe loss of a model falls with its size. It falls as a power law.\n")
    done = run("report", "loss", "--source", "a.md", "--max-tokens", "1", folder=tmp_path)
    assert done.returncode == 0
    assert "tokens" not in run("show", "report", folder=tmp_path).stdout.replace("max_tokens", "")


def test_a_price_may_have_blanks_and_is_typed_without() -> None:
    allowance = read_allowance(None, 2.5, " 0.25 / 1.5 ")
    assert allowance.words() == ["--max-cost", "2.5", "--price", "0.25/1.5"]
    budget = allowance.budget()
    assert budget is not None
    assert callable(budget.prices)
    assert budget.prices("any", 2_000_000, 1_000_000) == 2.0


def test_bounds_that_are_not_said_again_stay() -> None:
    before = Allowance(100, 2.0, "3/15")
    assert read_allowance(200, None, None, before=before) == Allowance(200, 2.0, "3/15")
    assert read_allowance(None, None, "1/1", before=before) == Allowance(100, 2.0, "1/1")
    with pytest.raises(MisuseError, match="is no price"):
        read_allowance(None, None, "cheap", before=before)


def test_as_much_again_is_advised_of_what_is_spent_alone() -> None:
    used = Usage(90, 30, 0.5)
    assert Allowance(100, 2.0, "3/15").more(used) == Allowance(220, 2.0, "3/15")
    assert Allowance(1000, 0.3, "3/15").more(used) == Allowance(1000, 0.8, "3/15")
