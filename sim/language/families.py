"""The kinds of questions: what is asked about a scene, and its true answer.

Each family is a function `(view, words, rng) -> Question | None`. Where the answer could be guessed (yes or
no) it first fixes which answer it wants, then draws the objects, then the template, each without looking at
the others. None means that this draw found nothing to ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot

import numpy as np

from sim.language.instructions import GOAL_SHAPE, instruction
from sim.language.truth import SIDE_MARGIN, Item, SceneView
from sim.language.vocabulary import Vocabulary, pick
from sim.scene import TABLE_RANGE

POINT = "{point}"  # where a question names a place: the encoder writes the location tokens there
POINT_JITTER = 0.012  # m: a place on an object is drawn within this of its centre, along x and y
CLEAR = 0.09  # m: a place with nothing has no object nearer than this
RARE = 0.25  # how often to ask where only one answer is possible, so that it cannot be guessed in general
TELLING = 0.5  # share of questions about the block held or in a bowl, of those about any block's colour
PAIRS = 3  # pairs of objects looked at for one that differs clearly in place
NOTHING = 0.2  # share of places asked about that hold nothing

Rng = np.random.Generator


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
    point: tuple[float, float] | None
    family: str
    language: str
    places: tuple[tuple[float, float], ...] = ()


def ask_color(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask the colour of the one object that a description fits."""
    shape = pick(rng, ("block", "block", "block", "bowl", "zone"))
    fitting: list[tuple[str, Item, Item | None]] = []
    items = view.of_shape(shape)
    if len(items) == 1:
        fitting.append(("color_only", items[0], None))
    elif items:
        fitting += [(kind, item, None) for kind, item in _extremes(view, items)]
    if shape == "block":
        inside = [(block, bowl) for block in items if (bowl := view.bowl_of(block))]
        telling: list[tuple[str, Item, Item | None]] = [
            ("color_in_bowl", block, bowl) for block, bowl in inside if len(view.contents(bowl) or ()) == 1
        ]
        if len(inside) == 1 and all(view.contents(bowl) is not None for bowl in view.bowls):
            telling.append(("color_in_any_bowl", *inside[0]))
        if view.holding in view.named:
            telling.append(("color_held", view.named[view.holding], None))
        if telling and (not fitting or rng.random() < TELLING):
            fitting = telling
    if not fitting:
        return None
    kind, item, bowl = pick(rng, fitting)
    text = pick(rng, words.questions[kind]).format(
        noun=pick(rng, words.nouns[shape]).one,
        colour=pick(rng, words.colour_words),
        container=pick(rng, words.nouns["bowl"]).one,
        goal=words.phrase(rng, "bowl", bowl.color) if bowl else "",
    )
    return Question(text, words.color_answers[item.color], None, "color", words.name)


def _extremes(view: SceneView, items: list[Item]) -> list[tuple[str, Item]]:
    """The objects that are clearly leftmost, rightmost, nearest or furthest; none where one is held up."""
    if not all(item in view.resting for item in items):
        return []
    found = []
    by_left = sorted(items, key=_left)
    if by_left[-1].left - by_left[-2].left > SIDE_MARGIN:
        found.append(("color_left", by_left[-1]))
    if by_left[1].left - by_left[0].left > SIDE_MARGIN:
        found.append(("color_right", by_left[0]))
    by_near = sorted(items, key=_near)
    if all(view.is_nearer(by_near[-1], item) for item in by_near[:-1]):
        found.append(("color_near_camera", by_near[-1]))
    if all(view.is_nearer(item, by_near[0]) for item in by_near[1:]):
        found.append(("color_near_robot", by_near[0]))
    return found


def _left(item: Item) -> float:
    return item.left


def _near(item: Item) -> float:
    return item.near


