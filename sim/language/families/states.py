"""Questions about states: what is held or lies somewhere, and what is open or pressed."""

from __future__ import annotations

from sim.language.families.base import RARE, Question, Rng
from sim.language.items import Item
from sim.language.naming import Naming
from sim.language.truth import NARROW, OPEN, PRESSED, RAISED, SHUT, SURFACES, WIDE, SceneView
from sim.language.vocabulary import Phrasing, pick

# What has a joint -> two opposite kinds of questions, and the values beyond which the first is true or false.
_STATES = {
    "gripper": (("gripper_open", "gripper_closed"), WIDE, NARROW),
    "drawer": (("drawer_open", "drawer_closed"), OPEN, SHUT),
    "button": (("button_pressed", "button_up"), PRESSED, RAISED),
}


def ask_state(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask what the gripper holds, or what is in a bowl or on a plate, card, zone or block."""
    words = naming.words
    containers = _containers(view, naming, rng)
    inside: Item | None = None
    goal = ""
    if containers and rng.random() < 0.5:
        container = pick(rng, containers)
        kind = "contents" if container.shape == "bowl" else "on_top"
        found = view.contents(container)
        if found is None or len(found) > 1:
            return None
        inside = found[0] if found else None
        goal = naming.phrase(rng, container)
    else:
        kind = "holding"
        if view.holding is not None:
            inside = view.by_name[view.holding]
            if not inside.visible:
                return None
    if inside is None and rng.random() > RARE:
        return None
    text = words.draw_question(rng, kind, phrasing).format(goal=goal)
    answer = naming.answer(inside) if inside else words.replies["nothing"]
    return Question(text, answer, None, "state", words.name)


def _containers(view: SceneView, naming: Naming, rng: Rng) -> list[Item]:
    """What something could be in or on: blocks half of the time, but seldom where none carries anything."""
    shapes = ("bowl",) if view.basic else ("bowl", *SURFACES)
    if not view.basic and rng.random() < 0.5:
        blocks = [item for item in view.items if item.shape == "block"]
        if any(view.contents(block) for block in blocks) or rng.random() < RARE:
            shapes = ("block",)
    return [item for item in view.items if item.shape in shapes and naming.is_namable(item)]


def ask_opening(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask whether the gripper or a drawer is open or closed, or a button pressed or not."""
    words = naming.words
    fixtures = [item for item in view.items if item.joint >= 0.0 and naming.is_namable(item)]
    if fixtures and rng.random() < 0.7:
        item = pick(rng, fixtures)
        kinds, true, false = _STATES[item.shape]
        value, phrase = item.joint, naming.phrase(rng, item)
    else:
        kinds, true, false = _STATES["gripper"]
        value, phrase = view.opening, ""
        if view.holding is not None:
            return None
    if false <= value <= true:
        return None
    # The opposite is asked as often, so that half of the answers are yes whatever stands there.
    inverted = rng.random() < 0.5
    text = words.draw_question(rng, kinds[inverted], phrasing).format(it=phrase)
    holds = (value > true) != inverted
    return Question(text, words.replies["yes" if holds else "no"], None, "opening", words.name)
