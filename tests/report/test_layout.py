"""What is not prose on a web page, laid out as lines of text."""

import pytest

from piecework.report.formats import read_page
from piecework.report.prose import Gap


def gap(html: str) -> Gap:
    """Return the only gap of a page that says anything."""
    (found,) = [block for block in read_page("a.html", html).blocks if isinstance(block, Gap) and block.text]
    return found


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<ul><li>one<li><b>two</b> <code>x</code></ul>", "- one\n- two `x`"),
        ("<ol><li>one</li><li><p>two</p><p>more</p></li></ol>", "1. one\n2. two\n  more"),
        ("<ul><li>one<ol><li>in</ol>\n<li>two</ul>", "- one\n  1. in\n- two"),
        ("<dl><dt>Term<dd>Sense<dd>Other</dl>", "Term\n  Sense\n  Other"),
        ("<blockquote><p>One<ul><li>two</ul></blockquote>", "> One\n> - two"),
        ("<table><caption>C</caption><tr><th>a<th>b<tr><td>1<td></table>", "C\n| a | b |\n| 1 |  |"),
        ("<table><tr><td>a<p>b<td>c<ul><li>d</ul>e<td>f</table>", "| a b | c |\n- d\ne\n| f |"),
        ("<pre>\n<code>a <b>b</b>\n\n  c`d`</code>\n</pre>", "```\na b\n\n  c`d`\n```"),
        ("<pre>a<br>b<div>c</div><div>d</div></pre>", "```\na\nb\nc\nd\n```"),
        ("<pre>```</pre>", "````\n```\n````"),
        ("<ul><li><pre>a\nb</pre>c</ul>", "- ```\n  a\n  b\n  ```\n  c"),
        ("<figure><img src=x><figcaption>Seen</figcaption></figure>", "Seen"),
        ("<ul><li>one<nav>no</nav><script>no</script>", "- one"),
    ],
)
def test_a_structure_is_laid_out_as_text(html: str, text: str) -> None:
    assert gap(html).text == text


def test_each_line_knows_where_it_stands() -> None:
    found = gap("<p>x</p>\n<ul>\n<li>one\n two\n<li>three\n</ul>\n")
    assert found.text == "- one two\n- three"
    lines = [found.lines(found.text.index(word), found.text.index(word) + 1)[0] for word in ("one", "two", "three")]
    assert lines == [3, 4, 5]
    code = gap("<pre>\n<i>a</i>\n<br>\nb</pre>")
    assert [code.lines(place, place + 1)[0] for place in (code.text.index("a"), code.text.index("b"))] == [2, 4]


def test_items_of_the_outermost_list_are_where_it_is_cut() -> None:
    found = gap("<ul><li>one<ul><li>in</ul><li>two</ul>")
    assert [found.text[start:][:5] for start in found.items] == ["- one", "- two"]


def test_a_table_repeats_its_header_row_and_code_its_fences() -> None:
    table = gap("<table><thead><tr><th>a</th><th>b</th></tr></thead><tr><td>1</td><td>2</td></tr></table>")
    assert (table.head, table.foot) == ("| a | b |", "")
    assert gap("<table><tr><th>a<td>b</table>").head == ""
    assert (gap("<pre>a</pre>").head, gap("<pre>a</pre>").foot) == ("```", "```")


def test_the_margin_of_deep_lists_does_not_grow_without_end() -> None:
    assert max(len(line) for line in gap("<ul><li>a" * 3000).text.split("\n")) < 40


def test_a_structure_that_is_never_closed_goes_to_the_end() -> None:
    assert gap("<p>One.</p><ul><li>two<h2>three</h2><p>four").text == "- two\n  three\n  four"
