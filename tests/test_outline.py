"""The outline as data: what a box is labelled with."""

from piecework.outline import Box


def test_a_box_is_labelled_with_its_name() -> None:
    assert Box(id="a/b", name="b").label == "b"


def test_a_mapped_box_says_what_it_maps_over() -> None:
    assert Box(id="b", name="b", map_over=("section",)).label == "b - map_over section"
    assert Box(id="b", name="b", map_over=("width", "height")).label == "b - map_over width, height"
