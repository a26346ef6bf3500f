"""Captions for contrastive training: what is on the table, in words and order that vary from draw to draw."""

from __future__ import annotations

import numpy as np

from sim.language.truth import SIDE_MARGIN, SIDE_THIRD, THIRD_MARGIN, Item, SceneView
from sim.language.vocabulary import Vocabulary, pick, vocabulary
from sim.scene import Scene

PLACED = 0.7  # share of captions that say where the objects are
RELATED = 0.4  # share of captions that end with how two objects lie to each other


def caption(scene: Scene, rng: np.random.Generator, language: str) -> str:
    """Draw a caption that names every visible object with its colour.

    Args:
        scene: `info["scene"]` of an env, or the scene of a still picture.
        rng: source of every draw.
        language: "en" or "ja".
    Returns:
        Lower-case text without a final full stop, such as "a robot arm and a red block on the left, ...".
    Raises:
        SimError: unknown language.
    """
    words = vocabulary(language)
    view = SceneView(scene)
    if not view.items:
        return pick(rng, words.captions["empty"])
    items = list(view.items)
    for last in range(len(items) - 1, 0, -1):  # Fisher-Yates: every order is equally likely
        other = int(rng.random() * (last + 1))
        items[last], items[other] = items[other], items[last]
    placed = rng.random() < PLACED
    listed = _join(words, [_mention(view, words, rng, item, placed) for item in items])
    templates = words.captions["scene"]
    if view.holding is None:
        templates = templates + words.captions["on_table"]
    text = pick(rng, templates).format(list=listed)
    relation = _relation(view, words, rng) if rng.random() < RELATED else None
    if relation is None:
        return text
    return words.captions["sentence"].format(scene=text, relation=relation)


def _mention(view: SceneView, words: Vocabulary, rng: np.random.Generator, item: Item, placed: bool) -> str:
    """One object with, if wanted and certain, where it is."""
    part, goal = "plain", ""
    if placed:
        bowl = view.bowl_of(item) if item.shape == "block" else None
        if bowl is not None:
            part, goal = "in_bowl", words.phrase(rng, "bowl", bowl.color)
        elif item.name == view.holding:
            part = "held"
        elif abs(abs(item.left) - SIDE_THIRD) > THIRD_MARGIN:
            part = "middle" if abs(item.left) < SIDE_THIRD else "left" if item.left > 0 else "right"
    phrase = words.phrase(rng, item.shape, item.color)
    return pick(rng, words.captions[part]).format(it=phrase, a_it=words.with_article(phrase), goal=goal)


def _join(words: Vocabulary, mentions: list[str]) -> str:
    """Write "a, b and c"."""
    if len(mentions) == 1:
        return mentions[0]
    join = words.captions["join"]
    return join["comma"].join(mentions[:-1]) + join["last"] + mentions[-1]


def _relation(view: SceneView, words: Vocabulary, rng: np.random.Generator) -> str | None:
    """Say how two objects lie to each other, if the two that were drawn differ clearly."""
    if len(view.resting) < 2:
        return None
    first = pick(rng, view.resting)
    second = pick(rng, view.resting)
    if rng.random() < 0.5:
        gap = first.left - second.left
        if abs(gap) < SIDE_MARGIN:
            return None
        kind = "relation_left" if gap > 0 else "relation_right"
    elif view.is_nearer(first, second):
        kind = "relation_near_camera"
    elif view.is_nearer(second, first):
        kind = "relation_near_robot"
    else:
        return None
    return pick(rng, words.captions[kind]).format(
        it=words.phrase(rng, first.shape, first.color), other=words.phrase(rng, second.shape, second.color)
    )
