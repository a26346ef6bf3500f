"""What all families of questions share.

Each family is a function `(view, naming, rng, phrasing) -> Question | None`. Where the answer could be
guessed (yes or no) it first fixes which answer it wants, then draws the objects, then the template, each
without looking at the others. None means that this draw found nothing to ask.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np

from sim.language.items import Item
from sim.language.truth import SceneView
from sim.language.vocabulary import Vocabulary, pick
from sim.scene import TABLE_RANGE

POINT = "{point}"  # where a question names a place: the encoder writes the location tokens there
RARE = 0.25  # how often to ask where only one answer is possible, so that it cannot be guessed in general
POINT_JITTER = 0.012  # m: a place on an object is drawn within this of its centre, along x and y
CLEAR = 0.09  # m: a place with nothing has no object nearer than this
DRAWER_CLEAR = 0.26  # m: the same for a drawer, which slides

Rng = np.random.Generator
Place = tuple[float, float]


@dataclass(frozen=True)
class Question:
    """A question with its true answer.

    Attributes:
        question: text; where it names a place it holds "{point}" once.
        answer: short lower-case words, "{point}" wherever they name a place; None when it is a place alone.
        point: a place (x, y) on the table in the robot's base frame, m: the answer when `answer` is None,
            otherwise the place that the question names; None when no place is involved.
        family: one of FAMILIES.
        language: "en" or "ja".
        places: the place (x, y), m, for each "{point}" in the answer, in order.
    """

    question: str
    answer: str | None
    point: Place | None
    family: str
    language: str
    places: tuple[Place, ...] = ()


def draw_shape(view: SceneView, words: Vocabulary, rng: Rng, seen: float = 0.85) -> str:
    """Draw a shape that has a word: mostly one that is in sight; in the basic split blocks most of all."""
    if view.basic:
        return pick(rng, ("block", "block", "block", "bowl", "zone"))
    visible = [item.shape for item in view.items if item.shape in words.nouns]
    if visible and rng.random() < seen:
        return pick(rng, visible)
    return pick(rng, [shape for shape in words.nouns if shape != "any"])


def is_on_scale(x: float, y: float) -> bool:
    """Whether a place can be written in location tokens."""
    (x_low, x_high), (y_low, y_high) = TABLE_RANGE
    return x_low <= x <= x_high and y_low <= y <= y_high


def at_item(view: SceneView, item: Item, rng: Rng) -> Place | None:
    """Draw a place on an object that no other object is near; None where there is none, as in a ring."""
    near = [other for other in view.all if _reaches(other, item.x, item.y)]
    if len(near) > 1 or item.shape in ("ring", "drawer"):
        return None
    x = item.x + POINT_JITTER * (2.0 * rng.random() - 1.0)
    y = item.y + POINT_JITTER * (2.0 * rng.random() - 1.0)
    return (x, y) if is_on_scale(x, y) else None


def empty_place(view: SceneView, rng: Rng) -> Place | None:
    """Draw a place with nothing near, or None if the one drawn has something."""
    (x_low, x_high), (y_low, y_high) = TABLE_RANGE
    x = x_low + (x_high - x_low) * rng.random()
    y = y_low + (y_high - y_low) * rng.random()
    return None if any(_reaches(item, x, y) for item in view.all) else (x, y)


def _reaches(item: Item, x: float, y: float) -> bool:
    return hypot(x - item.x, y - item.y) < (DRAWER_CLEAR if item.shape == "drawer" else CLEAR)
