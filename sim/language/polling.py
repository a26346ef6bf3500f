"""Questions whether something is there, with absent things that are ever easier to mistake for present ones.

POPE's test of objects that a model imagines (arXiv:2305.10355): half of the questions are about what is
there; of the others some name anything absent, some what is often there, some what the scene suggests.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from sim.language.families.base import Question, Rng
from sim.language.truth import SceneView
from sim.language.vocabulary import pick, vocabulary
from sim.scene import Scene

Pair = tuple[str, str]
"""A colour and a shape."""
Negatives = Literal["random", "popular", "adversarial"]
NEGATIVES: tuple[Negatives, ...] = ("random", "popular", "adversarial")
FAMILY = "existence"


def shown_pairs(scene: Scene) -> list[Pair]:
    """Colour and shape of every object in sight that has words for both; no card."""
    view = SceneView(scene)
    nouns = vocabulary("en").nouns
    return [(item.color, item.shape) for item in view.items if item.shape in nouns and item.symbol is None]


def absent_pair(scene: Scene, kind: Negatives, popular: Sequence[Pair], rng: Rng) -> Pair | None:
    """Draw a colour and a shape that no object has together, in sight or not; None if there is none.

    Args:
        scene: the truth.
        kind: random: any; popular: the first of `popular` that is absent; adversarial: both are there, apart.
        popular: pairs, the most frequent first.
        rng: source of every draw.
    """
    view = SceneView(scene)
    there = {(item.color, item.shape) for item in view.all}
    shapes = [shape for shape in vocabulary("en").nouns if shape not in ("any", "card")]
    if kind == "popular":
        return next((pair for pair in popular if pair not in there), None)
    pairs = [(color, shape) for color in view.colors for shape in shapes if (color, shape) not in there]
    if kind == "adversarial":
        shown = shown_pairs(scene)
        colors, forms = {color for color, _ in shown}, {shape for _, shape in shown}
        pairs = [(color, shape) for color, shape in pairs if color in colors and shape in forms]
    return pick(rng, pairs) if pairs else None


def ask_whether(scene: Scene, pair: Pair, language: str, rng: Rng) -> Question:
    """Ask whether an object of a colour and shape is there, with the true answer."""
    words, (color, shape) = vocabulary(language), pair
    phrase = words.join(pick(rng, words.adjectives[color]), pick(rng, words.nouns[shape]).one)
    text = words.draw_question(rng, FAMILY, "train").format(it=phrase, a_it=words.with_article(phrase))
    reply = words.replies["yes" if pair in shown_pairs(scene) else "no"]
    return Question(text, reply, None, FAMILY, language)