def ask_existence(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask whether an object or a colour is there: half of the answers are yes, for every colour alike."""
    shape = pick(rng, ("block", "block", "bowl", "zone", "any"))
    present = {item.color for item in view.of_shape(shape)}
    unseen = {color for hidden, color in view.hidden if shape in (hidden, "any")}
    wanted = rng.random() < 0.5
    colors = [color for color in words.adjectives if (color in present) == wanted and color not in unseen]
    if not colors or (not present and rng.random() > RARE):
        return None
    color = pick(rng, colors)
    if shape == "any":
        adjective = pick(rng, words.adjectives[color])
        text = pick(rng, words.questions["existence_color"]).format(
            color=adjective, a_color=words.with_article(adjective)
        )
    else:
        phrase = words.phrase(rng, shape, color)
        text = pick(rng, words.questions["existence"]).format(it=phrase, a_it=words.with_article(phrase))
    return Question(text, words.replies["yes" if wanted else "no"], None, "existence", words.name)


def ask_count(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask how many visible objects of a shape, or of a colour, there are."""
    shape = pick(rng, ("block", "block", "bowl", "zone", "any", "color"))
    if shape == "color":
        unseen = {hidden for _, hidden in view.hidden}
        colors = [color for color in words.adjectives if color not in unseen]
        if not colors:
            return None
        color = pick(rng, colors)
        number = sum(item.color == color for item in view.items)
        adjective = pick(rng, words.adjectives[color])
        text = pick(rng, words.questions["count_color"]).format(color=adjective)
    else:
        if any(shape in (hidden, "any") for hidden, _ in view.hidden):
            return None
        number = len(view.of_shape(shape))
        text = pick(rng, words.questions["count"]).format(nouns=pick(rng, words.nouns[shape]).many)
    if number >= len(words.numbers):
        return None
    return Question(text, words.numbers[number], None, "count", words.name)


def ask_relation(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask how two objects lie to each other, as yes or no or as "which one"."""
    if len(view.resting) < 2:
        return None
    kind = pick(rng, ("left", "right", "near_robot", "near_camera"))
    for _ in range(PAIRS):
        first = pick(rng, view.resting)
        second = pick(rng, view.resting)
        if kind in ("left", "right"):
            clear = abs(first.left - second.left) > SIDE_MARGIN
        else:
            clear = view.is_nearer(first, second) or view.is_nearer(second, first)
        if clear:
            break
    else:
        return None
    if kind in ("left", "right"):
        holds = (first.left > second.left) == (kind == "left")
    else:
        holds = (first.near > second.near) == (kind == "near_camera")
    which = rng.random() < 0.5
    text = pick(rng, words.questions[f"which_{kind}" if which else kind]).format(
        it=words.phrase(rng, first.shape, first.color), other=words.phrase(rng, second.shape, second.color)
    )
    if which:
        chosen = first if holds else second
        answer = words.answer(chosen.shape, chosen.color)
    else:
        answer = words.replies["yes" if holds else "no"]
    return Question(text, answer, None, "relation", words.name)


def ask_location(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask where an object is; the answer is a place on the table, so nothing that is held up."""
    if not view.resting:
        return None
    item = pick(rng, view.resting)
    text = pick(rng, words.questions["location"]).format(it=words.phrase(rng, item.shape, item.color))
    return Question(text, None, (item.x, item.y), "location", words.name)


def ask_inventory(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask for everything on the table with its place, in an order that says nothing."""
    if not view.resting:
        return None
    items = [view.resting[index] for index in rng.permutation(len(view.resting))]
    named = [f"{words.answer(item.shape, item.color)} {POINT}" for item in items]
    places = tuple((item.x, item.y) for item in items)
    answer = words.captions["join"]["comma"].join(named)
    return Question(pick(rng, words.questions["inventory"]), answer, None, "inventory", words.name, places)


def ask_color_at(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask what is at a place: an object that nothing else covers, or nothing."""
    objects = view.scene["objects"]
    if rng.random() < NOTHING:
        (x_low, x_high), (y_low, y_high) = TABLE_RANGE
        x = x_low + (x_high - x_low) * rng.random()
        y = y_low + (y_high - y_low) * rng.random()
        if any(hypot(x - thing["position"][0], y - thing["position"][1]) < CLEAR for thing in objects):
            return None
        answer = words.replies["nothing"]
    else:
        if not view.resting:
            return None
        item = pick(rng, view.resting)
        near = [t for t in objects if hypot(item.x - t["position"][0], item.y - t["position"][1]) < CLEAR]
        if len(near) > 1:
            return None
        x = item.x + POINT_JITTER * (2.0 * rng.random() - 1.0)
        y = item.y + POINT_JITTER * (2.0 * rng.random() - 1.0)
        answer = words.answer(item.shape, item.color)
    text = pick(rng, words.questions["color_at"]).format(point=POINT)
    return Question(text, answer, (x, y), "color_at", words.name)


def ask_done(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask whether an instruction has been carried out: half yes where one of that task has been."""
    task = pick(rng, tuple(GOAL_SHAPE))
    goal_shape = GOAL_SHAPE[task]
    goals: Sequence[Item | None] = (None,)
    if goal_shape is not None:
        goals = [item for item in view.unique if item.shape == goal_shape]
    cases: dict[bool, list[tuple[Item, Item | None]]] = {True: [], False: []}
    for target in view.unique:
        if target.shape == "block":
            for goal in goals:
                state = view.is_done(task, target, goal)
                if state is not None:
                    cases[state].append((target, goal))
    wanted = rng.random() < 0.5
    if not cases[wanted] or (not cases[not wanted] and rng.random() > RARE):
        return None
    target, goal = pick(rng, cases[wanted])
    order = instruction(task, target.color, goal.color if goal else None, words.name, rng)
    text = pick(rng, words.questions["done"]).format(instruction=order)
    return Question(text, words.replies["yes" if wanted else "no"], None, "done", words.name)


def ask_state(view: SceneView, words: Vocabulary, rng: Rng) -> Question | None:
    """Ask what the gripper holds or what a bowl contains."""
    bowls = [item for item in view.unique if item.shape == "bowl"]
    inside: Item | None = None
    goal = ""
    if bowls and rng.random() < 0.5:
        kind = "contents"
        bowl = pick(rng, bowls)
        blocks = view.contents(bowl)
        if blocks is None or len(blocks) > 1:
            return None
        inside = blocks[0] if blocks else None
        goal = words.phrase(rng, "bowl", bowl.color)
    else:
        kind = "holding"
        if view.holding is not None:
            if view.holding not in view.named:
                return None
            inside = view.named[view.holding]
    if inside is None and rng.random() > RARE:
        return None
    text = pick(rng, words.questions[kind]).format(goal=goal)
    answer = words.answer(inside.shape, inside.color) if inside else words.replies["nothing"]
    return Question(text, answer, None, "state", words.name)
