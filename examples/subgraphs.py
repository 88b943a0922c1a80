"""Graphs in graphs: one inner graph used twice under other names, and the whole mapped again a level up.

Names are local. `review` knows a `text` and a `verdict`; the article around it calls them `headline` and
`headline_verdict`, or `body` and `body_verdict`; the magazine maps the article over lists of both.

Run it: python examples/subgraphs.py
"""

from piecework import Graph, SyncRunner, node

# Level 1: reviewing any text.


@node(output_name="words")
def count_words(text: str) -> int:
    """Count the words of a text."""
    return len(text.split())


@node(output_name="verdict")
def judge(words: int, most: int) -> str:
    """Say whether a text is short enough."""
    return "fine" if words <= most else f"{words - most} words too long"


review = Graph(nodes=[count_words, judge], name="review").select("verdict")

# Level 2: an article is a headline and a body, reviewed by different measures.

review_headline = (
    review.bind(most=4).as_node("review_headline").with_inputs(text="headline").with_outputs(verdict="headline_verdict")
)
review_body = review.as_node("review_body").with_inputs(text="body").with_outputs(verdict="body_verdict")


@node(output_name="report")
def report(headline: str, headline_verdict: str, body_verdict: str) -> str:
    """Put both verdicts in a line."""
    return f"{headline!r}: headline {headline_verdict}, body {body_verdict}"


# The bound `most` of one review and the open one of the other would be one input of the article: they get two names.
article = Graph(
    nodes=[
        review_headline.with_inputs(most="most_in_headline"),
        review_body.with_inputs(most="most_in_body"),
        report,
    ],
    name="article",
)

# Level 3: a magazine is many articles.

magazine = Graph(
    nodes=[
        article.select("report")
        .as_node()
        .with_inputs(headline="headlines", body="bodies")
        .map_over("headlines", "bodies")
        .with_outputs(report="reports"),
    ],
    name="magazine",
)


def main() -> None:
    """Review a magazine of three articles."""
    print(magazine)
    result = SyncRunner().run(
        magazine,
        headlines=["Tides explained", "Why every river in the world moves", "Ice"],
        bodies=[
            "The moon pulls on the sea.",
            "Water takes the ground along.",
            "It flows, slowly, and never rests at all.",
        ],
        most_in_body=6,
    )
    reports = result["reports"]
    assert isinstance(reports, list)
    for line in reports:
        print(f"  {line}")


if __name__ == "__main__":
    main()
