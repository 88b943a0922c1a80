"""Outlines as Mermaid text: the form, and names that Mermaid would read as something else.

What Mermaid itself makes of such names was tried with its own parser and layout, versions 10.9, 11.4 and 11.17; the
rules found there are held here, and every text is read back.
"""

import re
from collections import Counter
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from piecework.draw import to_mermaid
from piecework.outline import Arrow, Box, Outline

KEYWORDS = [
    "end",
    "graph",
    "flowchart",
    "subgraph",
    "style",
    "linkStyle",
    "classDef",
    "class",
    "click",
    "href",
    "call",
    "default",
    "interpolate",
]
TARGETS = ["_self", "_blank", "_parent", "_top"]
INHERITED = ["__proto__", "constructor", "toString", "valueOf", "hasOwnProperty", "__defineGetter__"]


def one(name: str) -> str:
    """The line of a box that stands alone."""
    return to_mermaid(Outline(boxes=(Box(id="0", name=name),), arrows=())).splitlines()[1].strip()


def test_the_orchestrator_worker_graph_is_drawn_line_for_line() -> None:
    inside = Outline(boxes=(Box(id="section_writer/write_section", name="write_section"),), arrows=())
    outline = Outline(
        boxes=(
            Box(id="input:topic", name="topic", kind="input"),
            Box(id="orchestrator", name="orchestrator"),
            Box(id="section_writer", name="section_writer", map_over=("section",), inside=inside),
            Box(id="synthesizer", name="synthesizer"),
            Box(id="end:", name="END", kind="end"),
        ),
        arrows=(
            Arrow(source="input:topic", target="orchestrator"),
            Arrow(source="orchestrator", target="section_writer", label="sections"),
            Arrow(source="section_writer", target="synthesizer", label="content"),
            Arrow(source="synthesizer", target="end:", label="final_report"),
        ),
    )
    assert to_mermaid(outline) == (
        "flowchart TD\n"
        "    topic([topic]) --> orchestrator\n"
        "    orchestrator[orchestrator] --> |sections| section_writer\n"
        "    subgraph section_writer [section_writer - map_over section]\n"
        "        write_section[write_section]\n"
        "    end\n"
        "    section_writer --> |content| synthesizer\n"
        "    synthesizer[synthesizer] --> |final_report| END([END])"
    )


def test_a_box_has_its_shape_once_where_it_first_stands_at_the_left() -> None:
    outline = Outline(
        boxes=(
            Box(id="x", name="x", kind="input"),
            Box(id="a", name="a"),
            Box(id="b", name="b"),
            Box(id="e", name="END", kind="end"),
        ),
        arrows=(
            Arrow(source="x", target="a"),
            Arrow(source="a", target="b", label="low"),
            Arrow(source="x", target="b", optional=True),
            Arrow(source="a", target="e", label="low"),
            Arrow(source="a", target="e", label="high"),
        ),
    )
    assert to_mermaid(outline).splitlines()[1:] == [
        "    x([x]) --> a",
        "    x -.-> b",
        "    a[a] --> |low| b",
        "    a --> |low| END([END])",
        "    a --> |high| END",
        "    b[b]",
    ]


def test_an_outline_of_nothing_is_an_empty_chart() -> None:
    assert to_mermaid(Outline(boxes=(), arrows=())) == "flowchart TD"


def test_boxes_inside_boxes_are_indented_and_may_share_names() -> None:
    innermost = Outline(boxes=(Box(id="a/b/x", name="x"),), arrows=())
    inner = Outline(
        boxes=(Box(id="a/x", name="x"), Box(id="a/b", name="b", inside=innermost)),
        arrows=(Arrow(source="a/x", target="a/b", label="value"),),
    )
    outline = Outline(boxes=(Box(id="x", name="x"), Box(id="a", name="a", inside=inner)), arrows=())
    assert to_mermaid(outline).splitlines()[1:] == [
        "    x[x]",
        "    subgraph a [a]",
        "        x_2[x] --> |value| b",
        "        subgraph b [b]",
        "            x_3[x]",
        "        end",
        "    end",
    ]


