"""`piecework report` where its streams and files are not what one expects."""

import subprocess
from pathlib import Path

import pytest

from tests.cli.command import COMMAND, SECONDS, environment
from tests.provider.script import report
from tests.provider.server import Provider

LAST_WORDS = "This paragraph is about Section 2."


def in_shell(line: str, provider: Provider) -> subprocess.CompletedProcess[str]:
    """Run a line of bash in which `$@` is the command."""
    command = [*COMMAND, "report", "tides", "--model", "openai:x", "--sections", "2"]
    return subprocess.run(
        ["/bin/bash", "-c", line, "bash", *command],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
        env=environment(provider.environment()),
    )


@pytest.mark.parametrize("line", ['"$@" -o /dev/stdout', '"$@" 2>&-', '"$@" 2> >(head -1 >/dev/null)'])
def test_the_report_arrives_whatever_becomes_of_standard_error(line: str) -> None:
    with Provider(report(2)) as provider:
        done = in_shell(line, provider)
    assert LAST_WORDS in done.stdout, done.stderr
    assert done.returncode == 0


def test_without_standard_output_the_file_is_written_and_all_is_well(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    with Provider(report(2)) as provider:
        done = in_shell(f'"$@" -o {path} >&-', provider)
    assert LAST_WORDS in path.read_text(encoding="utf-8")
    assert done.returncode == 0, done.stderr


def test_a_file_that_cannot_be_written_is_told_before_anything_is_paid(tmp_path: Path) -> None:
    path = tmp_path / "report.md"
    path.symlink_to(tmp_path / "nowhere" / "report.md")
    with Provider(report(2)) as provider:
        done = in_shell(f'"$@" -o {path}', provider)
        assert provider.asked == ()
    assert done.returncode == 2
    assert str(path) in done.stderr
