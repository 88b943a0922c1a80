"""Which files are read, in which order, and what becomes of those that cannot be."""

import os
import sys
from pathlib import Path

import pytest

from piecework.report import MissingExtraError, MissingSourceError, NothingReadableError, read_library
from piecework.report.sources import read_sources

SENTENCE = "Scaling laws relate the loss of a model to its size."


def names(texts: object) -> list[str]:
    assert isinstance(texts, tuple)
    return [Path(text.name).name for text in texts]


@pytest.mark.parametrize(
    "data",
    [
        "\ufeffCaf\u00e9 au lait".encode(),
        "Caf\u00e9 au lait".encode("utf-16"),
        "Caf\u00e9 au lait".encode("utf-32"),
        "Caf\u00e9 au lait".encode("latin-1"),
        "Caf\u00e9 au lait".encode(),
    ],
    ids=["byte order mark", "utf-16", "utf-32", "latin-1", "utf-8"],
)
def test_text_is_read_in_common_encodings(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(data)
    texts, skipped = read_sources([tmp_path])
    assert [text.text for text in texts] == ["Caf\u00e9 au lait"]
    assert not skipped


def test_a_page_is_read_in_the_encoding_it_declares(tmp_path: Path) -> None:
    page = '<meta charset="koi8-r"><p>\u041f\u0440\u0438\u0432\u0435\u0442</p>'
    (tmp_path / "a.html").write_bytes(page.encode("koi8-r"))
    texts, _ = read_sources([tmp_path])
    assert texts[0].text == page


@pytest.mark.parametrize("data", [b"text\x00text", bytes(range(256)), b"\x89PNG\r\n\x1a\n\x00\x00", b"\xff\xfe\x00"])
def test_a_file_that_is_no_text_is_skipped_by_name(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "blob.txt").write_bytes(data)
    (tmp_path / "good.txt").write_text(SENTENCE)
    library = read_library([tmp_path])
    assert [str(skip) for skip in library.skipped] == [f"{tmp_path.as_posix()}/blob.txt is not text"]


@pytest.mark.parametrize(
    "text", ["", " \n\t\n", "# Only\n\n## Headings\n", "- a\n- b\n", "```\ncode.\n```\n", "x" * 300_000]
)
def test_a_file_without_prose_is_skipped_by_name(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.md").write_text(text)
    (tmp_path / "good.md").write_text(SENTENCE)
    library = read_library([tmp_path])
    assert [Path(skip.name).name for skip in library.skipped] == ["a.md"]


def test_files_that_hold_nothing_to_quote_are_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\x00")
    (tmp_path / "b.md").write_text("# Title\n")
    with pytest.raises(NothingReadableError, match=r"a\.txt is not text; .*b\.md holds no whole sentences"):
        read_library([tmp_path])


def test_an_empty_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(NothingReadableError, match="nothing to quote in"):
        read_library([tmp_path])


def test_a_missing_source_is_an_error_even_beside_good_ones(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SENTENCE)
    with pytest.raises(MissingSourceError, match="nowhere"):
        read_library([tmp_path, tmp_path / "nowhere"])


def test_no_sources_at_all_are_an_error() -> None:
    with pytest.raises(MissingSourceError, match="no sources given"):
        read_library([])


def test_folders_are_walked_in_natural_order_without_hidden_files(tmp_path: Path) -> None:
    for name in ("10-b.md", "2-a.md", "B.txt", "sub/a.html", ".git/x.md", ".hidden.md", "a.txt"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(SENTENCE)
    texts, skipped = read_sources([tmp_path])
    assert names(texts) == ["2-a.md", "10-b.md", "a.txt", "B.txt", "a.html"]
    assert not skipped


def test_a_file_reached_twice_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SENTENCE)
    (tmp_path / "link.txt").symlink_to("a.txt")
    texts, _ = read_sources([tmp_path / "a.txt", tmp_path, tmp_path / "a.txt"])
    assert names(texts) == ["a.txt"]


def test_the_file_a_report_goes_to_is_no_source(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(SENTENCE)
    (tmp_path / "report.md").write_text(SENTENCE)
    texts, _ = read_sources([tmp_path], leave_out=[tmp_path / "report.md"])
    assert names(texts) == ["a.txt"]


def test_a_file_of_another_kind_is_skipped_in_a_folder_and_read_when_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.rst"
    path.write_text(SENTENCE)
    assert [skip.reason for skip in read_sources([tmp_path])[1]] == ["is not a text, Markdown or HTML file"]
    assert names(read_sources([path])[0]) == ["notes.rst"]


def test_a_source_is_named_the_way_the_user_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text(SENTENCE)
    monkeypatch.chdir(tmp_path)
    assert [text.name for text in read_sources(["notes"])[0]] == ["notes/a.txt"]


def test_a_file_name_that_is_no_text_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/a\xff\n.txt"
    try:
        with open(path, "w") as file:
            file.write(SENTENCE)
    except OSError:
        pytest.skip("this file system takes only names that are text")
    assert names(read_sources([tmp_path])[0]) == ["a\ufffd\ufffd.txt"]


def test_a_folder_in_the_place_of_a_named_pipe_is_no_trouble(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.txt")
    assert [skip.reason for skip in read_sources([tmp_path])[1]] == ["is not a regular file"]


def test_markdown_without_its_parser_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.md").write_text(SENTENCE)
    monkeypatch.setitem(sys.modules, "markdown_it", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'piecework\[report\]'"):
        read_library([tmp_path])