def test_a_number_given_for_uniqueness_is_not_another_boxs_name() -> None:
    boxes = tuple(Box(id=str(place), name=name) for place, name in enumerate(["a", "a_2", "a", "a"]))
    lines = to_mermaid(Outline(boxes=boxes, arrows=())).splitlines()[1:]
    assert lines == ["    a[a]", "    a_2[a_2]", "    a_3[a]", "    a_4[a]"]


@pytest.mark.parametrize("name", [*KEYWORDS, *TARGETS, *INHERITED])
def test_words_that_mermaid_keeps_for_itself_are_no_ids(name: str) -> None:
    assert one(name).startswith(f"{name}_[")


@pytest.mark.parametrize("name", ["END", "End", "endpoint", "text", "x", "o", "v", "TB", "class_name", "_a", "1"])
def test_harmless_names_stay_as_they_are(name: str) -> None:
    assert one(name) == f"{name}[{name}]"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("my node", "my_node[my node]"),
        ("a, b - c", "a_b_c[a, b - c]"),
        ("a(b)", 'a_b_["a#40;b#41;"]'),
        ('say "x"', 'say_x_["say #34;x#34;"]'),
        ("a|b", 'a_b["a#124;b"]'),
        ("<b>x</b>", '_b_x_b_["#60;b#62;x#60;#47;b#62;"]'),
        ("#35;", '_35_["#35;35#59;"]'),
        ("größe", 'gr_e["größe"]'),
        ("日本", '_["日本"]'),
        ("1. plan", '1_plan["1#46; plan"]'),
        ("- plan", '_plan["#45; plan"]'),
        ("__init__", '__init__["#95;#95;init#95;#95;"]'),
        ("_a and b_", '_a_and_b_["#95;a and b#95;"]'),
        ("direction TB", 'direction_TB["direction#32;TB"]'),
        ("two\n lines", "two_lines[two lines]"),
        ("", '_[" "]'),
    ],
)
def test_labels_show_the_name_whatever_is_in_it(name: str, line: str) -> None:
    assert one(name) == line


@dataclass
class Read:
    """What a text says, labels decoded; boxes and arrows by label."""

    boxes: Counter[tuple[str, str, str | None]] = field(default_factory=Counter)
    """Label, shape, and the label of the box around it."""
    arrows: Counter[tuple[str, str, str, str]] = field(default_factory=Counter)
    """Labels of source and target, shaft, label."""
    ids: list[str] = field(default_factory=list)


LABEL = r'(?:"[^"\n]*"|[A-Za-z0-9_][A-Za-z0-9_ ,-]*)'
SHAPE = rf"(?P<id>\w+)(?:\(\[(?P<round>{LABEL})\]\)|\[(?P<square>{LABEL})\])?"
LINE = re.compile(
    rf"(?: {{4}})+(?:subgraph (?P<sub>\w+) \[(?P<title>{LABEL})\]|(?P<end>end)"
    rf"|{SHAPE}(?: (?P<shaft>-->|-\.->)(?: \|(?P<label>{LABEL})\|)? (?P<target>\w+)(?P<at_end>\(\[END\]\))?)?)",
    re.ASCII,
)


def shown(label: str | None) -> str:
    return re.sub(r"#(\d+);", lambda code: chr(int(code[1])), (label or "").strip('"')).strip()


