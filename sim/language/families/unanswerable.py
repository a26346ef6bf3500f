"""Questions about what is absent, or could be one of several: the picture does not answer them."""

from __future__ import annotations

from sim.language.families.base import Question, Rng
from sim.language.items import Item
from sim.language.naming import Naming
from sim.language.truth import FIRST_SHAPES, SceneView
from sim.language.vocabulary import ANY, Phrasing, pick
from sim.objects import SHAPES

KINDS = ("color_only", "location", "size", "shape_of")


def ask_unanswerable(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask the colour, place, size or shape of an absent thing, or of one of several that differ in it."""
    words = naming.words
    kind = pick(rng, KINDS)
    shapes = FIRST_SHAPES if view.basic else tuple(words.nouns)
    shape = pick(rng, [shape for shape in shapes if shape not in (ANY, "card") and _fits(kind, shape)])
    one_of_several = rng.random() < 0.5
    noun = pick(rng, words.nouns[shape])
    if kind == "color_only":
        if one_of_several != _differ(view, shape, "color") or (not one_of_several and view.hides(shape)):
            return None
        if not one_of_several and view.of_shape(shape):
            return None
        slots = {"noun": noun.one, "nouns": noun.many, "colour": pick(rng, words.colour_words)}
    elif kind == "shape_of":
        color = _color_without_shape(view, rng, one_of_several)
        if color is None:
            return None
        slots = {"color": pick(rng, words.adjectives[color]), "any": pick(rng, words.nouns[ANY]).one}
    elif one_of_several:
        if not _differ(view, shape, "name" if kind == "location" else "size"):
            return None
        slots = {"it": noun.one}
    else:
        slots = {"it": naming.absent(rng, shape, sized=kind != "size")}
    text = words.draw_question(rng, kind, phrasing).format(**slots)
    return Question(text, words.replies["unknown"], None, "unanswerable", words.name)


def _fits(kind: str, shape: str) -> bool:
    """Whether a kind is asked of a shape: the size only of what comes in sizes."""
    return kind != "size" or len(SHAPES[shape].sizes) > 1


def _differ(view: SceneView, shape: str, key: str) -> bool:
    """Whether several things of a shape are in sight that differ in something."""
    return len({getattr(item, key) for item in view.of_shape(shape)}) > 1


def _color_without_shape(view: SceneView, rng: Rng, one_of_several: bool) -> str | None:
    """Draw a colour that nothing has, or that things of different shapes in sight have."""

    def of(color: str, items: list[Item]) -> set[str]:
        return {item.shape for item in items if item.color == color}

    colors = [
        color
        for color in view.colors
        if view.is_telling(color)
        and (len(of(color, view.items)) > 1 if one_of_several else not of(color, view.all))
    ]
    return pick(rng, colors) if colors else None
