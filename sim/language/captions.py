"""Captions for contrastive training, and short descriptions: what is on the table, in words that vary."""

from __future__ import annotations

import numpy as np

from sim.language.items import Item
from sim.language.naming import Naming
from sim.language.truth import MOVABLE, OPEN, SHUT, SIDE_THIRD, THIRD_MARGIN, SceneView
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
    naming = Naming(view, words)
    placed = rng.random() < PLACED
    mentions = [_mention(view, naming, rng, item, placed) for item in _shuffled(view.items, rng)]
    templates = words.captions["scene"]
    if view.holding is None:
        templates = templates + words.captions["on_table"]
    text = pick(rng, templates).format(list=_join(words, mentions))
    relation = _relation(view, naming, rng) if rng.random() < RELATED else None
    if relation is None:
        return text
    return words.captions["sentence"].format(scene=text, relation=relation)


def description(scene: Scene, rng: np.random.Generator, language: str) -> str:
    """Describe a scene in one to three sentences: what is there, what the gripper holds, and one state.

    Args:
        scene: as for `caption`.
        rng: source of every draw.
        language: "en" or "ja".
    Returns:
        Lower-case sentences without a final full stop.
    Raises:
        SimError: unknown language.
    """
    words = vocabulary(language)
    view = SceneView(scene)
    naming = Naming(view, words)
    say = words.description
    items = [item for item in _shuffled(view.items, rng) if item.name != view.holding]
    if items:
        mentions = [words.with_article(_phrase(naming, rng, item)) for item in items]
        template = pick(rng, say["one" if len(items) == 1 else "counted"])
        count = say["count"].format(word=words.numbers[len(items)], n=len(items))
        sentences = [template.format(list=_join(words, mentions), count=count)]
    else:
        sentences = [pick(rng, say["empty"])]
    held = view.by_name.get(view.holding or "")
    if held is None:
        sentences.append(pick(rng, say["not_holding"]))
    elif held.visible:
        sentences.append(pick(rng, say["holding"]).format(it=_phrase(naming, rng, held)))
    states = _states(view, naming, rng)
    if states:
        sentences.append(pick(rng, states))
    return str(say["join"]).join(sentences)


def _states(view: SceneView, naming: Naming, rng: np.random.Generator) -> list[str]:
    """Sentences about objects in bowls and about drawers."""
    say, found = naming.words.description, []
    for item in view.items:
        bowl = view.bowl_of(item)
        if bowl is not None:
            it, goal = _phrase(naming, rng, item), _phrase(naming, rng, bowl)
            found.append(pick(rng, say["in_bowl"]).format(it=it, goal=goal))
        elif item.shape == "drawer" and not SHUT <= item.joint <= OPEN:
            kind = "drawer_open" if item.joint > OPEN else "drawer_closed"
            found.append(pick(rng, say[kind]).format(it=_phrase(naming, rng, item)))
    return found


def _shuffled(items: list[Item], rng: np.random.Generator) -> list[Item]:
    """The items in an order of which all are equally likely (Fisher-Yates)."""
    items = list(items)
    for last in range(len(items) - 1, 0, -1):
        other = int(rng.random() * (last + 1))
        items[last], items[other] = items[other], items[last]
    return items


def _phrase(naming: Naming, rng: np.random.Generator, item: Item) -> str:
    return naming.phrase(rng, item, colored=True, generic=False)


def _mention(view: SceneView, naming: Naming, rng: np.random.Generator, item: Item, placed: bool) -> str:
    """One object with, if wanted and certain, where it is."""
    words = naming.words
    part, goal = "plain", ""
    if placed:
        bowl = view.bowl_of(item) if item.shape in MOVABLE else None
        if bowl is not None:
            part, goal = "in_bowl", _phrase(naming, rng, bowl)
        elif item.name == view.holding:
            part = "held"
        elif abs(abs(item.left) - SIDE_THIRD) > THIRD_MARGIN:
            part = "middle" if abs(item.left) < SIDE_THIRD else "left" if item.left > 0 else "right"
    phrase = _phrase(naming, rng, item)
    return pick(rng, words.captions[part]).format(it=phrase, a_it=words.with_article(phrase), goal=goal)


def _join(words: Vocabulary, mentions: list[str]) -> str:
    """Write "a, b and c"."""
    if len(mentions) == 1:
        return mentions[0]
    join = words.captions["join"]
    return join["comma"].join(mentions[:-1]) + join["last"] + mentions[-1]


def _relation(view: SceneView, naming: Naming, rng: np.random.Generator) -> str | None:
    """Say how two objects lie to each other, if the two that were drawn differ clearly."""
    items = [item for item in view.resting if naming.is_namable(item)]
    if len(items) < 2:
        return None
    first, second = pick(rng, items), pick(rng, items)
    sideways = rng.random() < 0.5
    before = view.is_left if sideways else view.is_nearer
    kinds = (
        ("relation_left", "relation_right") if sideways else ("relation_near_camera", "relation_near_robot")
    )
    if not (before(first, second) or before(second, first)):
        return None
    kind = kinds[0] if before(first, second) else kinds[1]
    return pick(rng, naming.words.captions[kind]).format(
        it=naming.phrase(rng, first), other=naming.phrase(rng, second)
    )