def read(text: str) -> Read:
    found, labels, arrows = Read(), dict[str, str](), list[tuple[str, str, str, str]]()
    around: list[str] = []
    first, *lines = text.split("\n")
    assert first == "flowchart TD"
    for line in lines:
        parts = LINE.fullmatch(line)
        assert parts is not None, line
        depth = len(around) - (parts["end"] is not None)
        assert len(line) - len(line.lstrip()) == 4 * (depth + 1), line
        parent = labels[around[-1]] if around else None
        for name, label, shape in [
            (parts["sub"], parts["title"], "around"),
            (parts["id"], parts["round"], "round"),
            (parts["id"], parts["square"], "square"),
            (parts["target"], "END" if parts["at_end"] else None, "round"),
        ]:
            if label is not None:
                assert name not in labels, f"{name} has two shapes"
                labels[name] = shown(label)
                found.ids.append(name)
                found.boxes[labels[name], shape, parent] += 1
        if parts["sub"]:
            around.append(parts["sub"])
        elif parts["end"]:
            around.pop()
        elif parts["shaft"]:
            arrows.append((parts["id"], parts["target"], parts["shaft"], shown(parts["label"])))
    for source, target, shaft, label in arrows:
        found.arrows[labels[source], labels[target], shaft, label] += 1
    return found


def expected(outline: Outline, parent: str | None = None) -> Read:
    found = Read()
    names = {box.id: " ".join(box.label.split()) for box in outline.boxes}
    for box in outline.boxes:
        shape = "around" if box.inside is not None else "square" if box.kind == "node" else "round"
        found.boxes[names[box.id], shape, parent] += 1
        if box.inside is not None:
            inside = expected(box.inside, names[box.id])
            found.boxes += inside.boxes
            found.arrows += inside.arrows
    for arrow in outline.arrows:
        shaft = "-.->" if arrow.optional else "-->"
        found.arrows[names[arrow.source], names[arrow.target], shaft, " ".join(arrow.label.split())] += 1
    return found


NAMES = st.one_of(
    st.sampled_from([*KEYWORDS, *TARGETS, *INHERITED, "END", "a", "b", "a_2", "__x__", "direction LR", "1. x"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.text('ab_ -,.#;"|[](){}<>&`\\$%:@/*', min_size=1, max_size=8),
)


@st.composite
def outlines(draw: st.DrawFn, place: str = "") -> Outline:
    deep = place.count("/") > 2
    boxes: list[Box] = []
    for number in range(draw(st.integers(0, 3))):
        here = f"{place}{number}"
        around = not deep and draw(st.integers(0, 3)) == 0
        boxes.append(
            Box(
                id=here,
                name=draw(NAMES),
                kind="node" if around or place else draw(st.sampled_from(["input", "node"])),
                map_over=tuple(draw(st.lists(NAMES, max_size=2))),
                inside=draw(outlines(f"{here}/")) if around else None,
            )
        )
    ids = st.sampled_from([box.id for box in boxes]) if boxes else st.nothing()
    arrows = st.builds(Arrow, source=ids, target=ids, label=st.one_of(st.just(""), NAMES), optional=st.booleans())
    drawn = draw(st.lists(arrows, max_size=4)) if boxes else []
    if boxes and not place and draw(st.booleans()):
        boxes.append(Box(id="end:", name="END", kind="end"))
        drawn.append(Arrow(source=boxes[0].id, target="end:", label=draw(NAMES)))
    return Outline(boxes=tuple(boxes), arrows=tuple(drawn))


@given(outlines())
def test_a_text_says_what_the_outline_says_whatever_the_names(outline: Outline) -> None:
    told, wanted = read(to_mermaid(outline)), expected(outline)
    assert (told.boxes, told.arrows) == (wanted.boxes, wanted.arrows)


@given(outlines())
def test_ids_are_unique_words_that_mean_nothing_to_mermaid(outline: Outline) -> None:
    ids = read(to_mermaid(outline)).ids
    assert len(set(ids)) == len(ids)
    assert not set(ids) & {*KEYWORDS, *TARGETS, *INHERITED}


@given(outlines())
def test_no_label_has_marks_that_mermaid_or_markdown_reads(outline: Outline) -> None:
    for line in to_mermaid(outline).splitlines()[1:]:
        assert not re.search(r"direction\s+(TB|BT|LR|RL|TD)", line)
        for label in re.findall(r'"([^"]*)"', line):
            assert not re.search(r"[^\w #;,-]|^[,-]|(?<!\w)_.*_(?!\w)", label), label
            assert re.sub(r"#\d+;", "", label).count("#") == 0
