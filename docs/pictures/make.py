"""Draws the pictures of the documents: `python docs/pictures/make.py` writes them beside this file.

They are drawn by the code that draws on a terminal, from runs that are made up and times that stand still, so that a
test can hold the files against what the code draws now.
"""

from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.text import Text

from piecework.cli.board import draw
from piecework.cli.standing import Entry, Standing

__all__ = ("PICTURES", "report_progress")

WIDTH = 76
"""Columns of the terminal in a picture."""

# Like rich's own, but with the fonts of whoever looks at it: that one fetches its font from the network.
FRAME = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
    <style>
    .{unique_id}-matrix {{
        font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
        font-size: {char_height}px;
        line-height: {line_height}px;
    }}
    .{unique_id}-title {{
        font-family: system-ui, "Segoe UI", "DejaVu Sans", Arial, sans-serif;
        font-size: 18px;
        font-weight: bold;
    }}
    {styles}
    </style>
    <defs>
    <clipPath id="{unique_id}-clip-terminal">
      <rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
    </clipPath>
    {lines}
    </defs>
    {chrome}
    <g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
    {backgrounds}
    <g class="{unique_id}-matrix">
    {matrix}
    </g>
    </g>
</svg>
"""


def report_progress() -> str:
    """Return the picture of `piecework report` in the middle of a run, as SVG."""
    entries = (
        Entry("Power laws of the loss", "done", began=2.1, ended=9.4, words=412),
        Entry("Compute-optimal training", "done", began=2.1, ended=11.8, words=538),
        Entry(
            "How much data there is",
            "failed",
            began=2.1,
            ended=5.6,
            reason="anthropic is overloaded (529), also when asked again. Try later.",
        ),
        Entry("Emergent abilities and how they are measured", "writing", began=5.6),
        Entry("Scaling at inference time", "writing", began=9.4),
        Entry("Where the curves may bend", "waiting"),
    )
    standing = Standing(began=0.0, stage="writing", planned=2.1, entries=entries)
    prompt = Text.assemble(("$ ", "bold green"), 'piecework report "LLM scaling laws" -o report.md')
    return _picture("piecework report", [prompt, draw(standing, 14.2, width=WIDTH)])


PICTURES = {"report-progress.svg": report_progress}
"""What draws each file."""


def _picture(title: str, texts: list[Text]) -> str:
    console = Console(
        record=True,
        file=StringIO(),
        width=WIDTH,
        force_terminal=True,
        color_system="truecolor",
        no_color=False,
        legacy_windows=False,
        highlight=False,
    )
    for text in texts:
        console.print(text)
    svg = console.export_svg(title=title, code_format=FRAME, unique_id="piecework")
    return "".join(f"{line.rstrip()}\n" for line in svg.splitlines() if line.strip())


if __name__ == "__main__":
    for name, picture in PICTURES.items():
        (Path(__file__).parent / name).write_text(picture(), encoding="utf-8", newline="\n")
