"""Passwords in the names of stores: nothing that is printed has them, in whatever form a store is named."""

import shlex
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.cli.disguise import check_name, disguised, disguised_urls
from piecework.cli.errors import MisuseError
from piecework.cli.keeping import Keeping
from tests.cli.command import error_line, run

FORMS = (
    "postgresql://me:{}@host:5432/runs",
    "postgres://me:{}@host",
    "POSTGRESQL://:{}@host/runs?sslmode=require",
    "postgresql://me@corp:{}@host/runs",
    "postgresql://m/e:{}@host/runs",
    "postgresql://me:{}@one:1,two:2/runs?user=a%40b",
    "postgresql://host/runs?password={}",
    "postgresql://host/runs?user=me&password={}&options=-csearch_path%3Dx",
    "postgresql://host/runs?PASSWORD={}&user=me",
    "postgresql://host/runs?pass%77ord={}",
    "postgresql://host/runs?sslmode=require&sslpassword={}",
    "postgresql://me:{0}@host/runs?password={0}",
    "host=127.0.0.1 user=me password={}",
    "password = {} host=x",
    "host=x password='{}' user=me",
    "host=x sslpassword = '{}'",
    "mysql://me:{}@host/runs",
    "postgresql//me:{}@host/runs",
    "postgresql:me:{}@host/runs",
    "me:{}@host",
)
ODD = st.text("@:/?#&=%'\\ \t+[]()!$*,;~\"-._", max_size=8)


@pytest.mark.parametrize("form", FORMS)
@given(odd=st.lists(ODD, min_size=1, max_size=3))
def test_no_piece_of_a_password_is_in_what_is_printed(form: str, odd: list[str]) -> None:
    secret = "".join(f"sec{number}{part}ret" for number, part in enumerate(odd))
    if "'" in form:
        secret = secret.replace("\\", "\\\\").replace("'", "\\'")
    name = form.format(secret)
    told = [disguised(name), Keeping(None, name).advice("x-1"), disguised_urls(f"unexpected argument ({name})")]
    try:
        check_name(name)
    except MisuseError as error:
        told.append(str(error))
    if "://" not in name and "password" not in name:
        told.pop(2)
    for line in told:
        assert "sec" not in line.replace("psearch", "")
        assert "ret" not in line


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("postgresql://me:x@host:5432/runs", "postgresql://me:***@host:5432/runs"),
        ("postgresql://me:h@d@host/runs", "postgresql://me:***@host/runs"),
        ("postgresql://host:5432/runs", "postgresql://host:5432/runs"),
        ("postgresql://h/r?password=a b&options=-cx%3Dy", "postgresql://h/r?password=***&options=-cx%3Dy"),
        ("host=x password='a \\' host=b' user=me", "host=x password=*** user=me"),
        ("runs.db", "runs.db"),
        ("/data/a:b@c.db", "/data/a:b@c.db"),
        ("C:\\me@home\\runs.db", "C:\\me@home\\runs.db"),
        ("sqlite:////srv/a:b@c.db", "sqlite:////srv/a:b@c.db"),
    ],
)
def test_all_but_the_password_is_told(name: str, told: str) -> None:
    assert disguised(name) == told


@pytest.mark.parametrize(
    "name",
    [
        "runs.db",
        "./user=me.db",
        "/data/a:b@c.db",
        "postgresql://me:a:b?c#d@host:5432/runs?sslmode=require",
        "postgresql://me:p%40w@host/runs",
        "postgresql://host/runs?password=x",
        "mysql://me:x@host/runs",
    ],
)
def test_a_name_that_nobody_mistakes_is_taken(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("form", FORMS[::3])
@pytest.mark.parametrize("command", ["runs", "run"])
def test_a_store_that_does_not_work_tells_no_password(tmp_path: Path, form: str, command: str) -> None:
    (tmp_path / "flow.py").write_text("from piecework import Graph\ngraph = Graph([], name='g')\n")
    name = form.format("sec/ret@sec") if command == "runs" else form.format("secret").replace("@host", "@127.0.0.1:1")
    name = name.replace("//host/", "//127.0.0.1:1/")
    words = ("run", "flow:graph", "--debug") if command == "run" else ("runs",)
    done = run(*words, "--store", name, folder=tmp_path)
    assert done.returncode in {1, 2}
    assert "sec" not in done.stderr.replace("psearch", "").replace("second", "").replace("section", "")
    assert [file.name for file in tmp_path.iterdir() if "=" in file.name or "@" in file.name] == []


def test_a_word_too_many_tells_no_password(tmp_path: Path) -> None:
    done = run("runs", "postgresql://me:sec/ret@host/runs", folder=tmp_path)
    assert done.returncode == 2
    assert "postgresql://me:***@host/runs" in error_line(done)


def test_the_printed_name_is_refused_until_the_password_is_put_back(tmp_path: Path) -> None:
    words = shlex.split(Keeping(None, "postgresql://me:x@host/runs").advice("x-1").partition(": ")[2])
    done = run(*words[1:], folder=tmp_path)
    assert done.returncode == 2
    assert "has *** where its password was" in error_line(done)
