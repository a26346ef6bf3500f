"""How answers are judged, worked by hand."""

import numpy as np
import pytest

from sim.language import Question
from vla.actions.locations import location_text
from vla.evaluation.questions import judge, summarise
from vla.types import Answer

RED, BLUE = (0.40, -0.10), (0.60, 0.20)
INVENTORY = Question(
    "what is where?", "red block {point}, blue bowl {point}", None, "inventory", "en", (RED, BLUE)
)
LOCATION = Question("where is the red block?", None, RED, "location", "en")
COUNT = Question("how many blocks are there?", "two", None, "count", "en")


def said(text: str, *places: tuple[float, float]) -> Answer:
    """An answer whose "{point}"s are those places."""
    for place in places:
        text = text.replace("{point}", location_text(place), 1)
    point = places[0] if text == "{point}" else None
    return Answer(text, 0.5, point, places, np.ones(1, np.float32))


def shifted(place: tuple[float, float], x: float) -> tuple[float, float]:
    return place[0] + x, place[1]


@pytest.mark.parametrize(("text", "correct"), [("two", True), ("three", False), ("two two", False)])
def test_words_must_be_the_same(text: str, correct: bool) -> None:
    judged = judge(COUNT, said(text))
    assert judged.correct == correct and judged.error_cm is None


@pytest.mark.parametrize(("shift", "correct"), [(0.0, True), (0.019, True), (-0.021, False)])
def test_a_place_must_be_near(shift: float, correct: bool) -> None:
    place = shifted(RED, shift)
    judged = judge(LOCATION, Answer(location_text(place), 0.5, place, (place,), np.ones(1, np.float32)))
    assert judged.correct == correct
    assert judged.error_cm == pytest.approx(100 * abs(shift))


def test_words_are_no_place() -> None:
    judged = judge(LOCATION, said("on the left"))
    assert not judged.correct and judged.error_cm is None


@pytest.mark.parametrize(
    ("text", "places", "correct", "error"),
    [
        ("red block {point}, blue bowl {point}", (RED, BLUE), True, 0.0),
        ("blue bowl {point}, red block {point}", (BLUE, RED), True, 0.0),
        ("red block {point}, blue bowl {point}", (shifted(RED, 0.01), BLUE), True, 0.5),
        ("red block {point}, blue bowl {point}", (shifted(RED, 0.03), BLUE), False, 1.5),
        ("red block {point}, blue bowl {point}", (BLUE, RED), False, 36.06),
        ("red block {point}, blue zone {point}", (RED, BLUE), False, 0.0),
        ("red block {point}", (RED,), False, 0.0),
        ("red block {point}, blue bowl {point}, red block {point}", (RED, BLUE, RED), False, 0.0),
        ("red block {point}, blue bowl {point}, green", (RED, BLUE), False, 0.0),
        ("red block {point}, blue bowl", (RED,), False, 0.0),
        ("{point}, red block {point} blue bowl", (RED, RED), False, 0.0),
        ("{point}", (RED,), False, None),
        ("nothing", (), False, None),
    ],
)
def test_an_inventory_must_name_and_place_everything(
    text: str, places: tuple[tuple[float, float], ...], correct: bool, error: float | None
) -> None:
    judged = judge(INVENTORY, said(text, *places))
    assert judged.correct == correct
    assert judged.error_cm == (None if error is None else pytest.approx(error, abs=0.01))


def test_an_inventory_may_be_japanese() -> None:
    text = "赤いブロック {point}、青いボウル {point}"
    asked = Question("何がどこにありますか?", text, None, "inventory", "ja", (RED, BLUE))
    assert judge(asked, said("青いボウル {point}、赤いブロック {point}", BLUE, RED)).correct
    assert not judge(asked, said("青いボウル {point}、赤いブロック {point}", RED, BLUE)).correct


def test_a_summary_counts_by_family_and_language() -> None:
    asked = [
        judge(COUNT, said("two")),
        judge(COUNT, said("one")),
        judge(INVENTORY, said("red block {point}", shifted(RED, 0.01))),
    ]
    summary = summarise(asked)
    assert set(summary) == {"count", "inventory"}
    assert (summary["count"]["questions"], summary["count"]["correct"], summary["count"]["accuracy"]) == (
        2,
        1,
        0.5,
    )
    assert "median_error_cm" not in summary["count"]
    assert summary["inventory"]["median_error_cm"] == pytest.approx(1.0)
    assert summary["inventory"]["languages"]["en"]["correct"] == 0
